import { readdirSync, readlinkSync } from "node:fs";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "curl");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.dockerOk("network", "prune", "-f");
});

const serve = (name: string, ...options: string[]): Promise<string> =>
  daemon.dockerOk("run", "-d", "--name", name, ...options, "busybox", "sh", "-c", `mkdir /www; echo ${name} > /www/index.html; exec httpd -f -h /www -p 80`);
const sleeper = (name: string, ...options: string[]): Promise<string> => daemon.dockerOk("run", "-d", "--init=false", "--name", name, ...options, "busybox", "sleep", "1000");
const addressOf = async (name: string, network: string): Promise<string> => (await daemon.inspect(name)).NetworkSettings.Networks[network].IPAddress as string;
const exec = (name: string, ...command: string[]): Promise<string> => daemon.dockerOk("exec", name, ...command);
const get = (from: string, host: string): Promise<string> => exec(from, "wget", "-q", "-O", "-", `http://${host}/`);
/** The addresses that a name has in a container; empty when there is none. */
async function lookUp(from: string, name: string): Promise<string[]> {
  const { stdout } = await daemon.docker(["exec", from, "busybox", "nslookup", name]);
  // The server's own line comes first.
  return [...stdout.matchAll(/^Address(?: \d+)?:\s+(\S+)/gm)].map((m) => m[1]!).filter((a) => !a.startsWith("127.0.0.11")).sort();
}

describe("names on a network of one's own", () => {
  it("are the container's name, its aliases and its short ID, on this network only", async () => {
    await daemon.dockerOk("network", "create", "blue");
    await daemon.dockerOk("network", "create", "red");
    const id = await serve("web", "--network", "blue", "--network-alias", "www", "--network-alias", "shop", "-h", "box");
    await sleeper("asker", "--network", "blue");
    await sleeper("other", "--network", "red");
    for (const name of ["web", "www", "shop", "box", id.slice(0, 12), "web.blue"]) expect([name, await get("asker", name)]).toEqual([name, "web"]);
    const address = await addressOf("web", "blue");
    expect((await daemon.docker(["exec", "asker", "busybox", "nslookup", address])).stdout).toContain("web.blue");
    expect(await lookUp("other", "web")).toEqual([]);
    // A new run has a new namespace; who joins it shares its names.
    await daemon.dockerOk("restart", "-t", "0", "asker");
    expect(await get("asker", "www")).toBe("web");
    expect(await daemon.dockerOk("run", "--rm", "--network", "container:asker", "busybox", "wget", "-q", "-O", "-", "http://www/")).toBe("web");
    expect(await exec("asker", "cat", "/etc/resolv.conf")).toMatch(/^nameserver 127\.0\.0\.11\n[^]*^options .*ndots:0$/m);
    expect((await daemon.inspect("web")).NetworkSettings.Networks.blue).toMatchObject({ Aliases: ["www", "shop"], DNSNames: ["web", "www", "shop", id.slice(0, 12), "box"] });
  });

  it("of several containers give all their addresses", async () => {
    await daemon.dockerOk("network", "create", "blue");
    for (const name of ["s1", "s2", "s3"]) await serve(name, "--network", "blue", "--network-alias", "svc");
    await sleeper("asker", "--network", "blue");
    const all = (await Promise.all(["s1", "s2", "s3"].map((name) => addressOf(name, "blue")))).sort();
    expect(await lookUp("asker", "svc")).toEqual(all);
    await daemon.dockerOk("rm", "-f", "s2");
    expect(await lookUp("asker", "svc")).toHaveLength(2);
    await daemon.dockerOk("rename", "s1", "renamed");
    expect(await get("asker", "renamed")).toBe("s1");
    expect(await lookUp("asker", "s1")).toEqual([]);
  });

  it("are answered again after the daemon was killed, and the new one finds who came meanwhile", async () => {
    await daemon.dockerOk("network", "create", "blue");
    await serve("web", "--network", "blue");
    await sleeper("asker", "--network", "blue");
    await daemon.kill9();
    await daemon.start();
    expect(await get("asker", "web")).toBe("web");
    await serve("late", "--network", "blue");
    expect(await get("asker", "late")).toBe("late");
  });

  it("leave port 53 to the container, and nothing behind when it is gone", async () => {
    await daemon.dockerOk("network", "create", "blue");
    const sockets = (): number => readdirSync(`/proc/${daemon.pid}/fd`).filter((fd) => { try { return readlinkSync(`/proc/${daemon.pid}/fd/${fd}`).startsWith("socket:"); } catch { return false; } }).length;
    const before = sockets();
    await serve("web", "--network", "blue");
    // A server of the container's own on every address.
    await sleeper("asker", "--network", "blue");
    await daemon.dockerOk("exec", "-d", "asker", "busybox", "nc", "-l", "-p", "53");
    await until(async () => (/(:::|0\.0\.0\.0:)53\s/.test(await exec("asker", "busybox", "netstat", "-ltn")) ? true : undefined), 5_000, "a server on port 53");
    expect(await get("asker", "web")).toBe("web");
    await daemon.dockerOk("rm", "-f", "web", "asker");
    // The wires go behind the answer.
    await until(async () => (/veth/.test(await bed.netns.ok("ip", ["-o", "link"])) ? undefined : true), 5_000, "the end of the containers' wires");
    // A socket left open would keep its namespace.
    await until(() => (sockets() <= before ? true : undefined), 5_000, () => `the daemon's ${before} sockets of before; it has ${sockets()}`);
  });

  it("of the outside have no way out of an internal network, and --dns, search and options are kept", async () => {
    await daemon.dockerOk("network", "create", "blue");
    await sleeper("asker", "--network", "blue", "--dns", "127.0.0.1", "--dns-search", "example.org", "--dns-option", "ndots:2");
    expect(await exec("asker", "cat", "/etc/resolv.conf")).toBe("nameserver 127.0.0.11\nsearch example.org\noptions ndots:2");
    await daemon.dockerOk("network", "create", "--internal", "closed");
    await sleeper("shut", "--network", "closed");
    expect(await lookUp("shut", "example.org")).toEqual([]);
    expect(await exec("shut", "ip", "route")).not.toMatch(/default/);
  });
});

describe("connect and disconnect while the container runs", () => {
  it("bring names, addresses, hosts and resolv.conf, and take them again", async () => {
    await daemon.dockerOk("network", "create", "--subnet", "10.60.0.0/24", "blue");
    await serve("web", "--network", "blue");
    await sleeper("both");
    expect(await exec("both", "cat", "/etc/resolv.conf")).not.toContain("127.0.0.11");
    await exec("both", "sh", "-c", "echo '# mine' >> /etc/hosts");
    await daemon.dockerOk("network", "connect", "--ip", "10.60.0.77", "--alias", "second", "--link", "web:db", "blue", "both");
    expect(await get("both", "db")).toBe("web");
    expect(await get("both", "web")).toBe("web");
    expect(await lookUp("web", "second")).toEqual(["10.60.0.77"]);
    expect(await exec("both", "cat", "/etc/hosts")).toMatch(/# mine\n10\.60\.0\.77\t/);
    await daemon.dockerOk("network", "disconnect", "blue", "both");
    expect(await exec("both", "cat", "/etc/hosts")).not.toContain("10.60.0.77");
    expect(await lookUp("both", "web")).toEqual([]);
  });

  it("choose the way out as told, else by the networks' names, and ports go along", async () => {
    await daemon.dockerOk("network", "create", "--subnet", "10.61.0.0/24", "mm");
    await daemon.dockerOk("network", "create", "--subnet", "10.62.0.0/24", "aa");
    await daemon.dockerOk("network", "create", "--internal", "--subnet", "10.63.0.0/24", "a-closed");
    const gateway = async (): Promise<string> => (await exec("web", "ip", "route")).match(/default via (\S+)/)?.[1] ?? "none";
    await serve("web", "--network", "mm", "-p", "8085:80");
    expect(await gateway()).toBe("10.61.0.1");
    await daemon.dockerOk("network", "connect", "a-closed", "web");
    expect(await gateway()).toBe("10.61.0.1");
    await daemon.dockerOk("network", "connect", "aa", "web");
    expect(await gateway()).toBe("10.62.0.1");
    expect(await bed.netns.fetch("http://127.0.0.1:8085/")).toBe("web");
    await daemon.dockerOk("network", "disconnect", "aa", "web");
    expect(await gateway()).toBe("10.61.0.1");
    await daemon.dockerOk("network", "connect", "--gw-priority", "7", "bridge", "web");
    expect(await gateway()).toBe((await daemon.inspect("bridge", "network")).IPAM.Config[0].Gateway);
    expect(await bed.netns.fetch("http://127.0.0.1:8085/")).toBe("web");
    await daemon.restart();
    expect(await bed.netns.fetch("http://127.0.0.1:8085/")).toBe("web");
    await daemon.dockerOk("network", "disconnect", "bridge", "web");
    await daemon.dockerOk("network", "disconnect", "mm", "web");
    expect(await gateway()).toBe("none");
    await daemon.dockerOk("network", "connect", "mm", "web");
    expect(await bed.netns.fetch("http://127.0.0.1:8085/")).toBe("web");
  });

  it("refuse what cannot be, in Docker's words", async () => {
    await daemon.dockerOk("network", "create", "--subnet", "10.64.0.0/24", "--aux-address", "router=10.64.0.9", "blue");
    await sleeper("one", "--network", "blue", "--ip", "10.64.0.5");
    await sleeper("two");
    const refused = async (...args: string[]): Promise<string> => { const { code, stderr } = await daemon.docker(args); expect(code).not.toBe(0); return stderr; };
    expect(await refused("network", "connect", "--ip", "10.64.0.5", "blue", "two")).toMatch(/Address already in use/);
    expect(await refused("network", "connect", "--ip", "10.64.0.9", "blue", "two")).toMatch(/Address already in use/);
    expect(await refused("network", "connect", "--ip", "10.65.0.5", "blue", "two")).toMatch(/no configured subnet .*contain the IP address 10\.65\.0\.5/);
    expect(await refused("network", "connect", "--ip", "300.1.1.1", "blue", "two")).toMatch(/invalid/);
    expect(await refused("network", "connect", "blue", "one")).toMatch(/already exists in network blue/);
    expect(await refused("network", "disconnect", "blue", "two")).toMatch(/is not connected to network blue/);
    expect(await refused("network", "create", "--subnet", "10.64.0.128/25", "red")).toMatch(/Pool overlaps/);
    expect(await refused("network", "create", "--subnet", "10.66.0.1/24", "red")).toMatch(/invalid subnet 10\.66\.0\.1\/24/);
    expect(await refused("network", "create", "--subnet", "10.66.0.0/24", "--gateway", "10.67.0.1", "red")).toMatch(/no matching subnet for gateway/);
    expect(await refused("run", "--rm", "--network-alias", "x", "busybox", "true")).toMatch(/network-scoped aliases are only supported for user-defined networks/);
    for (const [body, status] of [[{ Name: "x", IPAM: { Config: [{ Subnet: "10.64.0.0/25" }] } }, 403], [{ Name: "x", IPAM: { Config: [{ Subnet: "nonsense" }] } }, 400], [{ Name: "x", ConfigOnly: true, Internal: true }, 403], [{ Name: "x", Driver: "weave" }, 404]] as const) {
      expect((await daemon.api("POST", "/networks/create", { json: body })).status).toBe(status);
    }
  });
});

describe("links on the default network", () => {
  it("are names in /etc/hosts and variables, and follow the linked container's address", async () => {
    await daemon.dockerOk("run", "-d", "--name", "web", "--expose", "80", "-e", "COLOR=red", "busybox", "sh", "-c", "mkdir -p /www; echo web > /www/index.html; exec httpd -f -h /www -p 80");
    await sleeper("app", "--link", "web:db");
    expect(await get("app", "db")).toBe("web");
    const address = await addressOf("web", "bridge");
    expect(await exec("app", "env")).toMatch(new RegExp(`^DB_PORT_80_TCP_ADDR=${address}$[^]*^DB_ENV_COLOR=red$`, "m"));
    expect((await daemon.inspect("app")).HostConfig.Links).toEqual(["/web:/app/db"]);
    await daemon.dockerOk("stop", "-t", "0", "web");
    // Somebody else takes the address meanwhile.
    expect(await exec("app", "cat", "/etc/hosts")).not.toContain("db");
    await sleeper("between");
    await daemon.dockerOk("start", "web");
    expect(await get("app", "db")).toBe("web");
    expect((await daemon.docker(["run", "--rm", "--link", "nobody:x", "busybox", "true"])).stderr).toMatch(/could not get container for nobody: No such container: nobody/);
  });
});
