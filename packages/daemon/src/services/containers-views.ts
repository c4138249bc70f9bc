import type { Container, ContainerId, Endpoint, Network, NetworkStore, PortBinding } from "../core/index.js";
import type { LiveContainers } from "./containers-live.js";
import type { ContainerView } from "./types.js";

/** What containers have to do with networks, by the containers' IDs. */
interface Around {
  readonly networkIds: ReadonlyMap<string, string>;
  readonly endpoints: ReadonlyMap<string, ContainerView["endpoints"]>;
  readonly ports: ReadonlyMap<string, readonly PortBinding[]>;
}
const NONE: readonly never[] = [];
const MEMBERS = ["health", "networkIds", "endpoints", "ports"] as const;

/** Containers as users see them. In lists, one that shows nothing new is the same object as before: whoever encodes it need not do so again. */
export class ContainerViews {
  private readonly kept = new WeakMap<Container, ContainerView>();
  private readonly withSize = new WeakMap<ContainerView, ContainerView>();
  private networkIds: { readonly of: Iterable<Network>; readonly ids: ReadonlyMap<string, string> } | undefined;
  private around: { readonly of: readonly unknown[]; readonly around: Around } | undefined;

  constructor(private readonly networks: Pick<NetworkStore, "list" | "endpoints" | "ports">, private readonly live: Pick<LiveContainers, "healthOf">) {}

  one(container: Container): ContainerView {
    return this.make(container, this.read(this.idsOf(this.networks.list()), container.id), undefined);
  }

  /** For a whole list: a look-up each. `linkedAs`: what containers with links to it call it. */
  viewer(): (container: Container, linkedAs: readonly string[] | undefined) => ContainerView {
    const { networks } = this, ids = this.idsOf(networks.list());
    const of = [ids, networks.endpoints({}), networks.ports()];
    if (this.around === undefined || of.some((list, i) => list !== this.around!.of[i])) this.around = { of, around: this.read(ids) };
    const { around } = this.around;
    return (container, linkedAs = NONE) => {
      const view = this.make(container, around, linkedAs), known = this.kept.get(container);
      if (known !== undefined && MEMBERS.every((member) => known[member] === view[member]) && isSame(known.linkedAs!, linkedAs)) return known;
      this.kept.set(container, view);
      return view;
    };
  }

  sized(view: ContainerView, sizeRw: number, imageSize: number): ContainerView {
    const known = this.withSize.get(view), sizeRootFs = sizeRw + imageSize;
    if (known?.sizeRw === sizeRw && known.sizeRootFs === sizeRootFs) return known;
    const sized = { ...view, sizeRw, sizeRootFs };
    this.withSize.set(view, sized);
    return sized;
  }

  private make(container: Container, { networkIds, endpoints, ports }: Around, linkedAs: readonly string[] | undefined): ContainerView {
    const health = this.live.healthOf(container.id);
    return {
      container, ...(health === undefined ? {} : { health }), networkIds, endpoints: endpoints.get(container.id) ?? NONE, ports: ports.get(container.id) ?? NONE, ...(linkedAs === undefined ? {} : { linkedAs }),
    };
  }

  private read(networkIds: ReadonlyMap<string, string>, id?: ContainerId): Around {
    const { networks } = this, names = new Map([...networkIds].map(([name, network]) => [network, name]));
    return {
      networkIds,
      endpoints: group(networks.endpoints(id === undefined ? {} : { container: id }).map((e): [string, Endpoint & { networkName: string }] => [e.container, { ...e, networkName: names.get(e.network) ?? e.network }])),
      ports: group(networks.ports(id).map(({ container, ...port }): [string, PortBinding] => [container, port])),
    };
  }
  private idsOf(networks: Iterable<Network>): ReadonlyMap<string, string> {
    if (this.networkIds?.of !== networks) this.networkIds = { of: networks, ids: new Map([...networks].map(({ id, name }) => [name, id])) };
    return this.networkIds.ids;
  }
}

export function group<T>(pairs: readonly (readonly [string, T])[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of pairs) {
    const list = groups.get(key);
    if (list === undefined) groups.set(key, [value]);
    else list.push(value);
  }
  return groups;
}

const isSame = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((text, i) => text === b[i]);
