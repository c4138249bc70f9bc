import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why real networking cannot be tried here. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const works = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: "ignore" }).status === 0;
  if (!works("unshare", "--net", "--mount", "true")) return "this machine does not allow network namespaces";
  if (!works("nsenter", "--version")) return "no nsenter on this machine";
  return works("unshare", "--net", "nft", "list", "tables") || works("unshare", "--net", "iptables", "-S") ? undefined : "neither nft nor iptables works here";
}
const without = missing();
const has = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
const it = (name: string, work: () => void, needs: readonly string[] = [], lacking?: string): void => {
  const reason = without ?? needs.filter((p) => !has(p)).map((p) => `no ${p} on this machine`)[0] ?? lacking;
  if (reason === undefined) test(name, work);
  else test.skip(`${name} (skipped: ${reason})`, work);
};

const macvlanMissing = spawnSync("unshare", ["--net", "sh", "-c", "ip link add br9 type bridge && ip link add link br9 name mac9 type macvlan"], { stdio: "ignore" }).status === 0 ? undefined : "the kernel has no macvlan";

/** Runs a scenario in namespaces of its own; what it says. `hidden`: a program that this machine shall not have. */
function scenario(name: string, hidden = ""): Record<string, unknown> {
  const dir = mkdtempSync(join(tmpdir(), "strata-net-"));
  try {
    const { status, stdout, stderr } = spawnSync("unshare", ["--net", "--mount", process.execPath, join(__dirname, "testing/network-scenarios.js"), name, dir, hidden], { encoding: "utf8", timeout: 50_000 });
    if (status !== 0) throw new Error(`scenario ${name} failed (${status}):\n${stderr}`);
    const { value, complaints } = JSON.parse(stdout) as { value: Record<string, unknown>; complaints: string[] };
    expect(complaints).toEqual([]);
    return value;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

it("a container has an address, a route and neighbours", () => {
  const seen = scenario("bridge");
  expect(seen["endpoint"]).toEqual({ ipv4: "172.17.0.2", gateway: "172.17.0.1", mac: "02:42:ac:11:00:02", name: "eth0" });
  expect(seen["fromHost"]).toBe("one saw ::ffff:172.17.0.1");
  expect(seen["fromTwo"]).toBe("one saw ::ffff:172.17.0.3");
  expect(seen["gateway"]).toBe("ECONNREFUSED");
  expect(seen["routes"]).toMatch(/eth0\s+00000000\s+010011AC/);
  expect(String(seen["ipv6"])).toMatch(/^0{31}1 \S+ \S+ \S+ \S+ +lo$/);
  expect(seen["forward"]).toBe("1");
  expect((seen["interfaces"] as string[]).filter((n) => n.startsWith("veth"))).toHaveLength(2);
});

const published = {
  loopback: expect.stringContaining("one saw"), lanAddress: expect.stringContaining("one saw"), neighbour: "one saw ::ffff:198.51.100.2", otherContainer: expect.stringContaining("one saw"),
  itself: expect.stringContaining("one saw"), lanFromContainer: expect.stringContaining("one saw"), unpublished: "TIMEOUT", direct: expect.stringContaining("one saw"), after: "ECONNREFUSED",
};
it("a published port answers everywhere, until it is released", () => expect(scenario("published")).toMatchObject(published), ["nft"]);
it("also by iptables, where there is no nft", () => expect(scenario("published", "nft")).toMatchObject(published), ["iptables"]);

it("one host address is one host address; taken ports are refused", () => {
  const seen = scenario("addressed");
  expect(seen).toMatchObject({ loopback: expect.stringContaining("one saw"), lan: "ECONNREFUSED", picked: 9001, left: 3 });
  expect(seen["refused"]).toMatch(/endpoint two \(\S+\): Bind for 0\.0\.0\.0:9000 failed: port is already allocated$/);
  expect(seen["ours"]).toMatch(/endpoint three \(\S+\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/);
});

it("a container reaches other machines, and not this one's loopback", () => {
  const seen = scenario("outbound");
  expect(seen["outside"]).toBe("neighbour saw ::ffff:198.51.100.1");
  expect(seen["way"]).toMatch(/^127\.0\.0\.1 via 172\.17\.0\.1 dev eth0/);
  expect(seen["loopback"]).toBe("TIMEOUT");
}, ["ip"]);

const networks = {
  endpoints: [["eth0", "10.9.0.77", "10.9.0.1"], ["eth1", "10.10.0.2", null]], alone: [["eth0", "10.10.0.3", null]],
  across: "one saw ::ffff:10.10.0.3", out: "neighbour saw ::ffff:198.51.100.1", shut: "ENETUNREACH", apart: ["TIMEOUT", "TIMEOUT", expect.stringContaining("three saw")],
  joined: "neighbour saw ::ffff:198.51.100.1", left: "TIMEOUT", active: expect.stringContaining("has active endpoints"), after: 1,
};
it("networks keep apart, and are joined and left while the container runs", () => {
  const seen = scenario("networks");
  expect(seen).toMatchObject(networks);
  expect(seen["bridges"]).toEqual(seen["ids"]);
}, ["nft"]);
it("also by iptables", () => expect(scenario("networks", "nft")).toMatchObject(networks), ["iptables"]);

it("a new daemon finds what runs and drops what does not", () => {
  const seen = scenario("recovery");
  expect(seen).toMatchObject({ before: 4, after: ["lo", "strata0", seen["port"]], one: expect.stringContaining("one saw"), two: "ECONNREFUSED", namespaces: 1, endpoints: 1 });
}, ["nft"]);

it("our bridges pass a FORWARD chain that drops", () => {
  expect(scenario("foreign")).toEqual({ out: "neighbour saw ::ffff:198.51.100.1", in: "one saw ::ffff:198.51.100.2", unpublished: "TIMEOUT", left: "-P FORWARD DROP" });
}, ["nft", "iptables"]);

const six = {
  endpoint: ["fd00:9::2", "fd00:9::1"], ports: ["0.0.0.0 8080", ":: 8080"], direct: "one saw fd00:9::1", across: "one saw fd00:9::3",
  host: expect.stringContaining("one saw"), hairpin: expect.stringContaining("one saw"), four: expect.stringContaining("one saw"), loopback: "ECONNREFUSED",
};
it("IPv6 has its addresses and ports", () => expect(scenario("six")).toEqual(six), ["nft"]);
it("also by ip6tables", () => expect(scenario("six", "nft")).toEqual(six), ["ip6tables"]);

it("containers of a network without inter-container traffic are seen by the host only", () => {
  expect(scenario("isolated")).toEqual({ direct: "TIMEOUT", published: expect.stringContaining("one saw"), host: expect.stringContaining("two saw") });
});

it("a bridge with the note of a former daemon is this one's", () => {
  expect(scenario("noted")).toEqual({ alias: "strata ID strata", left: "nothing" });
});

it("a bridge of somebody else's is left alone", () => {
  expect(scenario("taken")).toEqual({ made: expect.stringContaining("the interface theirs exists and is not this network's"), addresses: ["10.50.0.1"], networks: 3 });
});

const two = { one: expect.stringContaining("one saw"), two: expect.stringContaining("two saw"), address: "172.18.0.2", bridges: ["strata0", "strata1"], stays: expect.stringContaining("one saw"), rest: expect.stringContaining("two saw"), after: ["lo"], rules: "" };
it("two daemons keep apart, and leave the machine as they found it", () => expect(scenario("two")).toEqual(two), ["nft"]);
it("also by iptables", () => expect(scenario("two", "nft")).toEqual(two), ["iptables"]);

it("containers find each other by name, and others by other servers", () => {
  const known = { four: "10.9.0.3", six: "fd00:9::3", back: "two.own" };
  expect(scenario("names")).toEqual({
    one: { ...known, outside: "192.0.2.1" }, two: { ...known, outside: "192.0.2.2" }, three: { ...known, outside: "192.0.2.3" }, streams: ["10.9.0.3", "192.0.2.1", "192.0.2.3"],
    away: expect.stringMatching(/ETIMEOUT|ECONNREFUSED/), after: { ...known, outside: "192.0.2.2" },
  });
}, ["nft"]);

it("macvlan gives a container an address on this machine's own network", () => {
  expect(scenario("lan")).toEqual({
    gateway: "198.51.100.1", ports: [], from: "one saw ::ffff:198.51.100.2", to: "neighbour saw ::ffff:198.51.100.9", made: ["made", "parent interface no-such0 does not exist"], left: 4, inside: "1", after: true,
  });
}, [], macvlanMissing);

it("UDP clients that were early reach a port once it is published", () => expect(scenario("datagrams")).toEqual({ first: "one" }));
