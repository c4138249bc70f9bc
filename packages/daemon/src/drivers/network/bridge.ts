import { createHash } from "node:crypto";
import {
  AlreadyExists, Conflict, errnoOf, formatRange, InvalidArgument, NotFound, parseCidr, parseIp, rangeOf, Unavailable,
  type Endpoint, type Network, type NetworkDriver, type PortBinding,
} from "../../core/index.js";
import type { NetworkThread } from "../../kernel/network-thread.js";
import type { BridgeRules, Firewall, OpenPort, Published } from "./firewall.js";

/** Options of a bridge network, by Docker's names. */
export const BRIDGE_OPTION = {
  name: "com.docker.network.bridge.name",
  icc: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  mtu: "com.docker.network.driver.mtu",
  inhibit4: "com.docker.network.bridge.inhibit_ipv4",
  gateway4: "com.docker.network.bridge.gateway_mode_ipv4",
  gateway6: "com.docker.network.bridge.gateway_mode_ipv6",
} as const;
const DEFAULT_MTU = 1500;

export interface BridgeDriverOptions {
  readonly thread: NetworkThread;
  readonly firewall: Firewall;
  /** Turn the machine into a router when a bridge needs it. */
  readonly ipForward: boolean;
  /** Tells this daemon's interfaces from another's: a word. */
  readonly tag?: string;
  /** A bridge that the administrator made (`--bridge`): its addresses and its existence are not ours. */
  readonly foreignBridge?: string;
}

/** Linux bridges with a veth pair for each endpoint, by rtnetlink. */
export class BridgeDriver implements NetworkDriver {
  readonly name = "bridge";
  private readonly thread: NetworkThread;
  private readonly firewall: Firewall;
  private readonly ipForward: boolean;
  private readonly foreignBridge: string | undefined;
  private readonly tag: string;

  constructor(options: BridgeDriverOptions) {
    this.thread = options.thread;
    this.firewall = options.firewall;
    this.ipForward = options.ipForward;
    this.foreignBridge = options.foreignBridge;
    this.tag = options.tag ?? "strata";
  }

  async ensure(network: Network): Promise<void> {
    const name = bridgeName(network);
    if (name !== this.foreignBridge) {
      try {
        await this.thread.call("ensureBridge", { name, owner: ownerOf(network, this.tag), mac: bridgeMac(network), mtu: mtuOf(network), addresses: gatewayAddresses(network) });
      } catch (e) {
        if (errnoOf(e) === "EEXIST") throw new AlreadyExists(`the interface ${name} exists and is not this network's`, { cause: e });
        throw e;
      }
    }
    await this.thread.call("allowLoopback", name);
    if (this.ipForward && !network.internal) {
      await this.thread.call("forward");
      if (network.ipv6) await this.thread.call("forward6");
    }
    await this.firewall.ensure(rulesOf(network));
  }

  async remove(network: Network): Promise<void> {
    const name = bridgeName(network);
    if (name === this.foreignBridge || await this.thread.call("removeBridge", name, ownerOf(network, this.tag), bridgeMac(network))) await this.firewall.remove(name);
  }

  /** Address of the administrator's bridge (`--bridge`) with its prefix: the default network's `bip`. NotFound without one. */
  async addressOf(bridge: string): Promise<string> {
    const [own] = await this.thread.call("addressesOf", bridge);
    if (!own) throw new NotFound(`the bridge ${bridge} does not exist or has no IPv4 address`);
    return `${own.address}/${own.prefix}`;
  }

  async connect(network: Network, endpoint: Endpoint, netns: string): Promise<void> {
    await this.thread.call("plug", {
      bridge: bridgeName(network), host: endpoint.hostInterface, owner: portOwner(this.tag), netns, name: endpoint.interfaceName, mac: endpoint.mac, mtu: mtuOf(network),
      isolated: isOff(network, BRIDGE_OPTION.icc), addresses: addressesOf(endpoint), gateways: gatewaysOf(endpoint), sysctls: endpoint.sysctls ?? [],
    });
    if (endpoint.open) await this.firewall.open(openedOf(network, endpoint));
  }
  async disconnect(network: Network, endpoint: Endpoint): Promise<void> {
    if (endpoint.open) await this.firewall.shut(openedOf(network, endpoint));
    await this.thread.call("removeLink", endpoint.hostInterface);
  }

  async lead(endpoint: Endpoint, netns: string): Promise<void> {
    await this.thread.call("lead", netns, endpoint.interfaceName, gatewaysOf(endpoint));
  }
  async publish(_network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void> {
    await this.firewall.publish(publishedOf(endpoint, ports));
    await this.forgetDatagrams(ports);
  }
  async unpublish(_network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void> {
    await this.firewall.unpublish(publishedOf(endpoint, ports));
    await this.forgetDatagrams(ports);
  }
  private async forgetDatagrams(ports: readonly PortBinding[]): Promise<void> {
    const datagrams = ports.filter((p) => p.protocol === "udp").map((p) => ({ ipv6: p.hostIp.includes(":"), port: p.hostPort }));
    if (datagrams.length > 0) await this.thread.call("forgetDatagrams", datagrams);
  }

  async occupied(besides: readonly Network[]): Promise<readonly string[]> {
    return (await this.thread.call("occupied", besides.map(bridgeName))).flatMap(({ address, prefix }) => {
      const ip = parseIp(address);
      return ip ? [formatRange(rangeOf(ip, prefix))] : [];
    });
  }

  async probe(ports: readonly PortBinding[]): Promise<void> {
    const refused = await this.thread.call("probe", ports.map((p) => ({ protocol: p.protocol, address: p.hostIp, port: p.hostPort })));
    const port = refused && ports[refused.at];
    if (!port) return;
    const where = `${port.hostIp.includes(":") ? `[${port.hostIp}]` : port.hostIp}:${port.hostPort}`;
    if (refused.code === "EADDRINUSE") throw new Conflict(`Bind for ${where} failed: port is already allocated`);
    throw new Unavailable(`cannot listen on ${where}: ${refused.code === "EADDRNOTAVAIL" ? "this machine has no such address" : refused.code}`);
  }
}

/** As the network asked for, else `br-` and the start of its ID. */
export function bridgeName(network: Network): string {
  return network.options[BRIDGE_OPTION.name] || `br-${network.id.slice(0, 12)}`;
}
export function mtuOf(network: Network): number {
  const text = network.options[BRIDGE_OPTION.mtu];
  if (text === undefined) return DEFAULT_MTU;
  const mtu = Number(text);
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) throw new InvalidArgument(`${BRIDGE_OPTION.mtu}: invalid MTU ${text}`);
  return mtu;
}
const LINK_LOCAL_PREFIX = { v4: 16, v6: 64 } as const;
/** With those that mean something on the link only. */
export function addressesOf(endpoint: Endpoint): { address: string; prefix: number }[] {
  return [
    ...(endpoint.ipv4 === null ? [] : [{ address: endpoint.ipv4, prefix: endpoint.prefix }]),
    ...(endpoint.ipv6 === null ? [] : [{ address: endpoint.ipv6, prefix: endpoint.prefix6 }]),
    ...(endpoint.linkLocal ?? []).map((address) => ({ address, prefix: address.includes(":") ? LINK_LOCAL_PREFIX.v6 : LINK_LOCAL_PREFIX.v4 })),
  ];
}
/** Whether an option that is on by default was turned off. */
const isOff = (network: Network, option: string): boolean => /^(0|f|false)$/i.test(network.options[option] ?? "");
const isOn = (network: Network, option: string): boolean => /^(1|t|true)$/i.test(network.options[option] ?? "");
export const gatewaysOf = (endpoint: Endpoint): string[] => [endpoint.gateway, endpoint.gateway6].filter((g) => g !== null);
/** What is noted on an interface that is a network's, and on the ends of containers' interfaces: whose it is, and which daemon's. */
export const ownerOf = (network: Network, tag: string): string => `strata ${network.id} ${tag}`;
export const portOwner = (tag: string): string => `strata port ${tag}`;
/** Locally administered, unicast, always the same for a network: it tells whose a bridge is that has no owner's note yet. */
export const bridgeMac = (network: Network): string => `02:42:${createHash("sha256").update(network.id).digest("hex").slice(0, 8).replace(/..(?=.)/g, "$&:")}`;

function gatewayAddresses(network: Network): { address: string; prefix: number }[] {
  return network.ipam.flatMap((pool) => {
    const cidr = parseCidr(pool.subnet), four = cidr?.range.family === 4;
    const none = (four && isOn(network, BRIDGE_OPTION.inhibit4)) || network.options[four ? BRIDGE_OPTION.gateway4 : BRIDGE_OPTION.gateway6] === "isolated";
    return cidr && pool.gateway !== undefined && !none ? [{ address: pool.gateway, prefix: cidr.range.prefix }] : [];
  });
}
/** Families of a network that have this gateway mode. */
const familiesOf = ({ options }: Network, mode: string): ("ip" | "ip6")[] => ([["ip", BRIDGE_OPTION.gateway4], ["ip6", BRIDGE_OPTION.gateway6]] as const).filter(([, option]) => options[option] === mode).map(([family]) => family);
function openedOf(network: Network, endpoint: Endpoint): OpenPort[] {
  const routed = familiesOf(network, "routed");
  const addresses = [endpoint.ipv4, endpoint.ipv6].filter((a) => a !== null).filter((a) => routed.includes(a.includes(":") ? "ip6" : "ip"));
  return addresses.flatMap((address) => (endpoint.open ?? []).map(({ protocol, port }) => ({ owner: endpoint.id, protocol, address, port })));
}
export function rulesOf(network: Network): BridgeRules {
  return {
    unprotected: familiesOf(network, "nat-unprotected"), routed: familiesOf(network, "routed"),
    bridge: bridgeName(network), subnets: network.ipam.map((p) => p.subnet), internal: network.internal,
    masquerade: !isOff(network, BRIDGE_OPTION.masquerade),
  };
}
function publishedOf(endpoint: Endpoint, ports: readonly PortBinding[]): Published[] {
  return ports.flatMap((p) => {
    const address = p.hostIp.includes(":") ? endpoint.ipv6 : endpoint.ipv4;
    return address === null ? [] : [{ protocol: p.protocol, hostIp: p.hostIp, hostPort: p.hostPort, address, port: p.containerPort }];
  });
}
