import type { BuildCacheView, ContainerStore, ImageStore, LayerStore, StrataEvent, VolumeStore } from "../core/index.js";
import type { RegistryClient } from "../distribution/client.js";
import type { LocalEvents } from "./events.js";
import { eventFilter } from "./events-filter.js";
import type { ContainerService, DiskUsage, Filters, ImageService, RegistryAuth, SystemInfo, SystemService, VolumeService, VolumeView } from "./types.js";

/** What of `info` is known without counting. */
export type SystemFacts = Omit<SystemInfo, "containers" | "images" | "driverStatus" | "listeners">;

export interface SystemParts {
  /** Asked each time: a reload may change some. */
  readonly facts: () => SystemFacts;
  readonly driverStatus: () => Promise<SystemInfo["driverStatus"]>;
  readonly containerStore: Pick<ContainerStore, "list">;
  readonly imageStore: Pick<ImageStore, "list">;
  readonly layers: Pick<LayerStore, "totalSize">;
  readonly volumeStore: Pick<VolumeStore, "usage">;
  readonly buildCache: { list(): Promise<readonly BuildCacheView[]> };
  readonly images: Pick<ImageService, "list" | "prepareShares">;
  readonly containers: Pick<ContainerService, "list">;
  readonly volumes: Pick<VolumeService, "list">;
  readonly events: LocalEvents;
  readonly registry: Pick<RegistryClient, "login">;
}

const NONE: Filters = new Map();

/** The daemon as a whole: what it is, what it holds, what happens in it. */
export class System implements SystemService {
  readonly #parts: SystemParts;

  constructor(parts: SystemParts) {
    this.#parts = parts;
  }

  async info(): Promise<SystemInfo> {
    const { facts, driverStatus, containerStore, imageStore } = this.#parts;
    const containers = { running: 0, paused: 0, stopped: 0 };
    for (const { state } of containerStore.list()) {
      if (state.status === "paused") containers.paused++;
      else if (state.status === "running" || state.status === "restarting") containers.running++;
      else containers.stopped++;
    }
    const status = await driverStatus();
    return { ...facts(), driverStatus: status, containers, images: [...imageStore.list({ sharedSize: false })].length, listeners: this.#parts.events.subscribers };
  }

  async df(types: readonly string[]): Promise<DiskUsage> {
    const { images, containers, volumes, layers, buildCache } = this.#parts;
    const wanted = (type: string): boolean => types.length === 0 || types.includes(type);
    const [containerViews, volumeViews, cached] = await Promise.all([
      wanted("container") ? containers.list({ all: true, limit: 0, size: true, filters: NONE }) : [],
      wanted("volume") ? volumes.list(NONE).then((views) => this.#sized(views)) : [],
      wanted("build-cache") ? buildCache.list() : [],
      wanted("image") ? images.prepareShares() : undefined,
    ]);
    return { layersSize: wanted("image") ? layers.totalSize() : 0, images: wanted("image") ? images.list({ all: false, filters: NONE, sharedSize: true }) : [], containers: containerViews, volumes: volumeViews, buildCache: cached };
  }

  events(options: { since?: number; until?: number; filters: Filters; signal: AbortSignal }): AsyncIterable<StrataEvent> {
    const matches = eventFilter(options.filters);
    const events = this.#parts.events.subscribe(options);
    return (async function* () {
      for await (const event of events) if (matches(event)) yield event;
    })();
  }

  async auth(auth: RegistryAuth): Promise<{ status: string; identityToken: string }> {
    const { identityToken } = await this.#parts.registry.login(registryOf(auth.serverAddress), auth);
    return { status: "Login Succeeded", identityToken };
  }

  /** What takes nothing here (a plugin's volume), or is going, is nothing: clients show no size for -1. */
  #sized(views: readonly VolumeView[]): Promise<VolumeView[]> {
    return Promise.all(views.map(async (view) => (view.size === undefined ? { ...view, size: Math.max(0, await this.#parts.volumeStore.usage(view.name).catch(() => 0)) } : view)));
  }
}

/** `registry.example:5000` of whatever a client stored: `https://registry.example:5000/v2/`. Nothing, and every name of Docker Hub, is docker.io. */
function registryOf(serverAddress: string | undefined): string {
  const host = (serverAddress ?? "").replace(/^https?:\/\//, "").replace(/\/.*$/, "").toLowerCase();
  return host === "" || /^(index\.|registry-1\.|auth\.)?docker\.io$/.test(host) ? "docker.io" : host;
}
