import { createHash } from "node:crypto";
import { type ChainId, chainIdsOf, type DiffId, digestOf, type History, type ImageConfig, type ImageId, type RunConfig } from "@strata/oci";
import { type BuildCache, type Clock, type ImageStore, type Layer, type LayerStore, type Lease, type LeaseStore, rfc3339Nano } from "../core/index.js";

/** What a build stands on after a step. */
export interface StepState {
  /** Null before the first step on `scratch`. */
  readonly image: ImageId | null;
  readonly config: ImageConfig;
  readonly top: ChainId | null;
  /** By which the last steps are found in the cache, one for each, in order. */
  readonly keys: readonly string[];
}

/** An image whose steps may be taken. */
export interface CacheSource {
  readonly config: ImageConfig;
  /** Keys of its last steps, where it is an exported cache. */
  readonly keys: readonly string[];
}

/** What a step makes. */
export interface Made {
  readonly config?: RunConfig;
  readonly author?: string;
  /** What it changed in the tree; absent for steps that change none. */
  readonly layer?: Layer;
  readonly createdBy: string;
}

export interface StepsNeeds {
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly leases: LeaseStore;
  readonly cache: BuildCache;
  readonly clock: Clock;
}
export interface StepsOptions {
  readonly lease: Lease;
  readonly noCache: boolean;
  /** Seconds since the epoch, in place of the time of day. */
  readonly epoch?: number;
  /** Images whose steps may be taken; without it all that are known. */
  readonly sources?: readonly CacheSource[];
}

/** A tar without a member changes nothing. */
const EMPTY_TAR = 1024;

/** Makes an image of every step, and a record of it to be found again. */
export class StepMaker {
  constructor(private readonly needs: StepsNeeds, private readonly options: StepsOptions) {}

  get lease(): Lease { return this.options.lease; }
  get epoch(): number | undefined { return this.options.epoch; }
  /** Seconds since the epoch. */
  get now(): number { return this.options.epoch ?? Math.floor(this.needs.clock.now() / 1000); }

  /**
   * What the step on `state` that depends on `what` made before: by a record, or in an image that may be taken from. `told`: what history
   * says of the step is all that it depends on, so that images of elsewhere will do.
   */
  cached(state: StepState, what: string, made: Made, told = true): StepState | undefined {
    if (this.options.noCache) return undefined;
    const key = this.key(state, what);
    return this.recorded(state, key) ?? this.taken(state, key, made, told);
  }

  private recorded(state: StepState, key: string): StepState | undefined {
    const { images, layers, leases, cache } = this.needs;
    const record = cache.find(key, true);
    if (record === undefined || (record.top !== null && !layers.has(record.top))) return undefined;
    const config = JSON.parse(record.config.toString()) as ImageConfig;
    if (this.options.sources?.some((source) => isStepOf(config, source.config)) === false) return undefined;
    const id = digestOf<ImageId>(record.config);
    // Nothing need be written where the image is still there.
    if (images.has(id)) leases.hold(this.lease, "image", id);
    else images.create(record.config, this.lease, parentOf(state));
    return { image: id, config, top: record.top, keys: [...state.keys, key] };
  }

  /** The step as an image of elsewhere went through it; no record is made of it, as nobody here saw it done. */
  private taken(state: StepState, key: string, made: Made, told: boolean): StepState | undefined {
    const { config: { history = [], rootfs: { diff_ids: below } } } = state, { images, layers } = this.needs;
    for (const { config: source, keys } of this.options.sources ?? []) {
      const entry = source.history?.[history.length];
      if (entry === undefined || !isStepOf(state.config, source)) continue;
      const same = keys[history.length - (source.history!.length - keys.length)] === key;
      if (!same && !(told && entry.created_by === made.createdBy)) continue;
      if (this.epoch !== undefined && entry.created !== rfc3339Nano(this.epoch * 1000)) continue;
      const diffIds = entry.empty_layer ? below : source.rootfs.diff_ids.slice(0, below.length + 1), top = chainIdsOf(diffIds).at(-1) ?? null;
      if (top !== null && !layers.has(top)) continue;
      const config = documentOf(state.config, made, entry, diffIds);
      return { image: images.create(Buffer.from(JSON.stringify(config)), this.lease, parentOf(state)), config, top, keys: [...state.keys, key] };
    }
    return undefined;
  }

  make(state: StepState, what: string, description: string, made: Made): StepState {
    const { images, cache } = this.needs;
    const layer = made.layer !== undefined && made.layer.tarSize > EMPTY_TAR ? made.layer : undefined;
    const config = this.document(state.config, made, layer);
    const bytes = Buffer.from(JSON.stringify(config));
    const top = chainIdsOf(config.rootfs.diff_ids).at(-1) ?? null, key = this.key(state, what);
    return images.atomically(() => {
      const image = images.create(bytes, this.lease, parentOf(state));
      cache.record({ key, parent: state.image, config: bytes, top, description, size: layer?.size ?? 0 });
      return { image, config, top, keys: [...state.keys, key] };
    });
  }

  private key(state: StepState, what: string): string {
    const { architecture, os, variant } = state.config;
    return createHash("sha256").update(JSON.stringify([state.image ?? [os, architecture, variant], this.epoch ?? null, what])).digest("hex");
  }

  private document(base: ImageConfig, made: Made, layer: Layer | undefined): ImageConfig {
    const created = rfc3339Nano(this.epoch === undefined ? this.needs.clock.now() : this.epoch * 1000), by = made.author ?? base.author;
    const entry: History = { created, created_by: made.createdBy, ...(by ? { author: by } : {}), ...(layer === undefined ? { empty_layer: true } : {}) };
    return documentOf(base, made, entry, layer === undefined ? base.rootfs.diff_ids : [...base.rootfs.diff_ids, layer.diffId]);
  }
}

function documentOf(base: ImageConfig, { config, author }: Made, entry: History, diffIds: readonly DiffId[]): ImageConfig {
  const by = author ?? base.author;
  return {
    architecture: base.architecture, ...(base.variant ? { variant: base.variant } : {}), os: base.os, ...(base["os.version"] ? { "os.version": base["os.version"] } : {}),
    ...(by ? { author: by } : {}), ...(entry.created === undefined ? {} : { created: entry.created }), config: config ?? base.config ?? {},
    rootfs: { type: "layers", diff_ids: diffIds }, history: [...(base.history ?? []), entry],
  };
}

/** Whether an image went through a step: its history and layers begin with those of the step. */
function isStepOf(step: ImageConfig, image: ImageConfig): boolean {
  const begins = (whole: readonly unknown[] = [], part: readonly unknown[] = []): boolean => part.length <= whole.length && JSON.stringify(whole.slice(0, part.length)) === JSON.stringify(part);
  return begins(image.history, step.history) && begins(image.rootfs.diff_ids, step.rootfs.diff_ids);
}

const parentOf = ({ image }: StepState): { parent?: ImageId } => (image === null ? {} : { parent: image });

/** How history tells of a step that runs nothing. Docker writes a space more where nothing but the configuration changes. */
export function noOperation(config: RunConfig | undefined, comment: string, onlyConfig = false): string {
  return [...(config?.Shell ?? ["/bin/sh", "-c"]), onlyConfig ? "#(nop) " : "#(nop)", comment].join(" ");
}
