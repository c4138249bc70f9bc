import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { Config } from "./config.js";
import { systemClock, type EventBus, type Logger, type Network, type PruneJournal } from "./core/index.js";
import { BridgeDriver, bridgeName } from "./drivers/network/bridge.js";
import { NetworkDrivers } from "./drivers/network/drivers.js";
import { LanDriver } from "./drivers/network/lan.js";
import { MachineFirewall } from "./drivers/network/machine-firewall.js";
import { dropPort, type ListedPort, listPorts } from "./drivers/network/nft-listed.js";
import { NetnsManager } from "./drivers/network/netns.js";
import { noFirewall } from "./drivers/network/firewall.js";
import { NameServers } from "./drivers/network/name-servers.js";
import { type LeftRule, listStrays } from "./drivers/network/strays.js";
import { NetworkThread } from "./kernel/network-thread.js";
import type { Stores } from "./open-stores.js";
import { Networks } from "./services/networks.js";
import { defaultNetworksConfig } from "./services/networks-parts.js";

export interface Networking {
  readonly networks: Networks;
  readonly namespaces: NetnsManager;
  /** Names of what is plugged into the bridges of networks, an administrator's own aside; and the way to take one out. */
  plugged(networks: readonly Network[]): Promise<readonly string[]>;
  unplug(name: string): Promise<void>;
  /** Ports that the kernel leads to containers, where nftables does that. */
  listPorts(): Promise<readonly ListedPort[]>;
  dropPort(port: ListedPort): Promise<void>;
  /** Interfaces that this daemon has noted as its own: each a network's (by its ID), or the end of a container's (`port`). */
  noted(): Promise<readonly { readonly name: string; readonly owner: string }[]>;
  /** Packet rules that are ours by their names: the kernel is asked now, the networks afterwards. */
  leftRules(): Promise<(networks: readonly Network[]) => LeftRule[]>;
  /** What makes the rules: nftables, iptables, or none. */
  firewall(): string;
  close(): Promise<void>;
}

/** Names this daemon's rules on a machine that may have several: the same at each start. */
const rulesTag = (config: Config): string => `strata_${createHash("sha256").update(resolve(config.dataRoot)).digest("hex").slice(0, 8)}`;

/** Networks of containers, as the configuration wants them. `directory` holds the namespaces; it survives the daemon. */
export async function openNetworking(config: Config, directory: string, stores: Stores, events: EventBus, logger: Logger, journal: PruneJournal): Promise<Networking> {
  const thread = new NetworkThread();
  const foreign = config.bridge !== "" && config.bridge !== "none" ? config.bridge : undefined;
  const tag = rulesTag(config);
  const machine = config.iptables ? new MachineFirewall({ thread, logger, tag }) : undefined, firewall = machine ?? noFirewall;
  const bridges = new BridgeDriver({ thread, firewall, tag, ipForward: config.ipForward, ...(foreign === undefined ? {} : { foreignBridge: foreign }) });
  // A bridge of the administrator's says itself where its containers belong.
  const bip = foreign !== undefined && config.bip === "" ? await bridges.addressOf(foreign) : config.bip;
  const driver = new NetworkDrivers(bridges, new LanDriver(thread, tag));
  const namespaces = new NetnsManager({ dir: directory, thread });
  const names = new NameServers(thread, logger);
  const networks = new Networks({
    store: stores.networks, driver, namespaces, names, containers: stores.containers, events, logger, journal, clock: systemClock,
    config: {
      ...defaultNetworksConfig,
      ...(config.bridge === "" ? {} : { bridge: config.bridge }), ...(bip === "" ? {} : { bip }), ...(config.fixedCidr === "" ? {} : { fixedCidr: config.fixedCidr }),
      mtu: config.mtu, addressPools: config.addressPools, icc: config.icc, defaultHostIp: config.ip, dns: config.dns, dnsSearch: config.dnsSearch, dnsOptions: config.dnsOpts,
      ...(config.hostGatewayIp === "" ? {} : { hostGateway: config.hostGatewayIp }),
    },
  });
  return {
    networks, namespaces,
    plugged: (all) => thread.call("portsOf", all.map(bridgeName).filter((name) => name !== foreign)), unplug: (name) => thread.call("removeLink", name),
    listPorts: async () => (firewall.name === "nftables" ? listPorts(tag) : []), dropPort: (port) => dropPort(tag, port),
    noted: async () => (await thread.call("noted")).flatMap(({ name, alias }) => { const [word, owner, whose] = alias.split(" "); return word === "strata" && whose === tag ? [{ name, owner: owner! }] : []; }),
    leftRules: () => listStrays({ tag, using: () => (machine === undefined ? "none" : machine.using), renew: async () => { await machine?.renew(); }, interfaces: () => thread.call("interfaces") }),
    firewall: () => firewall.name, close: async () => { names.closeAll(); await networks.close(); await thread.close(); },
  };
}
