import type { Clock, Container, ContainerStore, EventBus, Logger, NamespaceManager, NameServerDriver, Network, NetworkDriver, NetworkStore, PruneJournal } from "../core/index.js";
import type { AddressPool } from "./networks-ipam.js";

export interface NetworksConfig {
  /** Interface of the default network; `none` for no default network. Unset: ours, `strata0` or the next that is free. */
  readonly bridge?: string;
  /** Address of the default bridge with its prefix (`172.20.0.1/16`); else the first free pool. */
  readonly bip?: string;
  /** Part of the default network's range to hand out. */
  readonly fixedCidr?: string;
  readonly mtu: number;
  /** Where networks get their ranges; none: Docker's own. */
  readonly addressPools: readonly AddressPool[];
  /** Containers of the default network may talk to each other. */
  readonly icc: boolean;
  /** Where ports are published when nobody says (`0.0.0.0`: every address, with IPv6 also `::`). */
  readonly defaultHostIp: string;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** What `host-gateway` stands for; else the default bridge's address. */
  readonly hostGateway?: string;
}
export const defaultNetworksConfig: NetworksConfig = {
  mtu: 1500, addressPools: [], icc: true, defaultHostIp: "0.0.0.0", dns: [], dnsSearch: [], dnsOptions: [],
};

/** What the parts of networking share. */
export interface NetworkParts {
  readonly store: NetworkStore;
  readonly driver: NetworkDriver;
  readonly namespaces: NamespaceManager;
  readonly names: NameServerDriver;
  readonly containers: Pick<ContainerStore, "get" | "resolve" | "update" | "list" | "directory">;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal?: PruneJournal;
  readonly config: NetworksConfig;
}

export const isRunning = (c: Container): boolean => ["running", "paused", "restarting"].includes(c.state.status);
/** The networks that are always there; two of them have no interfaces of ours. */
export const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none"]);
/** Kinds of networks that a user may make. */
export const DRIVERS: ReadonlySet<string> = new Set(["bridge", "macvlan", "ipvlan"]);
/** Whether our drivers make something for it; `host` and `null` networks only have names. */
export const isDriven = (network: Network): boolean => DRIVERS.has(network.driver);

/** Whether containers find each other by name on it: not on the default network. */
export const isNamed = (network: Network): boolean => isDriven(network) && network.name !== "bridge";

export type NetworkMode =
  | { readonly kind: "host" } | { readonly kind: "none" }
  | { readonly kind: "container"; readonly container: string }
  | { readonly kind: "network"; readonly name: string };
/** How HostConfig.NetworkMode is meant. */
export function modeOf(container: Container): NetworkMode {
  const text = container.config.NetworkDisabled ? "none" : container.hostConfig.NetworkMode ?? "";
  if (text === "host" || text === "none") return { kind: text };
  if (text.startsWith("container:")) return { kind: "container", container: text.slice("container:".length) };
  return { kind: "network", name: text === "" || text === "default" ? "bridge" : text };
}
