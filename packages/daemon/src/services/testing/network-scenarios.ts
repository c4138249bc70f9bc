/**
 * Networking for real: run as `unshare --net --mount node network-scenarios.js NAME DIR`, in namespaces of its own, so
 * that the machine is untouched. Prints one JSON value, or fails with the reason.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BridgeDriver } from "../../drivers/network/bridge.js";
import { MachineFirewall } from "../../drivers/network/machine-firewall.js";
import { NetnsManager } from "../../drivers/network/netns.js";
import type { Container, Logger } from "../../core/index.js";
import { Links } from "../../kernel/links.js";
import { NetworkThread } from "../../kernel/network-thread.js";
import { Networks } from "../networks.js";
import { containerNamed, memoryParts } from "./memory-networks.js";

const [name = "", dir = ""] = process.argv.slice(2);
const complaints: string[] = [];
const note = (level: string) => (context: object, message: string): void => { complaints.push(`${level} ${message} ${JSON.stringify(context)}`); };
const logger: Logger = { debug() {}, info() {}, warn: note("warn"), error: note("error") };

class Bed {
  readonly thread = new NetworkThread();
  readonly namespaces = new NetnsManager({ dir: join(dir, "netns"), thread: this.thread });
  readonly driver = new BridgeDriver({ thread: this.thread, firewall: new MachineFirewall(logger), ipForward: true });
  readonly parts = { ...memoryParts(), driver: this.driver, namespaces: this.namespaces, logger };
  readonly networks = new Networks(this.parts);
  private readonly children: ChildProcess[] = [];

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
    await this.program(container.id, `const ports=${JSON.stringify(ports)};let n=0;for(const p of ports)require("http").createServer((q,r)=>r.end(${JSON.stringify(container.name)}+" saw "+q.socket.remoteAddress)).listen(p,"::",()=>{if(++n===ports.length)console.log("up")})`);
    return attached;
  }
  /** Runs Node in a namespace until it prints a line. */
  private program(id: string, code: string): Promise<void> {
    const child = spawn("nsenter", [`--net=${this.namespaces.path(id)}`, process.execPath, "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    this.children.push(child);
    return new Promise((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`a server ended with ${code}`)));
    });
  }
  /** What a GET gives, from this machine or from a namespace; an error's code if it fails. */
  get(url: string, from?: string): Promise<string> {
    const code = `const r=require("http").get(${JSON.stringify(url)},{timeout:700},(a)=>{a.setEncoding("utf8");let t="";a.on("data",(d)=>t+=d);a.on("end",()=>{console.log(t)})});r.on("timeout",()=>r.destroy(Object.assign(new Error(),{code:"TIMEOUT"})));r.on("error",(e)=>{console.log(e.code)})`;
    const args = from === undefined ? [process.execPath, "-e", code] : ["nsenter", `--net=${this.namespaces.path(from)}`, process.execPath, "-e", code];
    return output(args[0]!, args.slice(1));
  }
  /** Another machine beside this one: its address 198.51.100.2, ours 198.51.100.1, its way to everything else is us. */
  async neighbour(): Promise<string> {
    await this.thread.call("ensureBridge", { name: "lan0", mac: "02:42:00:00:00:01", mtu: 1500, addresses: [{ address: "198.51.100.1", prefix: 24 }] });
    const netns = await this.namespaces.create("neighbour");
    await this.thread.call("plug", {
      bridge: "lan0", host: "lan1", netns, name: "eth0", mac: "02:42:00:00:00:02", mtu: 1500, isolated: false, addresses: [{ address: "198.51.100.2", prefix: 24 }], gateways: ["198.51.100.1"],
    });
    return "neighbour";
  }
  async interfaces(): Promise<string[]> { return (await this.thread.call("interfaces")).sort(); }
  async end(): Promise<void> {
    for (const child of this.children) child.kill("SIGKILL");
    for (const id of await this.namespaces.list()) await this.namespaces.remove(id);
    await this.thread.close();
  }
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
    return {
      interfaces: await bed.interfaces(), endpoint: { ipv4: e?.ipv4, gateway: e?.gateway, mac: e?.mac, name: e?.interfaceName },
      fromHost: await bed.get(`http://${e?.ipv4}/`), fromTwo: await bed.get(`http://${e?.ipv4}/`, two.id),
      gateway: await bed.get("http://172.17.0.1:81/", two.id), routes: await tools(bed, one.id, "cat", "/proc/net/route"),
      ipv6: await tools(bed, one.id, "cat", "/proc/net/if_inet6"), forward: readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim(),
    };
  },
  /** A published port from everywhere it may be asked for. */
  async published(bed) {
    const one = web("one", "8080"), two = containerNamed("two");
    const { endpoints, ports } = await bed.serve(one, 80);
    await bed.serve(two, 80);
    const neighbour = await bed.neighbour();
    const answers = {
      ports, loopback: await bed.get("http://127.0.0.1:8080/"), lanAddress: await bed.get("http://198.51.100.1:8080/"),
      neighbour: await bed.get("http://198.51.100.1:8080/", neighbour), otherContainer: await bed.get("http://172.17.0.1:8080/", two.id),
      itself: await bed.get("http://172.17.0.1:8080/", one.id), lanFromContainer: await bed.get("http://198.51.100.1:8080/", one.id),
      direct: await bed.get(`http://${endpoints[0]?.ipv4}/`),
    };
    await bed.networks.release(one);
    return { ...answers, after: await bed.get("http://127.0.0.1:8080/") };
  },
  /** One host address only, and ports that are taken. */
  async addressed(bed) {
    await bed.neighbour();
    const { ports } = await bed.serve(web("one", "8080", "127.0.0.1"), 80);
    const answers = { ports, loopback: await bed.get("http://127.0.0.1:8080/"), lan: await bed.get("http://198.51.100.1:8080/") };
    const listener = await import("node:http").then((http) => new Promise<import("node:http").Server>((resolve) => { const s = http.createServer().listen(9000, "0.0.0.0", () => resolve(s)); }));
    const refused = await bed.networks.attach(web("two", "9000")).then(() => "attached", (e: unknown) => (e as Error).message);
    const ours = await bed.networks.attach(web("three", "8080")).then(() => "attached", (e: unknown) => (e as Error).message);
    const picks = await bed.networks.attach(web("four", "9000-9001"));
    listener.close();
    return { ...answers, refused, ours, picked: picks.ports[0]?.hostPort, left: (await bed.namespaces.list()).length };
  },
  /** A container's packets to a neighbour machine carry this machine's address; loopback stays closed to containers. */
  async outbound(bed) {
    const neighbour = await bed.neighbour();
    await bed.serve({ ...containerNamed("far"), id: neighbour as Container["id"], hostConfig: { NetworkMode: "none" } }, 80).catch(() => undefined);
    const one = containerNamed("one");
    await bed.serve(one, 80);
    const secret = await import("node:http").then((http) => new Promise<import("node:http").Server>((resolve) => { const s = http.createServer((_q, r) => r.end("secret")).listen(7000, "127.0.0.1", () => resolve(s)); }));
    const masqueraded = await bed.get("http://198.51.100.2/", one.id);
    await tools(bed, one.id, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet");
    secret.close();
    return { masqueraded };
  },
};

async function main(): Promise<void> {
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`no scenario ${name}`);
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
