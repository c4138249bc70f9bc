import { spawnSync } from "node:child_process";
import { Background, type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
  await bed.netns.ok("ip", ["link", "add", "outer", "type", "bridge"]);
  await bed.netns.ok("ip", ["addr", "add", "192.0.2.1/24", "dev", "outer"]);
  await bed.netns.ok("ip", ["link", "set", "outer", "up"]);
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.dockerOk("network", "prune", "-f");
});

const serve = (name: string, ...options: string[]): Promise<string> =>
  daemon.dockerOk("run", "-d", "--name", name, ...options, "busybox", "sh", "-c", `mkdir /www; echo ${name} > /www/index.html; exec httpd -f -h /www -p 80`);
const output = (...args: string[]): Promise<string> => daemon.dockerOk("run", "--rm", ...args);
const exec = (name: string, ...command: string[]): Promise<string> => daemon.dockerOk("exec", name, ...command);
const noAnswer = async (name: string, url: string): Promise<boolean> => (await daemon.docker(["exec", name, "timeout", "2", "wget", "-q", "-O", "-", url])).code !== 0;
const ports = async (name: string): Promise<string[]> => (await daemon.dockerOk("port", name)).split("\n").sort();

describe("internal networks", () => {
  it("let their containers talk to each other and to nobody else", async () => {
    await daemon.dockerOk("network", "create", "--internal", "closed");
    await serve("web", "--network", "closed");
    await serve("asker", "--network", "closed");
    await serve("outside", "-p", "8070:80");
    expect(await exec("asker", "wget", "-q", "-O", "-", "http://web/")).toBe("web");
    const { IPAddress } = (await daemon.inspect("outside")).NetworkSettings.Networks.bridge as { IPAddress: string };
    for (const url of [`http://${IPAddress}/`, "http://192.0.2.1:8070/"]) expect([url, await noAnswer("asker", url)]).toEqual([url, true]);
    expect((await daemon.inspect("closed", "network")).Internal).toBe(true);
  });
});

describe("networks with IPv6", () => {
  it("give addresses of both families, names for them, and ports on them", async () => {
    await daemon.dockerOk("network", "create", "--ipv6", "--subnet", "fd00:77::/64", "--subnet", "10.77.0.0/24", "six");
    await serve("web", "--network", "six", "--ip6", "fd00:77::99", "-p", "8066:80");
    await serve("asker", "--network", "six");
    const { GlobalIPv6Address, GlobalIPv6PrefixLen, IPv6Gateway } = (await daemon.inspect("web")).NetworkSettings.Networks.six as Record<string, unknown>;
    expect([GlobalIPv6Address, GlobalIPv6PrefixLen, IPv6Gateway]).toEqual(["fd00:77::99", 64, "fd00:77::1"]);
    expect(await exec("asker", "wget", "-q", "-O", "-", "http://[fd00:77::99]/")).toBe("web");
    expect((await daemon.docker(["exec", "asker", "busybox", "nslookup", "web"])).stdout).toContain("fd00:77::99");
    expect(await exec("asker", "ip", "-6", "route")).toMatch(/default via fd00:77::1/);
    expect(await bed.netns.fetch("http://[fd00:77::1]:8066/")).toBe("web");
    expect(await ports("web")).toEqual(["80/tcp -> 0.0.0.0:8066", "80/tcp -> [::]:8066"]);
    expect((await daemon.inspect("six", "network")).IPAM.Config).toEqual(expect.arrayContaining([{ Subnet: "fd00:77::/64", Gateway: "fd00:77::1" }]));
  });
});

describe("networks without IPv4", () => {
  it("have IPv6 only, names and ports included", async () => {
    await daemon.dockerOk("network", "create", "--ipv4=false", "--ipv6", "--subnet", "fd00:78::/64", "only6");
    await serve("web", "--network", "only6", "-p", "8067:80");
    await serve("asker", "--network", "only6");
    expect(await exec("asker", "wget", "-q", "-O", "-", "http://web/")).toBe("web");
    expect(await bed.netns.fetch("http://[fd00:78::1]:8067/")).toBe("web");
    expect((await daemon.inspect("only6", "network"))).toMatchObject({ EnableIPv4: false, EnableIPv6: true });
  });
});

describe("the host", () => {
  it("is host-gateway, and reached at it", async () => {
    const code = 'require("http").createServer((q, r) => r.end("host")).listen(8099, "0.0.0.0", () => console.log("up"))';
    const server = new Background(...bed.netns.inside(process.execPath, ["-e", code]));
    try {
      await until(() => (server.output.includes("up") ? true : undefined), 10_000, "a server on the host");
      await daemon.dockerOk("network", "create", "blue");
      for (const network of ["bridge", "blue"]) {
        expect(await output("--network", network, "--add-host", "host.docker.internal:host-gateway", "busybox", "wget", "-q", "-O", "-", "http://host.docker.internal:8099/")).toBe("host");
      }
    } finally { server.kill("SIGKILL"); }
  });
});

describe("ports", () => {
  it("of a range are the first that is free, and ranges go one to one", async () => {
    await serve("first", "-p", "8000-8001:80");
    await serve("second", "-p", "8000-8001:80");
    expect([await ports("first"), await ports("second")]).toEqual([["80/tcp -> 0.0.0.0:8000"], ["80/tcp -> 0.0.0.0:8001"]]);
    expect((await daemon.docker(["run", "-d", "-p", "8000-8001:80", "busybox", "sleep", "100"])).stderr).toMatch(/port is already allocated/);
    await serve("both", "-p", "8010-8012:80-82", "-p", "127.0.0.1:9000:9000/sctp", "-p", "192.0.2.1:5353:53/udp");
    expect(await ports("both")).toEqual(["53/udp -> 192.0.2.1:5353", "80/tcp -> 0.0.0.0:8010", "81/tcp -> 0.0.0.0:8011", "82/tcp -> 0.0.0.0:8012", "9000/sctp -> 127.0.0.1:9000"]);
    expect(await bed.netns.fetch("http://127.0.0.1:8010/")).toBe("both");
  });

  it("that are exposed are published with -P, and where the network says", async () => {
    await daemon.dockerOk("network", "create", "-o", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1", "local");
    await serve("web", "--network", "local", "--expose", "80", "--expose", "81/udp", "-P");
    expect(await ports("web")).toEqual([expect.stringMatching(/^80\/tcp -> 127\.0\.0\.1:\d+$/), expect.stringMatching(/^81\/udp -> 127\.0\.0\.1:\d+$/)]);
    const port = /:(\d+)$/.exec((await ports("web"))[0]!)![1]!;
    expect(await bed.netns.fetch(`http://127.0.0.1:${port}/`)).toBe("web");
    expect((await bed.netns.run("curl", ["-s", "--max-time", "2", `http://192.0.2.1:${port}/`])).code).not.toBe(0);
  });

  it("are reached by their own container through the host's address", async () => {
    await daemon.dockerOk("network", "create", "blue");
    await serve("web", "--network", "blue", "-p", "8020:80");
    expect(await exec("web", "wget", "-q", "-O", "-", "http://192.0.2.1:8020/")).toBe("web");
  });

  it("and networks leave no rules behind", async () => {
    const rules = async (): Promise<string> => (await bed.netns.run("nft", ["list", "ruleset"])).stdout + (await bed.netns.run("iptables-save", [])).stdout;
    await daemon.dockerOk("network", "create", "--subnet", "10.88.0.0/24", "-o", "com.docker.network.bridge.name=testbr0", "blue");
    await serve("web", "--network", "blue", "-p", "18123:80");
    expect(await rules()).toMatch(/18123/);
    expect(await rules()).toMatch(/10\.88\.0/);
    await daemon.dockerOk("rm", "-f", "web");
    expect(await rules()).not.toMatch(/18123/);
    await daemon.dockerOk("network", "rm", "blue");
    expect(await rules()).not.toMatch(/10\.88\.0|testbr0/);
    expect(await bed.netns.ok("ip", ["-o", "link"])).not.toContain("testbr0");
  });
});

describe("pools", () => {
  it("keep clear of each other and of the machine's own routes", async () => {
    await bed.netns.ok("ip", ["addr", "add", "172.18.0.1/16", "dev", "outer"]);
    await daemon.dockerOk("network", "create", "n1");
    await daemon.dockerOk("network", "create", "n2");
    const subnets = await Promise.all(["n1", "n2"].map(async (name) => (await daemon.inspect(name, "network")).IPAM.Config[0].Subnet as string));
    expect(new Set([...subnets, "172.18.0.0/16"]).size).toBe(3);
    await bed.netns.ok("ip", ["addr", "del", "172.18.0.1/16", "dev", "outer"]);
  });
});

describe("inspect, ls and prune", () => {
  it("show and choose networks as Docker does", async () => {
    await daemon.dockerOk("network", "create", "--subnet", "10.99.0.0/16", "--ip-range", "10.99.5.0/24", "--gateway", "10.99.0.1", "--aux-address", "nas=10.99.5.2", "--label", "tier=db", "--attachable", "-o", "com.docker.network.driver.mtu=1400", "shown");
    await daemon.dockerOk("network", "create", "--label", "tier=web", "other");
    await daemon.dockerOk("run", "-d", "--name", "one", "--network", "shown", "busybox", "sleep", "1000");
    const id = (await daemon.inspect("one")).Id as string;
    const shown = JSON.parse(await daemon.dockerOk("network", "inspect", "-v", "shown")) as unknown[];
    expect(shown).toEqual([{
      Name: "shown", Id: expect.stringMatching(/^[0-9a-f]{64}$/), Created: expect.any(String), Scope: "local", Driver: "bridge", EnableIPv4: true, EnableIPv6: false,
      IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.99.0.0/16", IPRange: "10.99.5.0/24", Gateway: "10.99.0.1", AuxiliaryAddresses: { nas: "10.99.5.2" } }] },
      Internal: false, Attachable: true, Ingress: false, ConfigFrom: { Network: "" }, ConfigOnly: false,
      Containers: { [id]: { Name: "one", EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/), MacAddress: expect.stringMatching(/^02:42:0a:63:05/), IPv4Address: expect.stringMatching(/^10\.99\.5\.\d+\/16$/), IPv6Address: "" } },
      Options: { "com.docker.network.driver.mtu": "1400" }, Labels: { tier: "db" },
    }]);
    expect(shown[0]).not.toMatchObject({ Containers: { [id]: { IPv4Address: "10.99.5.2/16" } } });
    expect(await exec("one", "cat", "/sys/class/net/eth0/mtu")).toBe("1400");
    const names = async (...filters: string[]): Promise<string[]> => (await daemon.dockerOk("network", "ls", "--format", "{{.Name}}", ...filters.flatMap((f) => ["--filter", f]))).split("\n").filter(Boolean).sort();
    expect(await names("label=tier")).toEqual(["other", "shown"]);
    expect(await names("label=tier=web")).toEqual(["other"]);
    expect(await names("type=custom", "driver=bridge")).toEqual(["other", "shown"]);
    expect(await names("type=builtin")).toEqual(["bridge", "host", "none"]);
    expect(await names("dangling=true")).toEqual(["other"]);
    expect(await names("name=how")).toEqual(["shown"]);
    expect(await names("scope=swarm")).toEqual([]);
    expect((await daemon.docker(["network", "ls", "--filter", "colour=red"])).stderr).toMatch(/invalid filter/);
    expect(await daemon.dockerOk("network", "prune", "-f", "--filter", "label=tier=db")).not.toContain("other");
    expect(await daemon.dockerOk("network", "prune", "-f", "--filter", "until=1h")).not.toContain("other");
    expect(await daemon.dockerOk("network", "prune", "-f", "--filter", "label!=tier=db")).toContain("other");
    expect(await names("type=custom")).toEqual(["shown"]);
  });
});

describe("a bridge of the administrator's", () => {
  it("is the default network, with its own addresses, and stays", async () => {
    const { netns } = bed;
    await netns.ok("ip", ["link", "add", "theirs0", "type", "bridge"]);
    await netns.ok("ip", ["addr", "add", "10.44.0.1/24", "dev", "theirs0"]);
    await netns.ok("ip", ["link", "set", "theirs0", "up"]);
    await serve("first", "-p", "8031:80");
    const other = await bed.daemonWithBusybox({ flags: ["--bridge", "theirs0"] });
    expect((await other.inspect("bridge", "network")).IPAM.Config).toEqual([{ Subnet: "10.44.0.0/24", Gateway: "10.44.0.1" }]);
    await other.dockerOk("run", "-d", "--name", "web", "-p", "8032:80", "busybox", "sh", "-c", "mkdir /www; echo web > /www/index.html; exec httpd -f -h /www -p 80");
    expect(await netns.fetch(`http://${(await other.inspect("web")).NetworkSettings.Networks.bridge.IPAddress as string}/`)).toBe("web");
    // Two daemons, each with its own rules.
    for (const [port, name] of [["8031", "first"], ["8032", "web"]]) expect(await netns.fetch(`http://127.0.0.1:${port!}/`)).toBe(name);
    await other.dockerOk("rm", "-f", "web");
    await bed.end(other);
    expect(await netns.fetch("http://127.0.0.1:8031/")).toBe("first");
    expect(await netns.ok("ip", ["-o", "-4", "addr", "show", "dev", "theirs0"])).toContain("10.44.0.1/24");
  });
});

describe("macvlan", () => {
  const works = (kind: string): boolean => spawnSync("unshare", ["--net", "sh", "-c", `ip link add br9 type bridge && ip link add link br9 name lan9 type ${kind}`], { stdio: "ignore" }).status === 0;
  const lan = works("macvlan") ? it : (name: string, work: () => Promise<void>): void => test.skip(`${name} (skipped: the kernel has no macvlan)`, work);
  lan("puts containers on the wire of an interface", async () => {
    // Another machine on that wire.
    await bed.netns.ok("ip", ["link", "add", "wire", "type", "veth", "peer", "name", "far"]);
    for (const name of ["wire", "far"]) await bed.netns.ok("ip", ["link", "set", name, "up"]);
    await daemon.dockerOk("network", "create", "-d", "macvlan", "-o", "parent=wire", "--subnet", "10.55.0.0/24", "lan");
    await serve("web", "--network", "lan", "--ip", "10.55.0.9");
    await serve("asker", "--network", "lan");
    expect(await exec("asker", "wget", "-q", "-O", "-", "http://web/")).toBe("web");
    await bed.netns.ok("ip", ["addr", "add", "10.55.0.200/24", "dev", "far"]);
    expect(await bed.netns.fetch("http://10.55.0.9/")).toBe("web");
    await daemon.restart();
    expect(await exec("asker", "wget", "-q", "-O", "-", "http://web/")).toBe("web");
    await daemon.dockerOk("network", "disconnect", "lan", "asker");
    expect(await exec("asker", "sh", "-c", "ls /sys/class/net")).not.toContain("eth0");
    await daemon.dockerOk("rm", "-f", "web", "asker");
    await daemon.dockerOk("network", "rm", "lan");
    await bed.netns.ok("ip", ["link", "del", "wire"]);
  });
  it("is refused clearly where it cannot be", async () => {
    expect((await daemon.docker(["network", "create", "-d", "macvlan", "-o", "parent=nothere0", "--subnet", "10.56.0.0/24", "lan"])).stderr).toMatch(/parent interface nothere0 does not exist/);
    expect((await daemon.docker(["network", "create", "-d", "macvlan", "-o", "parent=outer", "-o", "macvlan_mode=odd", "--subnet", "10.56.0.0/24", "lan"])).stderr).toMatch(/macvlan_mode: unknown mode odd/);
    const { code, stderr } = await daemon.docker(["network", "create", "-d", "ipvlan", "-o", "parent=outer", "--subnet", "10.56.0.0/24", "lan"]);
    expect([code, stderr]).toEqual(works("ipvlan") ? [0, ""] : [1, expect.stringMatching(/the kernel of this machine has no ipvlan/)]);
    expect((await daemon.dockerOk("network", "ls", "--format", "{{.Name}}")).includes("lan")).toBe(works("ipvlan"));
  });
});
