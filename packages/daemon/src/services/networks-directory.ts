import { InvalidArgument, NotFound, parseIp, type Container, type ContainerId, type Endpoint, type EndpointSpec, type Network, type NetworkId } from "../core/index.js";
import { isNamed, type NetworkParts } from "./networks-parts.js";

interface Entry { readonly endpoint: Endpoint; readonly name: string }
/** One network's names (lower case) and whom they mean; and its addresses as numbers. */
interface Index { readonly byName: ReadonlyMap<string, readonly Entry[]>; readonly byAddress: ReadonlyMap<string, Entry> }

const key = (address: string): string => { const ip = parseIp(address); return ip ? `${ip.family} ${ip.value}` : ""; };

/** The names that an endpoint goes by on its network, the container's own first. */
export function namesOf(container: Pick<Container, "id" | "name" | "config">, aliases: readonly string[]): string[] {
  return [...new Set([container.name, ...aliases, container.id.slice(0, 12), ...(container.config.Hostname ? [container.config.Hostname] : [])])];
}

/** `web:db` is container and alias; alone, a container is its own. */
export function parseLink(text: string): { readonly target: string; readonly alias: string } {
  const [target = "", alias = target] = text.split(":").map((part) => part.slice(part.lastIndexOf("/") + 1));
  return { target, alias };
}

/** `container` or `container:alias`; InvalidArgument. */
export function checkLink(text: string): void {
  if (!/^[^:]+(:[^:]+)?$/.test(text)) throw new InvalidArgument(`bad format for links: ${text}`);
}

/** Who is who on the networks of one's own: what the name server knows. */
export class Directory {
  private readonly indexes = new Map<NetworkId, Index>();
  private turn = 0;

  constructor(private readonly parts: Pick<NetworkParts, "store" | "containers" | "events">) {
    parts.events.on(({ type, action, id }) => {
      if (type === "network") this.indexes.delete(id as NetworkId);
      else if (type === "container" && action === "rename") this.indexes.clear();
    });
  }

  /**
   * Addresses that a name means to a container, another one first each time; empty when it has none of this family.
   * Undefined: nobody on the container's networks has that name.
   */
  addresses(container: ContainerId, name: string, family: 4 | 6): string[] | undefined {
    const networks = this.networksOf(container);
    const found = this.find(container, networks, name) ?? this.qualified(container, networks, name);
    const all = found?.flatMap(({ endpoint }) => (family === 4 ? endpoint.ipv4 : endpoint.ipv6) ?? []);
    if (!all || all.length < 2) return all;
    const first = this.turn++ % all.length;
    return [...all.slice(first), ...all.slice(0, first)];
  }

  /** The container of an address, as `name.network`; undefined when it is nobody's on these networks. */
  nameOf(container: ContainerId, address: string): string | undefined {
    for (const network of this.networksOf(container)) {
      const entry = this.index(network).byAddress.get(key(address));
      if (entry) return `${entry.name}.${network.name}`;
    }
    return undefined;
  }

  private networksOf(container: ContainerId): Network[] {
    return [...this.parts.store.endpoints({ container })].sort((a, b) => (a.interfaceName < b.interfaceName ? -1 : 1)).map((e) => this.parts.store.get(e.network)).filter(isNamed);
  }
  private find(container: ContainerId, networks: readonly Network[], name: string): readonly Entry[] | undefined {
    const wishes = this.containerIfAny(container)?.networks ?? {};
    for (const network of networks) {
      const { byName } = this.index(network);
      const found = byName.get(this.linked(wishes[network.name], name) ?? name);
      if (found) return found;
    }
    return undefined;
  }
  /** `name.network`. */
  private qualified(container: ContainerId, networks: readonly Network[], name: string): readonly Entry[] | undefined {
    const dot = name.lastIndexOf(".");
    return dot < 0 ? undefined : this.find(container, networks.filter((n) => n.name.toLowerCase() === name.slice(dot + 1)), name.slice(0, dot));
  }
  /** The container that an alias of one's own stands for. */
  private linked(spec: EndpointSpec | undefined, name: string): string | undefined {
    const link = (spec?.Links ?? []).map(parseLink).find((l) => l.alias.toLowerCase() === name);
    return link?.target.toLowerCase();
  }
  private index(network: Network): Index {
    let index = this.indexes.get(network.id);
    if (!index) this.indexes.set(network.id, index = this.read(network));
    return index;
  }
  private read(network: Network): Index {
    const byName = new Map<string, Entry[]>(), byAddress = new Map<string, Entry>();
    for (const endpoint of this.parts.store.endpoints({ network: network.id })) {
      const container = this.containerIfAny(endpoint.container as ContainerId);
      if (!container) continue;
      const entry: Entry = { endpoint, name: container.name };
      for (const name of new Set(namesOf(container, endpoint.aliases).map((n) => n.toLowerCase()))) byName.set(name, [...byName.get(name) ?? [], entry]);
      for (const address of [endpoint.ipv4, endpoint.ipv6]) if (address !== null) byAddress.set(key(address), entry);
    }
    return { byName, byAddress };
  }
  private containerIfAny(id: ContainerId): Container | undefined {
    try {
      return this.parts.containers.get(id);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }
}
