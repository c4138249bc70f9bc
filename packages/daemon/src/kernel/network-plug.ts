/**
 * What containers need of the network stack, as verbs: namespaces, bridges, plugs. Everything is idempotent and
 * synchronous, and changes the calling thread's network namespace for a while: only the network thread runs it.
 */
import { randomInt } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { forgetDatagrams } from "./conntrack.js";
import { close, CLONE_NEWNET, mount, MNT_DETACH, MS, setns, tryBind, umount, unshare } from "./libc.js";
import { AF_INET, AF_INET6, bindSocket, connectSocket, openSocket, SOCK_DGRAM, SOCK_STREAM } from "./libc-sockets.js";
import { type Link, Links, type LanKind } from "./links.js";
import { addressBytes } from "./netlink.js";
import { NetlinkSocket } from "./netlink-socket.js";
import { elementBatch, type ElementChange } from "./nft-elements.js";
import { REDIRECT_MESSAGES, redirectBatch } from "./nft-redirect.js";

const NSFS_MAGIC = 0x6e736673;
const NETLINK_NETFILTER = 12;
/** A bridge of ours whose making was cut off before its owner was noted on it: the kernel takes the note in a second step only. */
const isUnsigned = (bridge: Link, mac: string): boolean => bridge.kind === "bridge" && bridge.alias === "" && bridge.mac === mac;

/** Whether a note says that something is this owner's; former daemons noted less of the owner. */
const isOwn = (alias: string, owner: string): boolean => alias === owner || (alias !== "" && owner.startsWith(`${alias} `));

/** Elements to a transaction: it must fit the socket's send buffer and its answers the receive buffer. */
const ELEMENTS_AT_ONCE = 200;
const DNS_PORT = 53, EPHEMERAL = { from: 32_768, to: 61_000 }, PORTS_TO_TRY = 20;
const THREAD_NS = "/proc/thread-self/ns/net";

export interface Cidr { readonly address: string; readonly prefix: number }
export interface BridgeSpec {
  readonly name: string;
  /** Whose it is: noted as the interface's alias, and a bridge with another note is nobody's to change. */
  readonly owner: string;
  readonly mac: string;
  readonly mtu: number;
  /** Its addresses; others that it has are removed. */
  readonly addresses: readonly Cidr[];
}
export interface PlugSpec {
  readonly bridge: string;
  /** Name of the host's end, and whose it is: noted on it. */
  readonly host: string;
  readonly owner: string;
  readonly netns: string;
  /** Name inside the namespace. */
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** Keep it from talking to the bridge's other isolated ports. */
  readonly isolated: boolean;
  readonly addresses: readonly Cidr[];
  /** Default routes, at most one a family. */
  readonly gateways: readonly string[];
  /** `net.ipv4.conf.IFNAME.forwarding=1`: settings of the interface inside. */
  readonly sysctls: readonly string[];
}
export interface LanSpec { readonly kind: LanKind; readonly mode: number; readonly flags: number; readonly parent: string }
export interface LanPlugSpec extends LanSpec, Pick<PlugSpec, "netns" | "name" | "mac" | "addresses" | "gateways" | "sysctls"> { readonly mtu?: number }
export interface PortProbe { readonly protocol: "tcp" | "udp" | "sctp"; readonly address: string; readonly port: number }

const isNamespace = (path: string): boolean => {
  try { return statfsSync(path).type === NSFS_MAGIC; } catch { return false; }
};
const code = (e: unknown): string | undefined => (e instanceof Error ? (e as NodeJS.ErrnoException).code : undefined);
/** Writes a sysctl; a kernel without it (no IPv6) has nothing to set. */
function sysctl(name: string, value: string): void {
  try { writeFileSync(`/proc/sys/${name}`, value); } catch (e) { if (code(e) !== "ENOENT") throw e; }
}

export class NetworkPlug {
  private readonly home = openSync(THREAD_NS, "r");
  private readonly links = new Links();
  private filter: NetlinkSocket | undefined;

  /** Names a new namespace, loopback up. */
  createNamespace(path: string): void {
    if (isNamespace(path)) return;
    this.bind(path, () => {
      unshare(CLONE_NEWNET);
      try {
        mount(THREAD_NS, path, null, MS.BIND);
        const inside = new Links();
        try { inside.up(inside.index("lo")); } finally { inside.close(); }
        sysctl("net/ipv6/conf/default/disable_ipv6", "1");
      } finally { this.goHome(); }
    });
  }
  /** Names the namespace of a process. */
  adoptNamespace(path: string, pid: number): void {
    if (!isNamespace(path)) this.bind(path, () => mount(`/proc/${pid}/ns/net`, path, null, MS.BIND));
  }
  /** Drops the name. The kernel frees the namespace with its interfaces when no process is in it. */
  removeNamespace(path: string): void {
    try {
      if (isNamespace(path)) umount(path, MNT_DETACH);
      unlinkSync(path);
    } catch (e) { if (code(e) !== "ENOENT") throw e; }
  }
  private bind(path: string, work: () => void): void {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    closeSync(openSync(path, "a", 0o444));
    try { work(); } catch (e) {
      this.removeNamespace(path);
      throw e;
    }
  }

  /** A bridge, up, with exactly these addresses, ready to route and to answer published ports on loopback. */
  ensureBridge(spec: BridgeSpec): void {
    const made = this.links.addBridge(spec.name, spec.mac, spec.mtu);
    const bridge = this.links.find(spec.name);
    if (bridge?.kind === "bridge" && (made || isUnsigned(bridge, spec.mac) || isOwn(bridge.alias, spec.owner))) {
      if (bridge.alias !== spec.owner) this.links.setAlias(bridge.index, spec.owner);
    } else throw Object.assign(new Error(`EEXIST: interface ${spec.name}`), { code: "EEXIST" });
    sysctl(`net/ipv6/conf/${spec.name}/disable_ipv6`, spec.addresses.some((a) => a.address.includes(":")) ? "0" : "1");
    const wanted = new Set(spec.addresses.map((a) => `${addressBytes(a.address).toString("hex")}/${a.prefix}`));
    for (const a of made ? [] : this.links.addresses()) {
      if (a.index === bridge.index && a.global && !wanted.has(`${addressBytes(a.address).toString("hex")}/${a.prefix}`)) this.links.removeAddress(a.index, a.address, a.prefix);
    }
    for (const a of spec.addresses) this.links.addAddress(bridge.index, a.address, a.prefix);
    this.links.up(bridge.index);
    this.allowLoopback(spec.name);
  }
  /** Lets packets from 127.0.0.1 leave by the bridge, and their answers come back. */
  allowLoopback(bridge: string): void { sysctl(`net/ipv4/conf/${bridge}/route_localnet`, "1"); }
  /** Makes this machine a router. */
  forward(): void { sysctl("net/ipv4/ip_forward", "1"); }
  /** The same for IPv6. A machine that learns its own routes from a router goes on doing so. */
  forward6(): void {
    const all = "/proc/sys/net/ipv6/conf";
    if (!existsSync(all) || readFileSync(`${all}/all/forwarding`, "utf8").trim() !== "0") return;
    const LEARNS = "1", LEARNS_THOUGH_A_ROUTER = "2";
    for (const name of readdirSync(all)) {
      if (readFileSync(`${all}/${name}/accept_ra`, "utf8").trim() === LEARNS) sysctl(`net/ipv6/conf/${name}/accept_ra`, LEARNS_THOUGH_A_ROUTER);
    }
    sysctl("net/ipv6/conf/all/forwarding", "1");
  }
  /** Removes a bridge of this owner's; false when it is somebody else's. Absent is success. */
  removeBridge(name: string, owner: string, mac: string): boolean {
    const bridge = this.links.find(name);
    if (bridge && !isOwn(bridge.alias, owner) && !isUnsigned(bridge, mac)) return false;
    if (bridge) this.links.remove(name);
    return true;
  }
  /** The IPv4 addresses of an interface. */
  addressesOf(name: string): Cidr[] {
    const index = this.links.find(name)?.index;
    return this.links.addresses().filter((a) => a.index === index && !a.address.includes(":")).map((a) => ({ address: a.address, prefix: a.prefix }));
  }
  removeLink(name: string): void { this.links.remove(name); }

  /** Joins a namespace to a bridge, addresses and routes included. */
  plug(spec: PlugSpec): void {
    const bridge = this.links.index(spec.bridge);
    const namespace = openSync(spec.netns, "r");
    let made = false;
    try {
      if (!this.links.find(spec.host)) {
        this.links.addVeth({ host: spec.host, bridge, namespace, peer: spec.name, mac: spec.mac, mtu: spec.mtu });
        made = true;
      }
      const port = this.links.index(spec.host);
      if (!made) this.links.setMaster(port, bridge);
      this.links.raisePort(port, spec.isolated, spec.owner);
      this.inside(namespace, () => configure(spec, made));
    } catch (e) {
      if (made) this.links.remove(spec.host);
      throw e;
    } finally { closeSync(namespace); }
  }

  /**
   * Finds the interface that a macvlan network lies on. One that is not there is made when it is to be ours (it leads
   * nowhere then), or names a VLAN (`eth0.10`) of one that is; ENODEV otherwise.
   */
  ensureParent(name: string, owner: string, own: boolean): void {
    if (this.links.find(name)) return;
    const [, trunk, id] = /^(.+)\.(\d{1,4})$/.exec(name) ?? [];
    if (own) this.links.addVirtual(name);
    else if (trunk !== undefined && Number(id) >= 1 && Number(id) <= 4094) this.links.addVirtual(name, { parent: this.links.index(trunk), id: Number(id) });
    const index = this.links.index(name);
    this.links.setAlias(index, owner);
    this.links.up(index);
  }
  /** Removes an interface that bears this note; others stay. Absent is success. */
  removeOwned(name: string, owner: string): void {
    if (isOwn(this.links.find(name)?.alias ?? "", owner)) this.links.remove(name);
  }
  /** Makes such an interface and takes it away again: throws what the kernel has against it. */
  probeLan({ parent, ...spec }: LanSpec): void {
    const name = `strata${randomInt(1e8)}`;
    this.links.addLan({ ...spec, parent: this.links.index(parent), name });
    this.links.remove(name);
  }
  /** Gives a namespace an interface on the wire of one of this machine's, addresses and routes included. */
  plugLan(spec: LanPlugSpec): void {
    const namespace = openSync(spec.netns, "r");
    try {
      const has = this.inside(namespace, () => {
        const links = new Links();
        try { return links.find(spec.name) !== undefined; } finally { links.close(); }
      });
      const { kind, mode, flags, name, mac, mtu } = spec;
      if (!has) this.links.addLan({ kind, mode, flags, parent: this.links.index(spec.parent), name, namespace, mac, ...(mtu === undefined ? {} : { mtu }) });
      this.inside(namespace, () => configure(spec, !has));
    } finally { closeSync(namespace); }
  }
  /** Removes an interface of a namespace. Absent is success, of either. */
  removeInside(netns: string, name: string): void {
    if (!isNamespace(netns)) return;
    this.visit(netns, () => {
      const links = new Links();
      try { links.remove(name); } finally { links.close(); }
    });
  }
  /** Makes gateways the default routes of a namespace. */
  lead(netns: string, name: string, gateways: readonly string[]): void {
    this.visit(netns, () => {
      const links = new Links();
      try { for (const gateway of gateways) links.replaceDefaultRoute(links.index(name), gateway); } finally { links.close(); }
    });
  }
  /** Runs `work` with the thread in another namespace. */
  private inside<T>(namespace: number, work: () => T): T {
    setns(namespace, CLONE_NEWNET);
    try { return work(); } finally { this.goHome(); }
  }
  /** A thread that cannot come back must not go on: its next verb would change the wrong namespace. */
  private goHome(): void {
    try { setns(this.home, CLONE_NEWNET); } catch { process.exit(1); }
  }

  /**
   * Sockets for a name server at an address of a namespace's loopback: one for datagrams, one for streams that is yet to
   * listen. They lie at another port, to which packets for port 53 are rewritten, so that the container may have its
   * own server on every address; at port 53 itself where the kernel has no nftables for that.
   */
  openNameServer(netns: string, address: string): { datagrams: number; streams: number } {
    return this.visit(netns, () => {
      const elsewhere = pairAt(address, () => randomInt(EPHEMERAL.from, EPHEMERAL.to));
      try {
        const socket = new NetlinkSocket(NETLINK_NETFILTER);
        const redirect = { table: "strata_names", address, from: DNS_PORT, to: elsewhere.port };
        try { socket.batch("redirect to the name server", (sequence) => redirectBatch(redirect, sequence), 1, REDIRECT_MESSAGES); } finally { socket.close(); }
        return elsewhere;
      } catch {
        close(elsewhere.datagrams);
        close(elsewhere.streams);
        return pairAt(address, () => DNS_PORT);
      }
    });
  }
  /** A socket of a namespace for datagrams to anywhere. */
  openDatagrams(netns: string, ipv6: boolean): number { return this.visit(netns, () => openSocket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM)); }
  /** A stream from a namespace that is on its way to an address. */
  openStream(netns: string, address: string, port: number): number { return this.visit(netns, () => connectSocket(socketAddress(address, port))); }
  private visit<T>(netns: string, work: () => T): T {
    const namespace = openSync(netns, "r");
    try { return this.inside(namespace, work); } finally { closeSync(namespace); }
  }
  /** Names of what is plugged into these bridges. */
  portsOf(bridges: readonly string[]): string[] {
    const all = this.links.list(), masters = new Set(all.filter(({ name }) => bridges.includes(name)).map(({ index }) => index));
    return all.filter(({ master }) => masters.has(master)).map(({ name }) => name);
  }
  /** Interfaces on which something was noted. */
  noted(): { name: string; alias: string }[] { return this.links.list().filter(({ alias }) => alias !== "").map(({ name, alias }) => ({ name, alias })); }
  /** Names of all interfaces. */
  interfaces(): string[] { return this.links.list().map((l) => l.name); }
  /** Ranges that routes and addresses of this machine cover, default routes and the interfaces named aside. */
  occupied(besides: readonly string[]): Cidr[] {
    const aside = new Set(this.links.list().filter((l) => besides.includes(l.name)).map((l) => l.index));
    const routes = this.links.routes().filter((r) => r.prefix > 0 && !aside.has(r.interface)).map((r) => ({ address: r.destination, prefix: r.prefix }));
    return [...routes, ...this.links.addresses().filter((a) => !aside.has(a.index)).map((a) => ({ address: a.address, prefix: a.prefix }))];
  }
  /** Makes published (or withdrawn) UDP ports count for clients that are sending already. Kernels without flow tables have none to forget. */
  forgetDatagrams(ports: readonly { readonly ipv6: boolean; readonly port: number }[]): void {
    for (const { ipv6, port } of ports) {
      try {
        forgetDatagrams(this.netfilter(), ipv6 ? 10 : 2, port);
      } catch (e) {
        if (!["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"].includes(code(e) ?? "")) throw e;
      }
    }
  }
  private netfilter(): NetlinkSocket { return (this.filter ??= new NetlinkSocket(NETLINK_NETFILTER)); }
  /** Changes elements of nftables maps, without a process. */
  changeElements(changes: readonly ElementChange[]): void {
    for (let at = 0; at < changes.length; at += ELEMENTS_AT_ONCE) {
      const some = changes.slice(at, at + ELEMENTS_AT_ONCE);
      this.netfilter().batch("change nftables elements", (sequence) => elementBatch(some, sequence), 1, some.length);
    }
  }
  /** The first of these ports that cannot be had, and why (EADDRINUSE, EADDRNOTAVAIL…). */
  probe(ports: readonly PortProbe[]): { readonly at: number; readonly code: string } | undefined {
    const IPPROTO_SCTP = 132;
    for (const [at, { protocol, address, port }] of ports.entries()) {
      try {
        tryBind(socketAddress(address, port), protocol === "udp" ? 2 : 1, protocol === "sctp" ? IPPROTO_SCTP : 0);
      } catch (e) {
        // Nobody here can hold a port of a protocol that this kernel does not speak; it may still pass it on.
        if (protocol === "sctp" && ["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"].includes(code(e) ?? "")) continue;
        return { at, code: code(e) ?? "EIO" };
      }
    }
    return undefined;
  }
}

/** Two sockets at one port, which `choose` proposes until one is free. */
function pairAt(address: string, choose: () => number): { port: number; datagrams: number; streams: number } {
  for (let attempt = 1; ; attempt++) {
    const port = choose();
    let datagrams: number | undefined;
    try {
      datagrams = bindSocket(socketAddress(address, port), SOCK_DGRAM);
      return { port, datagrams, streams: bindSocket(socketAddress(address, port), SOCK_STREAM) };
    } catch (e) {
      if (datagrams !== undefined) close(datagrams);
      if (code(e) !== "EADDRINUSE" || attempt === PORTS_TO_TRY) throw e;
    }
  }
}
/** sockaddr_in or sockaddr_in6. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = addressBytes(address), v4 = bytes.length === 4;
  const sockaddr = Buffer.alloc(v4 ? 16 : 28);
  sockaddr.writeUInt16LE(v4 ? 2 : 10, 0);
  sockaddr.writeUInt16BE(port, 2);
  bytes.copy(sockaddr, v4 ? 4 : 8);
  return sockaddr;
}

/** Settings are for a new interface: one that was there may have been given others since. */
function configure(spec: Pick<PlugSpec, "name" | "addresses" | "gateways" | "sysctls">, fresh: boolean): void {
  const links = new Links();
  try {
    const index = links.index(spec.name);
    if (spec.addresses.some((a) => a.address.includes(":"))) sysctl(`net/ipv6/conf/${spec.name}/disable_ipv6`, "0");
    for (const a of spec.addresses) links.addAddress(index, a.address, a.prefix);
    links.up(index);
    for (const gateway of spec.gateways) links.addDefaultRoute(index, gateway);
    for (const setting of fresh ? spec.sysctls : []) {
      const [key = "", value = ""] = setting.split("=");
      writeFileSync(join("/proc/sys", ...key.split(".").map((part) => (/^ifname$/i.test(part) ? spec.name : part))), value);
    }
  } finally { links.close(); }
}
