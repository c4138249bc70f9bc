import { addressBytes, addressText, attribute, attributes, macBytes, macText, nested, NLM_F, text, textOf, u16, u32, u8, type Message } from "./netlink.js";
import { NetlinkSocket } from "./netlink-socket.js";

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, NEWADDR: 20, DELADDR: 21, GETADDR: 22, NEWROUTE: 24, GETROUTE: 26 } as const;
const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, MASTER: 10, LINKINFO: 18, IFALIAS: 20, AF_SPEC: 26, NET_NS_FD: 28 } as const;
const IFLA_INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
const VETH_INFO_PEER = 1, IFLA_BRPORT_MODE = 4, IFLA_BRPORT_ISOLATED = 33, IFLA_INET6_ADDR_GEN_MODE = 8, ADDR_GEN_MODE_NONE = 1;
const MACVLAN_MODE = 1, IPVLAN = { MODE: 1, FLAGS: 2 } as const, VLAN_ID = 1;
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 } as const;
const IFF_UP = 1, IFA_F_NODAD = 2;
const RT_TABLE_MAIN = 254, RTPROT_BOOT = 3, RT_SCOPE_UNIVERSE = 0, RTN_UNICAST = 1, RT_SCOPE_HOST = 254;
const AF_UNSPEC = 0, AF_INET = 2, AF_INET6 = 10;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`; empty for hardware. */
  readonly kind: string;
  /** What somebody noted on it; empty for nothing. */
  readonly alias: string;
  readonly up: boolean;
  readonly mac: string;
  readonly mtu: number;
  /** Index of the bridge it is plugged into; 0 for none. */
  readonly master: number;
}
export interface Address {
  readonly index: number;
  readonly address: string;
  readonly prefix: number;
  /** Reaches beyond this machine. */
  readonly global: boolean;
}
export interface Route {
  /** `0.0.0.0` or `::` with prefix 0 is the default route. */
  readonly destination: string;
  readonly prefix: number;
  readonly interface: number;
}
export interface VethPair {
  readonly host: string;
  readonly bridge: number;
  /** Descriptor of the namespace that gets the other end. */
  readonly namespace: number;
  readonly peer: string;
  readonly mac: string;
  readonly mtu: number;
}

export type LanKind = "macvlan" | "ipvlan";
/** Another interface on the wire of one that is there. */
export interface LanLink {
  readonly kind: LanKind;
  /** MACVLAN_MODE_*, IPVLAN_MODE_*. */
  readonly mode: number;
  /** IPVLAN_F_*. */
  readonly flags: number;
  readonly parent: number;
  readonly name: string;
  /** Descriptor of the namespace that gets it; this one without. */
  readonly namespace?: number;
  readonly mac?: string;
  readonly mtu?: number;
}

const errno = (e: unknown): string | undefined => (e instanceof Error ? (e as NodeJS.ErrnoException).code : undefined);
/** Runs `work`; an error of one of these codes means the state holds already. Whether it had to be brought about. */
function unless(codes: readonly string[], work: () => void): boolean {
  try {
    work();
    return true;
  } catch (e) {
    if (codes.includes(errno(e) ?? "")) return false;
    throw e;
  }
}

function ifinfo(index = 0, flags = 0, change = 0, family = AF_UNSPEC): Buffer {
  const b = Buffer.alloc(16);
  b.writeUInt8(family, 0);
  b.writeInt32LE(index, 4);
  b.writeUInt32LE(flags, 8);
  b.writeUInt32LE(change, 12);
  return b;
}
const familyOf = (address: string): number => (address.includes(":") ? AF_INET6 : AF_INET);

/** Interfaces, addresses and routes of the calling thread's network namespace (rtnetlink(7)). Synchronous; errors carry `code`. */
export class Links {
  private readonly socket = new NetlinkSocket(0);

  close(): void { this.socket.close(); }

  /** Undefined when there is no such interface. */
  find(name: string): Link | undefined {
    try {
      const [message] = this.socket.request(`find ${name}`, RTM.GETLINK, 0, ifinfo(), [text(IFLA.IFNAME, name)]);
      return message && linkOf(message);
    } catch (e) {
      if (errno(e) === "ENODEV") return undefined;
      throw e;
    }
  }
  /** Index of an interface; ENODEV when there is none. */
  index(name: string): number {
    const link = this.find(name);
    if (link) return link.index;
    throw Object.assign(new Error(`ENODEV: no interface ${name}`), { code: "ENODEV" });
  }
  list(): Link[] {
    return this.socket.dump("list interfaces", RTM.GETLINK, ifinfo()).filter((m) => m.type === RTM.NEWLINK).map(linkOf);
  }

  up(index: number): void {
    this.socket.request("set interface up", RTM.NEWLINK, 0, ifinfo(index, IFF_UP, IFF_UP));
  }

  /** Makes a bridge with a MAC of its own, so that it does not change with its ports. False when the name is taken. */
  addBridge(name: string, mac: string, mtu: number): boolean {
    return unless(["EEXIST"], () => this.socket.request(`add bridge ${name}`, RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(), [
      text(IFLA.IFNAME, name), attribute(IFLA.ADDRESS, macBytes(mac)), u32(IFLA.MTU, mtu),
      nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, "bridge")),
    ]));
  }

  setAlias(index: number, alias: string): void {
    this.socket.request("note on an interface", RTM.NEWLINK, 0, ifinfo(index), [attribute(IFLA.IFALIAS, Buffer.from(alias))]);
  }

  /** Makes a pair: one end here and in the bridge, its peer in the other namespace; both still down. One request. */
  addVeth(pair: VethPair): void {
    const mtu = u32(IFLA.MTU, pair.mtu);
    const peer = Buffer.concat([
      ifinfo(), text(IFLA.IFNAME, pair.peer), attribute(IFLA.ADDRESS, macBytes(pair.mac)), mtu, u32(IFLA.NET_NS_FD, pair.namespace),
    ]);
    this.socket.request(`add interface ${pair.host}`, RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(), [
      text(IFLA.IFNAME, pair.host), mtu, u32(IFLA.MASTER, pair.bridge),
      nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, "veth"), nested(IFLA_INFO.DATA, nested(VETH_INFO_PEER, peer))),
    ]);
  }

  /** EOPNOTSUPP where the kernel has no such kind. */
  addLan({ kind, mode, flags, parent, name, namespace, mac, mtu }: LanLink): void {
    const data = kind === "macvlan" ? [u32(MACVLAN_MODE, mode)] : [u16(IPVLAN.MODE, mode), u16(IPVLAN.FLAGS, flags)];
    this.socket.request(`add interface ${name}`, RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(), [
      text(IFLA.IFNAME, name), u32(IFLA.LINK, parent), ...(namespace === undefined ? [] : [u32(IFLA.NET_NS_FD, namespace)]),
      ...(mac && kind === "macvlan" ? [attribute(IFLA.ADDRESS, macBytes(mac))] : []), ...(mtu === undefined ? [] : [u32(IFLA.MTU, mtu)]),
      nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, kind), nested(IFLA_INFO.DATA, ...data)),
    ]);
  }
  /** An interface that leads nowhere; with a parent, one of its VLANs. */
  addVirtual(name: string, vlan?: { readonly parent: number; readonly id: number }): void {
    this.socket.request(`add interface ${name}`, RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(), [
      text(IFLA.IFNAME, name),
      ...(vlan ? [u32(IFLA.LINK, vlan.parent), nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, "vlan"), nested(IFLA_INFO.DATA, u16(VLAN_ID, vlan.id)))]
        : [nested(IFLA.LINKINFO, text(IFLA_INFO.KIND, "dummy"))]),
    ]);
  }
  /** Plugs an interface into a bridge. */
  setMaster(index: number, bridge: number): void {
    this.socket.request("plug into a bridge", RTM.NEWLINK, 0, ifinfo(index), [u32(IFLA.MASTER, bridge)]);
  }
  /**
   * Brings a bridge port up. Hairpin: with br_netfilter a container that reaches its own published port gets the packet
   * back through the port it came from. The port itself needs no IPv6 address. `alias` is noted on it.
   */
  raisePort(index: number, isolated: boolean, alias: string): void {
    this.socket.request("raise bridge port", RTM.NEWLINK, 0, ifinfo(index, IFF_UP, IFF_UP), [
      attribute(IFLA.IFALIAS, Buffer.from(alias)),
      nested(IFLA.LINKINFO, text(IFLA_INFO.SLAVE_KIND, "bridge"), nested(IFLA_INFO.SLAVE_DATA, u8(IFLA_BRPORT_MODE, 1), u8(IFLA_BRPORT_ISOLATED, isolated ? 1 : 0))),
    ]);
    // Absent where the kernel has no IPv6.
    unless(["EAFNOSUPPORT", "EOPNOTSUPP", "EINVAL"], () => this.socket.request("set address mode", RTM.NEWLINK, 0, ifinfo(index), [
      nested(IFLA.AF_SPEC, nested(AF_INET6, u8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODE_NONE))),
    ]));
  }

  /** Removes an interface (of a pair: both ends). Absent is success. */
  remove(name: string): void {
    unless(["ENODEV"], () => this.socket.request(`remove ${name}`, RTM.DELLINK, 0, ifinfo(), [text(IFLA.IFNAME, name)]));
  }

  /** Existing is success. IPv6 addresses are usable at once (no duplicate detection: we hand them out). */
  addAddress(index: number, address: string, prefix: number): void {
    const bytes = addressBytes(address);
    const attributes = [attribute(IFA.LOCAL, bytes), attribute(IFA.ADDRESS, bytes)];
    if (bytes.length === 4 && prefix < 31) attributes.push(attribute(IFA.BROADCAST, broadcast(bytes, prefix)));
    unless(["EEXIST"], () => this.socket.request(`add address ${address}`, RTM.NEWADDR, NLM_F.CREATE | NLM_F.EXCL,
      ifaddr(index, address, prefix, bytes.length === 16 ? IFA_F_NODAD : 0), attributes));
  }
  /** Absent is success. */
  removeAddress(index: number, address: string, prefix: number): void {
    unless(["EADDRNOTAVAIL"], () => this.socket.request(`remove address ${address}`, RTM.DELADDR, 0, ifaddr(index, address, prefix, 0), [
      attribute(IFA.LOCAL, addressBytes(address)),
    ]));
  }
  addresses(): Address[] {
    return this.socket.dump("list addresses", RTM.GETADDR, Buffer.alloc(8)).filter((m) => m.type === RTM.NEWADDR).flatMap((m) => {
      const found = attributes(m.body.subarray(8));
      const bytes = found.get(IFA.LOCAL) ?? found.get(IFA.ADDRESS);
      return bytes ? [{ index: m.body.readUInt32LE(4), address: addressText(bytes), prefix: m.body.readUInt8(1), global: m.body.readUInt8(3) === RT_SCOPE_UNIVERSE }] : [];
    });
  }

  /** Default route through a gateway that an address of `index` reaches. Existing is success. */
  addDefaultRoute(index: number, gateway: string): void {
    unless(["EEXIST"], () => this.defaultRoute(index, gateway, NLM_F.EXCL));
  }
  /** The same, in place of the one there is. */
  replaceDefaultRoute(index: number, gateway: string): void { this.defaultRoute(index, gateway, NLM_F.REPLACE); }
  private defaultRoute(index: number, gateway: string, flag: number): void {
    this.socket.request(`route by ${gateway}`, RTM.NEWROUTE, NLM_F.CREATE | flag,
      Buffer.from([familyOf(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0, 0, 0, 0]),
      [attribute(RTA.GATEWAY, addressBytes(gateway)), u32(RTA.OIF, index)]);
  }
  /** Unicast routes of the main table, both families. */
  routes(): Route[] {
    return this.socket.dump("list routes", RTM.GETROUTE, Buffer.alloc(12)).flatMap((m) => {
      const family = m.body.readUInt8(0), table = m.body.readUInt8(4), kind = m.body.readUInt8(7);
      if (m.type !== RTM.NEWROUTE || table !== RT_TABLE_MAIN || kind !== RTN_UNICAST || m.body.readUInt8(6) === RT_SCOPE_HOST) return [];
      const found = attributes(m.body.subarray(12));
      const destination = found.get(RTA.DST);
      return [{
        destination: destination ? addressText(destination) : family === AF_INET6 ? "::" : "0.0.0.0", prefix: m.body.readUInt8(1),
        interface: found.get(RTA.OIF)?.readUInt32LE(0) ?? 0,
      }];
    });
  }
}

function linkOf(message: Message): Link {
  const found = attributes(message.body.subarray(16));
  const info = found.get(IFLA.LINKINFO);
  return {
    index: message.body.readInt32LE(4),
    name: textOf(found.get(IFLA.IFNAME)) ?? "",
    kind: (info && textOf(attributes(info).get(IFLA_INFO.KIND))) ?? "",
    alias: textOf(found.get(IFLA.IFALIAS)) ?? "",
    up: (message.body.readUInt32LE(8) & IFF_UP) !== 0,
    mac: macText(found.get(IFLA.ADDRESS) ?? new Uint8Array()),
    mtu: found.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
    master: found.get(IFLA.MASTER)?.readUInt32LE(0) ?? 0,
  };
}
function ifaddr(index: number, address: string, prefix: number, flags: number): Buffer {
  const b = Buffer.alloc(8);
  b.writeUInt8(familyOf(address), 0);
  b.writeUInt8(prefix, 1);
  b.writeUInt8(flags, 2);
  b.writeUInt32LE(index, 4);
  return b;
}
function broadcast(address: Buffer, prefix: number): Buffer {
  const b = Buffer.alloc(4);
  b.writeUInt32BE((address.readUInt32BE(0) | (0xffffffff >>> prefix)) >>> 0);
  return b;
}
