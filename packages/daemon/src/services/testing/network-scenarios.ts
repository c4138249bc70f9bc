/**
 * Networking for real: run as `unshare --net --mount node network-scenarios.js NAME DIR`, in namespaces of its own, so
 * that the machine is untouched. Prints one JSON value, or fails with the reason.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { join } from "node:path";
import { bridgeMac, BridgeDriver } from "../../drivers/network/bridge.js";
import { NetworkDrivers } from "../../drivers/network/drivers.js";
import { LanDriver } from "../../drivers/network/lan.js";
import { MachineFirewall } from "../../drivers/network/machine-firewall.js";
import { NameServers } from "../../drivers/network/name-servers.js";
import { NetnsManager } from "../../drivers/network/netns.js";
import type { Container, Logger } from "../../core/index.js";
import { Links } from "../../kernel/links.js";
import { NetworkThread } from "../../kernel/network-thread.js";
import { Networks } from "../networks.js";
import { dnsServer, overTcp, resolveBy } from "./dns-client.js";
import { containerNamed, memoryParts } from "./memory-networks.js";
import { noted } from "./network-noted.js";

const [name = "", dir = "", without = ""] = process.argv.slice(2);
const complaints: string[] = [];
const note = (level: string) => (context: object, message: string): void => { complaints.push(`${level} ${message} ${JSON.stringify(context)}`); };
const logger: Logger = { debug() {}, info() {}, warn: note("warn"), error: note("error") };

class Bed {
  readonly thread = new NetworkThread();
  readonly namespaces = new NetnsManager({ dir: join(dir, "netns"), thread: this.thread });
  readonly driver = this.makeDriver();
  readonly names = new NameServers(this.thread, logger);
  readonly parts = { ...memoryParts(), driver: this.driver, namespaces: this.namespaces, names: this.names, logger };
  readonly networks = new Networks(this.parts);
  private readonly children: ChildProcess[] = [];

  makeDriver(): NetworkDrivers {
    const bridges = new BridgeDriver({ thread: this.thread, firewall: new MachineFirewall({ thread: this.thread, logger }), ipForward: true });
    return new NetworkDrivers(bridges, new LanDriver(this.thread));
  }
  async start(): Promise<void> {
    const links = new Links();
    links.up(links.index("lo"));
    links.close();
    await this.networks.ensureDefaults();
  }
  /** A container whose process answers on its ports with its name. */
  async serve(container: Container, ...ports: number[]): Promise<Awaited<ReturnType<Networks["attach"]>>> {
    this.parts.containers.update(container);
    const attached = await this.networks.attach(container);
    await this.listen(container.id, container.name, ports);
    return attached;
  }
  /** Answers requests in a namespace with a name and whom it saw. */
  listen(id: string, name: string, ports: readonly number[]): Promise<void> {
    return this.program(id, `const ports=${JSON.stringify(ports)};let n=0;for(const p of ports)require("http").createServer((q,r)=>r.end(${JSON.stringify(name)}+" saw "+q.socket.remoteAddress)).listen(p,"::",()=>{if(++n===ports.length)console.log("up")})`);
  }
  /** Runs Node in a namespace until it prints a line. */
  program(id: string, code: string): Promise<void> {
    const child = spawn("nsenter", [`--net=${this.namespaces.path(id)}`, process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    this.children.push(child);
    return new Promise((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`a server ended with ${code}`)));
    });
  }
  /** Sends a datagram every 50 ms from one socket. */
  datagrams(id: string, address: string, port: number, answer: (text: string) => void): ChildProcess {
    const code = `const s=require("dgram").createSocket("udp4");s.on("message",(m)=>console.log(String(m)));s.bind(4000,()=>setInterval(()=>s.send("x",${port},"${address}",()=>{console.log("sent")}),50))`;
    const child = spawn("nsenter", [`--net=${this.namespaces.path(id)}`, process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.on("data", (d: Buffer) => answer(d.toString().trim()));
    this.children.push(child);
    return child;
  }
  /** What a GET gives, from this machine or from a namespace; an error's code if it fails. */
  get(url: string, from?: string, patience = PATIENCE_MS): Promise<string> {
    if (from === undefined) return fetched(url, patience);
    const code = `const r=require("http").get(${JSON.stringify(url)},{timeout:${patience}},(a)=>{a.setEncoding("utf8");let t="";a.on("data",(d)=>t+=d);a.on("end",()=>{console.log(t)})});r.on("timeout",()=>r.destroy(Object.assign(new Error(),{code:"TIMEOUT"})));r.on("error",(e)=>{console.log(e.code)})`;
    return output("nsenter", [`--net=${this.namespaces.path(from)}`, process.execPath, "-e", code]);
  }
  /** A GET that should have no answer. */
  silence(url: string, from?: string): Promise<string> { return this.get(url, from, SILENCE_MS); }
  /** Another machine beside this one: its address 198.51.100.2, ours 198.51.100.1, its way to everything else is us. */
  async neighbour(): Promise<string> {
    await this.thread.call("ensureBridge", { name: "lan0", owner: "test", mac: "02:42:00:00:00:01", mtu: 1500, addresses: [{ address: "198.51.100.1", prefix: 24 }] });
    const netns = await this.namespaces.create("neighbour");
    await this.thread.call("plug", {
      bridge: "lan0", host: "lan1", owner: "test", netns, name: "eth0", mac: "02:42:00:00:00:02", mtu: 1500, isolated: false, addresses: [{ address: "198.51.100.2", prefix: 24 }], gateways: ["198.51.100.1"], sysctls: [],
    });
    return "neighbour";
  }
  async interfaces(): Promise<string[]> { return (await this.thread.call("interfaces")).sort(); }
  async end(): Promise<void> {
    for (const child of this.children) child.kill("SIGKILL");
    this.names.closeAll();
    for (const id of await this.namespaces.list()) await this.namespaces.remove(id);
    await this.thread.close();
  }
}
/** For an answer that should come; and for one that should not. */
const PATIENCE_MS = 10_000, SILENCE_MS = 700;
function fetched(url: string, patience: number): Promise<string> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: patience, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (d: string) => { text += d; }).on("end", () => resolve(text));
    });
    request.on("timeout", () => request.destroy(Object.assign(new Error(), { code: "TIMEOUT" })));
    request.on("error", (e: NodeJS.ErrnoException) => resolve(e.code ?? e.message));
  });
}
/** Waits for a state, not for ever. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 200; left > 0 && !(await holds()); left--) await new Promise((resolve) => setTimeout(resolve, 50));
}
/** What either tool still has of ours. */
async function rulesLeft(): Promise<string> {
  const texts = await Promise.all([output("nft", ["list", "tables"]), output("iptables-save", [])].map((text) => text.catch(() => "")));
  return texts.flatMap((text) => text.split("\n")).filter((line) => /strata/i.test(line)).join("\n");
}
/** The values of several promises, by name. */
async function all<T extends Record<string, unknown>>(promises: T): Promise<Record<string, unknown>> {
  const values = await Promise.all(Object.values(promises).map((value): unknown => (Array.isArray(value) ? Promise.all(value) : value)));
  return Object.fromEntries(Object.keys(promises).map((key, i) => [key, values[i]]));
}
function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (d: Buffer) => { text += d.toString(); });
    child.on("error", reject);
    child.on("close", () => resolve(text.trim()));
  });
}
const tools = async (bed: Bed, id: string, ...command: string[]): Promise<string> => output("nsenter", [`--net=${bed.namespaces.path(id)}`, ...command]);
const web = (name: string, hostPort: string, hostIp = "", network = "bridge"): Container =>
  containerNamed(name, { hostConfig: { NetworkMode: network, PortBindings: { "80/tcp": [{ HostIp: hostIp, HostPort: hostPort }] } } });

const scenarios: Record<string, (bed: Bed) => Promise<unknown>> = {
  /** A container on the default bridge: its address answers from the host and a neighbour container; it has a default route. */
  async bridge(bed) {
    const one = containerNamed("one"), two = containerNamed("two");
    const attached = await bed.serve(one, 80);
    await bed.serve(two, 80);
    const [e] = attached.endpoints;
    return all({
      interfaces: bed.interfaces(), endpoint: { ipv4: e?.ipv4, gateway: e?.gateway, mac: e?.mac, name: e?.interfaceName },
      fromHost: bed.get(`http://${e?.ipv4}/`), fromTwo: bed.get(`http://${e?.ipv4}/`, two.id),
      gateway: bed.get("http://172.17.0.1:81/", two.id), routes: tools(bed, one.id, "cat", "/proc/net/route"),
      ipv6: tools(bed, one.id, "cat", "/proc/net/if_inet6"), forward: readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim(),
    });
  },
  /** A published port from everywhere it may be asked for. */
  async published(bed) {
    const one = web("one", "8080"), two = containerNamed("two");
    const { endpoints, ports } = await bed.serve(one, 80);
    await bed.serve(two, 80);
    const neighbour = await bed.neighbour();
    const answers = await all({
      ports, loopback: bed.get("http://127.0.0.1:8080/"), lanAddress: bed.get("http://198.51.100.1:8080/"),
      neighbour: bed.get("http://198.51.100.1:8080/", neighbour), otherContainer: bed.get("http://172.17.0.1:8080/", two.id),
      itself: bed.get("http://172.17.0.1:8080/", one.id), lanFromContainer: bed.get("http://198.51.100.1:8080/", one.id),
      direct: bed.get(`http://${endpoints[0]?.ipv4}/`), unpublished: bed.silence(`http://${endpoints[0]?.ipv4}/`, neighbour),
    });
    await bed.networks.release(one);
    return all({ ...answers, after: bed.get("http://127.0.0.1:8080/") });
  },
  /** One host address only, and ports that are taken. */
  async addressed(bed) {
    await bed.neighbour();
    const { ports } = await bed.serve(web("one", "8080", "127.0.0.1"), 80);
    const answers = await all({ ports, loopback: bed.get("http://127.0.0.1:8080/"), lan: bed.get("http://198.51.100.1:8080/") });
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(9000, "0.0.0.0", () => resolve()));
    const refused = await bed.networks.attach(web("two", "9000")).then(() => "attached", (e: unknown) => (e as Error).message);
    const ours = await bed.networks.attach(web("three", "8080")).then(() => "attached", (e: unknown) => (e as Error).message);
    const picks = await bed.networks.attach(web("four", "9000-9001"));
    listener.close();
    return { ...answers, refused, ours, picked: picks.ports[0]?.hostPort, left: (await bed.namespaces.list()).length };
  },
  /** A container's packets to a neighbour machine carry this machine's address; this machine's loopback is closed to containers. */
  async outbound(bed) {
    const neighbour = await bed.neighbour();
    await bed.listen(neighbour, "neighbour", [80]);
    const one = containerNamed("one");
    await bed.serve(one, 80);
    const secret = createServer((_request, response) => response.end("secret"));
    await new Promise<void>((resolve) => secret.listen(7000, "127.0.0.1", () => resolve()));
    const outside = await bed.get("http://198.51.100.2/", one.id);
    // A container that may administer its namespace sends 127.0.0.1 out by its interface.
    const bend = "ip route del table local 127.0.0.0/8 dev lo; ip route del table local 127.0.0.1 dev lo; ip route add 127.0.0.1 via 172.17.0.1 src 172.17.0.2; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet";
    await tools(bed, one.id, "sh", "-c", bend);
    const way = await tools(bed, one.id, "ip", "route", "get", "127.0.0.1");
    const loopback = await bed.silence("http://127.0.0.1:7000/", one.id);
    secret.close();
    return { outside, way, loopback };
  },
  /** Networks of a user's own: several interfaces, live connect and disconnect, internal ones, removal. */
  async networks(bed) {
    const neighbour = await bed.neighbour();
    await bed.listen(neighbour, "neighbour", [80]);
    const own = await bed.networks.create({ name: "own", ipam: [{ subnet: "10.9.0.0/24" }] });
    const closed = await bed.networks.create({ name: "closed", internal: true, ipam: [{ subnet: "10.10.0.0/24" }] });
    const one = { ...containerNamed("one", { hostConfig: { NetworkMode: "own" } }), networks: { own: { IPAMConfig: { IPv4Address: "10.9.0.77" } }, closed: {} } };
    const two = containerNamed("two", { hostConfig: { NetworkMode: "closed" } });
    const first = await bed.serve(one, 80), second = await bed.serve(two, 80);
    const third = web("three", "8080");
    await bed.serve(third, 80);
    const result = await all({
      endpoints: first.endpoints.map((e) => [e.interfaceName, e.ipv4, e.gateway]), alone: second.endpoints.map((e) => [e.interfaceName, e.ipv4, e.gateway]),
      across: bed.get("http://10.10.0.2/", two.id), out: bed.get("http://198.51.100.2/", one.id), shut: bed.get("http://198.51.100.2/", two.id),
      apart: [bed.silence("http://10.9.0.77/", third.id), bed.silence("http://172.17.0.2/", one.id), bed.get("http://10.9.0.1:8080/", one.id)],
      bridges: (await bed.interfaces()).filter((n) => n.startsWith("br-")).sort(), ids: [own, closed].map((n) => `br-${n.id.slice(0, 12)}`).sort(),
    });
    await bed.networks.connect("bridge", "two", {});
    const joined = await bed.get("http://198.51.100.2/", two.id);
    await bed.networks.disconnect("closed", "two", false);
    const left = await bed.silence("http://10.10.0.2/", two.id);
    await bed.networks.disconnect("own", "one", false);
    const active = await bed.networks.remove("closed").then(() => "removed", (e: unknown) => (e as Error).message);
    await bed.networks.remove("own");
    return { ...result, joined, left, active, after: (await bed.interfaces()).filter((n) => n.startsWith("br-")).length, events: bed.parts.emitted };
  },
  /** The daemon dies and comes again: what runs stays reachable, what is gone leaves nothing. */
  async recovery(bed) {
    const one = web("one", "8080"), two = web("two", "8081");
    await bed.serve(one, 80);
    await bed.serve(two, 80);
    const before = await bed.interfaces();
    await output("nft", ["flush", "ruleset"]);
    const again = new Networks({ ...bed.parts, driver: bed.makeDriver() });
    await again.ensureDefaults();
    await again.recover([one]);
    const links = new Links();
    const port = bed.parts.store.endpoints({ container: one.id })[0]?.hostInterface ?? "";
    // The bridge was lost as well, and a crash cut off its making anew: it comes back with everything that was on it.
    links.remove("strata0");
    links.addBridge("strata0", bridgeMac(bed.parts.store.get("bridge")), 1500);
    links.close();
    await again.recover([one]);
    await until(async () => (await bed.interfaces()).length === 3);
    return all({
      before: before.length, after: bed.interfaces(), port, one: bed.get("http://127.0.0.1:8080/"), two: bed.get("http://127.0.0.1:8081/"),
      namespaces: (await bed.namespaces.list()).length, endpoints: bed.parts.store.endpoints({}).length,
    });
  },
  /** Another program's FORWARD chain drops everything. */
  async foreign(bed) {
    const neighbour = await bed.neighbour();
    await bed.listen(neighbour, "neighbour", [80]);
    const iptables = (...args: string[]): Promise<string> => output("iptables", args);
    await iptables("-P", "FORWARD", "DROP");
    await bed.networks.create({ name: "own", ipam: [{ subnet: "10.9.0.0/24" }] });
    const one = web("one", "8080", "", "own");
    await bed.serve(one, 80);
    const result = await all({ out: bed.get("http://198.51.100.2/", one.id), in: bed.get("http://198.51.100.1:8080/", neighbour), unpublished: bed.silence("http://10.9.0.2/", neighbour) });
    await bed.networks.release(one);
    await bed.networks.remove("own");
    return { ...result, left: await iptables("-S", "FORWARD") };
  },
  /** IPv6: addresses, published ports on both families, no answer that never comes on ::1. */
  async six(bed) {
    await bed.networks.create({ name: "six", ipv6: true, ipam: [{ subnet: "10.9.0.0/24" }, { subnet: "fd00:9::/64" }] });
    const one = web("one", "8080", "", "six"), two = web("two", "8081", "", "six");
    const { endpoints, ports } = await bed.serve(one, 80);
    await bed.serve(two, 80);
    return all({
      endpoint: [endpoints[0]?.ipv6, endpoints[0]?.gateway6], ports: ports.map((p) => `${p.hostIp} ${p.hostPort}`),
      direct: bed.get("http://[fd00:9::2]/"), across: bed.get("http://[fd00:9::2]/", two.id), host: bed.get("http://[fd00:9::1]:8080/"),
      hairpin: bed.get("http://[fd00:9::1]:8080/", two.id), four: bed.get("http://127.0.0.1:8080/"), loopback: bed.get("http://[::1]:8080/"),
    });
  },
  /** Containers that may not talk to each other. */
  async isolated(bed) {
    await bed.networks.create({ name: "own", options: { "com.docker.network.bridge.enable_icc": "false" }, ipam: [{ subnet: "10.9.0.0/24" }] });
    const one = web("one", "8080", "", "own"), two = containerNamed("two", { hostConfig: { NetworkMode: "own" } });
    await bed.serve(one, 80);
    await bed.serve(two, 80);
    return all({ direct: bed.silence("http://10.9.0.2/", two.id), published: bed.get("http://127.0.0.1:8080/"), host: bed.get("http://10.9.0.3/") });
  },
  /** A bridge of that name which somebody else made stays as it is. */
  async taken(bed) {
    const links = new Links();
    links.addBridge("theirs", "02:00:00:00:00:01", 1500);
    links.addAddress(links.index("theirs"), "10.50.0.1", 24);
    const made = await bed.networks.create({ name: "own", options: { "com.docker.network.bridge.name": "theirs" }, ipam: [{ subnet: "10.9.0.0/24" }] }).then(() => "made", (e: unknown) => (e as Error).message);
    const index = links.index("theirs"), addresses = links.addresses().filter((a) => a.index === index && a.address.includes(".")).map((a) => a.address);
    links.close();
    return { made, addresses, networks: bed.networks.list(new Map()).length };
  },
  noted,
  /** Two daemons on one machine, and what each leaves when it goes. */
  async two(bed) {
    const other = { ...memoryParts(), namespaces: bed.namespaces, logger, driver: new BridgeDriver({ thread: bed.thread, firewall: new MachineFirewall({ thread: bed.thread, logger, tag: "strata_b" }), ipForward: true }) };
    const second = new Networks(other);
    await second.ensureDefaults();
    const one = web("one", "8080"), two = web("two", "8081");
    await bed.serve(one, 80);
    other.containers.update(two);
    const { endpoints } = await second.attach(two);
    await bed.listen(two.id, "two", [80]);
    const both = await all({ one: bed.get("http://127.0.0.1:8080/"), two: bed.get("http://127.0.0.1:8081/"), address: endpoints[0]?.ipv4, bridges: (await bed.interfaces()).filter((n) => n.startsWith("strata")) });
    await bed.networks.close();
    const stays = await bed.get("http://127.0.0.1:8080/");
    await bed.networks.release(one);
    await bed.networks.close();
    const rest = await bed.get("http://127.0.0.1:8081/");
    await second.release(two);
    await second.close();
    return { ...both, stays, rest, after: await bed.interfaces(), rules: await rulesLeft() };
  },
  /** Names: a server at 127.0.0.11 that leaves port 53 to the container, by UDP and TCP, again after a restart; and what it asks of others. */
  async names(bed) {
    const neighbour = await bed.neighbour();
    await bed.program(neighbour, dnsServer("0.0.0.0", "192.0.2.1"));
    await bed.networks.create({ name: "own", ipv6: true, ipam: [{ subnet: "10.9.0.0/24" }, { subnet: "fd00:9::/64" }] });
    const member = (name: string, dns: readonly string[] = []): Container => containerNamed(name, { hostConfig: { NetworkMode: "own", Dns: [...dns] } });
    const one = member("one", ["198.51.100.2"]), two = member("two", ["127.0.0.1"]), three = member("three");
    for (const c of [one, two, three]) await bed.serve(c, 80);
    await bed.program(two.id, dnsServer("0.0.0.0", "192.0.2.2"));
    writeFileSync(join(dir, "resolv.conf"), "nameserver 127.0.0.1\n");
    await output("mount", ["--bind", join(dir, "resolv.conf"), "/etc/resolv.conf"]);
    const local = spawn(process.execPath, ["-e", dnsServer("127.0.0.1", "192.0.2.3")], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => local.stdout.once("data", resolve));
    const asked = { four: ["resolve4", "two"], six: ["resolve6", "two"], back: ["reverse", "10.9.0.3"], outside: ["resolve4", "example.org"] } as const;
    const everything = (c: Container): Promise<Record<string, unknown>> =>
      all(Object.fromEntries(Object.entries(asked).map(([key, [verb, name]]) => [key, tools(bed, c.id, process.execPath, "-e", resolveBy(verb, name))])));
    const first = await all({ one: everything(one), two: everything(two), three: everything(three), streams: [[one, "two"], [one, "example.org"], [three, "example.org"]].map(([c, name]) => tools(bed, (c as Container).id, process.execPath, "-e", overTcp(name as string))) });
    // The daemon dies and comes again.
    bed.names.closeAll();
    const away = await tools(bed, one.id, process.execPath, "-e", resolveBy("resolve4", "two"));
    const names = new NameServers(bed.thread, logger), again = new Networks({ ...bed.parts, names });
    await again.recover([one, two, three]);
    const after = await everything(two);
    names.closeAll();
    local.kill("SIGKILL");
    return { ...first, away, after };
  },
  /** macvlan: a container on the network of one of this machine's interfaces. */
  async lan(bed) {
    const neighbour = await bed.neighbour();
    await bed.listen(neighbour, "neighbour", [80]);
    const make = (name: string, parent: string): Promise<unknown> => bed.networks.create({ name, driver: "macvlan", options: { parent }, ipam: [{ subnet: name === "lan" ? "198.51.100.0/24" : "10.8.0.0/24" }] }).then(() => "made", (e: unknown) => (e as Error).message);
    const made = [await make("lan", "lan0"), await make("lost", "no-such0")], left = bed.networks.list(new Map()).length;
    const one = { ...containerNamed("one", { hostConfig: { NetworkMode: "lan", PortBindings: { "80/tcp": [{ HostPort: "8080" }] } } }), networks: { lan: { IPAMConfig: { IPv4Address: "198.51.100.9" } } } };
    const { endpoints, ports } = await bed.serve(one, 80);
    const from = await bed.get("http://198.51.100.9/", neighbour);
    await new Networks({ ...bed.parts, driver: bed.makeDriver() }).recover([one]);
    const seen = await all({ gateway: endpoints[0]?.gateway, ports, from, to: bed.get("http://198.51.100.2/", one.id) });
    await bed.networks.connect("bridge", "one", { GwPriority: 1 });
    await bed.networks.disconnect("lan", "one", false);
    await bed.networks.remove("lan");
    return { ...seen, made, left, inside: await tools(bed, one.id, "sh", "-c", "cd /sys/class/net; cat /proc/net/dev | grep -c eth"), after: (await bed.interfaces()).includes("lan0") };
  },
  /** UDP, with a client that was there before the port. */
  async datagrams(bed) {
    const one = containerNamed("one", { hostConfig: { PortBindings: { "53/udp": [{ HostPort: "5300" }] } } });
    const neighbour = await bed.neighbour();
    const heard: string[] = [];
    const client = bed.datagrams(neighbour, "198.51.100.1", 5300, (text) => heard.push(...text.split("\n")));
    await until(() => heard.includes("sent"));
    bed.parts.containers.update(one);
    await bed.networks.attach(one);
    await bed.program(one.id, `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send("one",r.port,r.address));s.bind(53,()=>console.log("up"))`);
    await until(() => heard.some((text) => text !== "sent"));
    client.kill("SIGKILL");
    return { first: heard.find((text) => text !== "sent") };
  },
};

/** Leaves a program off the path, as on a machine that does not have it. */
function hide(program: string): void {
  const bin = join(dir, "bin");
  mkdirSync(bin);
  for (const folder of new Set(`${process.env["PATH"]}:/usr/sbin:/sbin`.split(":"))) {
    for (const file of existsSync(folder) ? readdirSync(folder) : []) {
      if (file !== program && !existsSync(join(bin, file))) symlinkSync(join(folder, file), join(bin, file));
    }
  }
  process.env["PATH"] = bin;
}

async function main(): Promise<void> {
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`no scenario ${name}`);
  if (without !== "") hide(without);
  const bed = new Bed();
  try {
    await bed.start();
    const value = await scenario(bed);
    process.stdout.write(`${JSON.stringify({ value, complaints })}\n`);
  } finally {
    await bed.end();
  }
}
main().then(() => process.exit(0), (e: unknown) => {
  process.stderr.write(`${e instanceof Error ? e.stack : String(e)}\n${complaints.join("\n")}\n`);
  process.exit(1);
});
