import type { ChainId, ImageId } from "@strata/oci";
import {
  Conflict, messageOf, NotFound, PermissionDenied, type BuildCache, type CacheMountKeeper, type ContainerId, type ContainerStore, type GarbageCollector, type GcRecords, type Image, type ImageStore, type ItemKind, type LayerShares, type Logger,
  type Outcome, type Pins, type PlanItem, type RotatedLogs, type TrashedImages, Unavailable, type Usage, type VolumeStore,
} from "../../core/index.js";
import { attribute, type ImageRemover, type Taken } from "../images-remove.js";
import type { ContainerService, NetworkService, VolumeService } from "../types.js";
import { isAtRest } from "./facts.js";

export interface ExecutorParts {
  readonly images: ImageStore;
  readonly remover: Pick<ImageRemover, "take">;
  readonly containers: ContainerStore;
  readonly containerService: Pick<ContainerService, "remove">;
  readonly volumes: VolumeStore;
  readonly volumeService: Pick<VolumeService, "remove">;
  readonly networkService: Pick<NetworkService, "remove" | "inspect">;
  readonly cache: BuildCache;
  readonly mounts: CacheMountKeeper;
  readonly logs: RotatedLogs;
  readonly pins: Pins;
  readonly shares: LayerShares;
  readonly trashed: TrashedImages;
  readonly records: GcRecords;
  readonly collector: Pick<GarbageCollector, "collect">;
  readonly measure: (kind: ItemKind, key: string) => Promise<Usage>;
  readonly logger: Logger;
}

type Placed = readonly [position: number, item: PlanItem];
interface Result { readonly outcome: Outcome; readonly freed?: number; readonly why?: string }

/** Images that go in one turn of the event loop. */
const BATCH = 25;

/** Does what a plan says, item by item in its order. What has come into use since the plan was made stays. */
export class Executor {
  private stopping = false;

  constructor(private readonly parts: ExecutorParts) {}

  /** What runs ends before its next item. */
  stop(): void { this.stopping = true; }

  /** `expiresAt`: until then images can be brought back; null: they cannot. */
  async run(run: string, items: readonly PlanItem[], expiresAt: number | null): Promise<void> {
    const placed = items.map((item, i): Placed => [i, item]);
    for (let at = 0; at < placed.length;) {
      if (this.stopping) throw new Unavailable("the daemon stops");
      const { kind } = placed[at]![1];
      let end = at + 1;
      while (end < placed.length && end - at < BATCH && placed[end]![1].kind === kind) end++;
      const batch = placed.slice(at, end);
      if (kind === "image") await this.images(run, batch, expiresAt);
      else if (kind === "build-record") await this.buildRecords(run, batch);
      else for (const [position, item] of batch) this.note(run, position, item, await this.guarded(item));
      at = end;
    }
  }

  private async images(run: string, batch: readonly Placed[], expiresAt: number | null): Promise<void> {
    const { remover, collector } = this.parts;
    const byId = new Map(batch.map((placed) => [placed[1].key, placed]));
    const gone: (readonly [Placed, Taken])[] = [];
    const results = remover.take(batch.map(([, { key }]) => key as ImageId), (image) => this.usedSince(image, byId.get(image.id)![1]), (image) => {
      const [position, item] = byId.get(image.id)!;
      const trash = expiresAt !== null && !item.final;
      if (trash) this.keep(run, position, item, image, expiresAt);
      this.note(run, position, item, { outcome: trash ? "trashed" : "freed" });
    });
    for (const [id, result] of results) {
      const [position, item] = byId.get(id)!;
      if (!("kept" in result)) { if (expiresAt === null || item.final) gone.push([[position, item], result]); }
      else this.note(run, position, item, result.kept === null ? { outcome: "gone" } : { outcome: "kept", why: result.kept });
    }
    if (gone.length === 0) return;
    const report = await collector.collect({ wait: true });
    for (const [[position, item], freed] of attribute(gone, report.items)) this.note(run, position, item, { outcome: "freed", freed });
  }

  /** Why an image that was to go stays after all. */
  private usedSince(image: Image, { basis }: PlanItem): string | undefined {
    const names = [...image.tags, ...image.digests], added = names.find((name) => !basis.names.includes(name));
    if (image.lastUsedAt > basis.lastUsedAt) return "used since the plan was made";
    if (added !== undefined) return `named ${added} since the plan was made`;
    const pins = this.parts.pins.list();
    if (names.some((name) => pins.has(name))) return "pinned since the plan was made";
    return this.parts.shares.isHeld(image.id) ? "work under way needs it" : undefined;
  }

  private keep(run: string, position: number, item: PlanItem, image: Image, expiresAt: number): void {
    const { trashed, images, records } = this.parts;
    const { id, parent, top, tags, digests } = image;
    // Taken away twice: it can be brought back from the later run.
    const before = trashed.get(id), noted = before && records.item(before.run, before.position);
    if (before !== undefined && noted !== undefined) records.putItem(before.run, before.position, { ...noted, outcome: "freed", freed: 0 });
    const manifests = [...new Set([...images.manifests(id), ...digests.map((name) => name.slice(name.indexOf("@") + 1) as never)])];
    trashed.keep({ id, run, position, config: images.config(id), parent, names: [...tags, ...digests], manifests, bytes: item.bytes, expiresAt }, top);
  }

  private async buildRecords(run: string, batch: readonly Placed[]): Promise<void> {
    const { cache, collector, shares } = this.parts;
    const lines = new Map<string, ChainId[]>();
    for (const { holder, kind, chain } of shares.lines()) {
      if (kind === "build-record") lines.set(holder, [...(lines.get(holder) ?? []), chain]);
    }
    const going: (readonly [Placed, Taken])[] = [];
    for (const placed of batch) {
      const [position, item] = placed, record = cache.find(item.key);
      if (record === undefined) this.note(run, position, item, { outcome: "gone" });
      else if (record.lastUsedAt > item.basis.lastUsedAt) this.note(run, position, item, { outcome: "kept", why: "used since the plan was made" });
      else going.push([placed, { chains: lines.get(item.key) ?? [], blobs: [] }]);
    }
    if (going.length === 0) return;
    cache.remove(going.map(([[, { key }]]) => key));
    for (const [[position, item]] of going) this.note(run, position, item, { outcome: "freed" });
    const report = await collector.collect({ wait: true });
    for (const [[position, item], freed] of attribute(going, report.items)) this.note(run, position, item, { outcome: "freed", freed });
  }

  /** What is in the way of one thing keeps it, and nothing else. */
  private async guarded(item: PlanItem): Promise<Result> {
    try {
      return await this.one(item);
    } catch (e) {
      if (e instanceof NotFound) return { outcome: "gone" };
      if (!(e instanceof Conflict || e instanceof PermissionDenied)) this.parts.logger.warn({ err: e, kind: item.kind, key: item.key }, "not removed by a collection");
      return { outcome: "kept", why: messageOf(e) };
    }
  }

  private async one({ kind, key, basis }: PlanItem): Promise<Result> {
    const { containers, containerService, volumes, volumeService, networkService, logs, measure, mounts, shares } = this.parts;
    const used = "used since the plan was made";
    switch (kind) {
      case "container": {
        const { state } = containers.get(key as ContainerId);
        if (!isAtRest({ state }) || (state.finishedAt ?? 0) > basis.lastUsedAt) return { outcome: "kept", why: used };
        const { bytes } = await measure(kind, key);
        await containerService.remove(key, { force: false, volumes: false, link: false });
        return { outcome: "freed", freed: bytes };
      }
      case "volume": {
        volumes.get(key);
        if ((shares.lastUse(kind).get(key) ?? 0) > basis.lastUsedAt) return { outcome: "kept", why: used };
        const { bytes } = await measure(kind, key);
        await volumeService.remove(key, false);
        return { outcome: "freed", freed: bytes };
      }
      case "build-mount": {
        const mount = mounts.mounts().find(({ volume }) => volume === key);
        if (mount === undefined) return { outcome: "gone" };
        if (mount.lastUsedAt > basis.lastUsedAt) return { outcome: "kept", why: used };
        const { bytes } = await measure(kind, key);
        return await mounts.remove(key) ? { outcome: "freed", freed: bytes } : { outcome: "kept", why: "a build uses it" };
      }
      case "network": {
        const { network } = networkService.inspect(key);
        if ((shares.lastUse(kind).get(key) ?? 0) > basis.lastUsedAt || [...containers.list()].some((c) => network.name in c.networks || network.id in c.networks)) return { outcome: "kept", why: used };
        await networkService.remove(key);
        return { outcome: "freed" };
      }
      case "log": {
        const slash = key.indexOf("/"), id = key.slice(0, slash);
        if (!isAtRest(containers.get(id as ContainerId))) return { outcome: "kept", why: "its container runs" };
        const bytes = await logs.remove(id, key.slice(slash + 1));
        return bytes === 0 ? { outcome: "gone" } : { outcome: "freed", freed: bytes };
      }
      default: throw new Error(`a plan cannot take a ${kind} away by itself`);
    }
  }

  private note(run: string, position: number, { basis: _basis, final: _final, ...item }: PlanItem, { outcome, freed = 0, why }: Result): void {
    this.parts.records.putItem(run, position, { ...item, outcome, freed, ...(why === undefined ? {} : { why }) });
  }
}
