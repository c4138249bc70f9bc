import { Conflict, errnoOf, InvalidArgument, NotImplemented, parseCidr, type Endpoint, type Network, type NetworkDriver } from "../../core/index.js";
import type { LanKind } from "../../kernel/links.js";
import type { NetworkThread } from "../../kernel/network-thread.js";
import { addressesOf, gatewaysOf, mtuOf, ownerOf } from "./bridge.js";

/** Options of such a network, by Docker's names. */
const OPTION = { parent: "parent", macvlanMode: "macvlan_mode", ipvlanMode: "ipvlan_mode", ipvlanFlag: "ipvlan_flag" } as const;
const MODES: Readonly<Record<LanKind, Readonly<Record<string, number>>>> = { macvlan: { private: 1, vepa: 2, bridge: 4, passthru: 8 }, ipvlan: { l2: 0, l3: 1, l3s: 2 } };
const FLAGS: Readonly<Record<string, number>> = { bridge: 0, private: 1, vepa: 2 };

/**
 * macvlan and ipvlan: containers with an address of their own on the network of one of this machine's interfaces. No
 * bridge, no translation, so no published ports. Without a parent, an interface that leads nowhere stands in for it.
 */
export class LanDriver implements NetworkDriver {
  readonly name = "macvlan, ipvlan";

  /** `tag` tells this daemon's interfaces from another's: a word. */
  constructor(private readonly thread: NetworkThread, private readonly tag = "strata") {}

  async ensure(network: Network): Promise<void> {
    const kind = kindOf(network), parent = parentOf(network);
    // What cannot be is told now, not when the first container comes.
    const { mode, flags } = modeOf(network);
    const own = network.options[OPTION.parent] === undefined;
    try {
      await this.thread.call("ensureParent", parent, ownerOf(network, this.tag), own);
    } catch (e) {
      if (errnoOf(e) === "ENODEV") throw new InvalidArgument(`parent interface ${parent} does not exist`, { cause: e });
      if (errnoOf(e) === "EOPNOTSUPP") throw new NotImplemented(`the kernel of this machine has no ${own ? "dummy interfaces: name one with -o parent=" : "VLANs"}`, { cause: e });
      throw e;
    }
    try {
      await this.thread.call("probeLan", { kind, mode, flags, parent });
    } catch (e) {
      if (errnoOf(e) === "EOPNOTSUPP") throw new NotImplemented(`the kernel of this machine has no ${kind}`, { cause: e });
      if (errnoOf(e) === "EBUSY" || errnoOf(e) === "EINVAL") throw new Conflict(`${kind}: the interface ${parent} is in use in another way or cannot carry it`, { cause: e });
      throw e;
    }
  }
  async remove(network: Network): Promise<void> {
    await this.thread.call("removeOwned", parentOf(network), ownerOf(network, this.tag));
  }
  async connect(network: Network, endpoint: Endpoint, netns: string): Promise<void> {
    await this.thread.call("plugLan", {
      kind: kindOf(network), ...modeOf(network), parent: parentOf(network), netns, name: endpoint.interfaceName, mac: endpoint.mac,
      ...(network.options["com.docker.network.driver.mtu"] === undefined ? {} : { mtu: mtuOf(network) }), addresses: addressesOf(endpoint), gateways: gatewaysOf(endpoint), sysctls: endpoint.sysctls ?? [],
    });
  }
  async disconnect(_network: Network, endpoint: Endpoint, netns: string): Promise<void> {
    await this.thread.call("removeInside", netns, endpoint.interfaceName);
  }
  async lead(endpoint: Endpoint, netns: string): Promise<void> {
    await this.thread.call("lead", netns, endpoint.interfaceName, gatewaysOf(endpoint));
  }
  async publish(): Promise<void> { /* its addresses are the outside's own */ }
  async unpublish(): Promise<void> { /* nothing is published */ }
  async occupied(): Promise<readonly string[]> { return []; }
  async probe(): Promise<void> { /* nothing is published */ }
}

const kindOf = (network: Network): LanKind => (network.driver === "ipvlan" ? "ipvlan" : "macvlan");
/** The interface that carries it: as asked for, else one of our own. */
const parentOf = (network: Network): string => network.options[OPTION.parent] ?? `dm-${network.id.slice(0, 12)}`;

function modeOf(network: Network): { mode: number; flags: number } {
  const kind = kindOf(network), option = kind === "macvlan" ? OPTION.macvlanMode : OPTION.ipvlanMode;
  const word = network.options[option] ?? (kind === "macvlan" ? "bridge" : "l2"), flag = network.options[OPTION.ipvlanFlag] ?? "bridge";
  const mode = MODES[kind][word], flags = FLAGS[flag];
  if (mode === undefined) throw new InvalidArgument(`${option}: unknown mode ${word}`);
  if (flags === undefined) throw new InvalidArgument(`${OPTION.ipvlanFlag}: unknown flag ${flag}`);
  if (network.ipam.every((p) => !parseCidr(p.subnet))) throw new InvalidArgument(`${kind}: a network needs a subnet`);
  return { mode, flags };
}
