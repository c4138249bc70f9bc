import { noUsage, type BuildCache, type CacheMountKeeper, type Clock, type ContainerStore, type ImageStore, type ItemKind, type LayerShares, type NetworkStore, type Pins, type Policy, type RotatedLogs, type Usage, type VolumeStore } from "../../core/index.js";
import type { Facts } from "../../gc/policy.js";

export interface FactSources {
  readonly images: ImageStore;
  readonly containers: ContainerStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkStore;
  readonly cache: BuildCache;
  readonly mounts: CacheMountKeeper;
  readonly logs: RotatedLogs;
  readonly pins: Pins;
  readonly shares: LayerShares;
  readonly clock: Clock;
  /** What a container, volume or cache mount takes on disk. */
  readonly measure: (kind: ItemKind, key: string) => Promise<Usage>;
}

/** What these policies look at, as it is now. */
export async function gatherFacts(sources: FactSources, policies: readonly Policy[]): Promise<Facts> {
  const { images, containers, volumes, networks, cache, pins, shares, clock } = sources;
  const about = new Set(policies.map(({ kind }) => kind));
  const all = [...containers.list()];
  const logs = about.has("logs") ? await sources.logs.list(all.filter(isAtRest).map(({ id }) => id)) : [];
  const mounts = about.has("build-cache") ? await Promise.all(sources.mounts.mounts().map(async (mount) => ({ ...mount, usage: mount.usage ?? await sources.measure("build-mount", mount.volume).catch(() => noUsage) }))) : [];
  const usedVolumes = about.has("volumes") ? shares.lastUse("volume") : undefined, usedNetworks = about.has("networks") ? shares.lastUse("network") : undefined;
  return {
    now: clock.now(), containers: [...containers.list()], logs, pins: pins.list(), busy: shares.heldImages(), records: about.has("build-cache") ? cache.list() : [], mounts, images: images.list(),
    volumes: usedVolumes === undefined ? [] : [...volumes.list()].map((v) => ({ ...v, lastUsedAt: usedVolumes.get(v.name) ?? v.createdAt })),
    networks: usedNetworks === undefined ? [] : [...networks.list()].map((n) => ({ ...n, connected: networks.endpoints({ network: n.id }).length > 0, lastUsedAt: usedNetworks.get(n.id) ?? n.createdAt })),
  };
}

/** Nobody writes to its log. */
export const isAtRest = ({ state }: { readonly state: { readonly status: string } }): boolean => ["created", "exited", "dead"].includes(state.status);
