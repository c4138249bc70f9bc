import type { Readable } from "node:stream";
import { familiarName, familiarRepository, formatReference, platformScore, repositoryOf, withDefaultTag } from "@strata/oci";
import type { ImageConfig, ImageId, Platform, Reference } from "@strata/oci";
import { InvalidArgument, NotFound, rfc3339Nano } from "../core/index.js";
import type { Clock, ContainerStore, EventBus, GarbageCollector, ImageStore, ImageSummary, LayerStore, LeaseStore, Pins, PruneJournal, WorkRoom } from "../core/index.js";
import type { RegistryClient } from "../distribution/client.js";
import type { ArchiveLoader } from "../distribution/load.js";
import type { Puller } from "../distribution/pull.js";
import type { Pusher } from "../distribution/push.js";
import { saveArchive } from "../distribution/save.js";
import type { SavedImage } from "../distribution/save.js";
import { registerPacked } from "../distribution/unpack.js";
import { applyChanges } from "./config-changes.js";
import { listImages } from "./images-list.js";
import { withRoom } from "./gc/with-room.js";
import { emitImageEvent, familiar, isIdPrefix, labelsOf, needPlatform, readReference, repositoryName } from "./images-names.js";
import { inspectRemote, searchImages } from "./images-remote.js";
import { ImageRemover } from "./images-remove.js";
import { imageHistory, listLayers } from "./images-views.js";
import { PruneTurn } from "./prune-turn.js";
import type { Filters, HistoryEntry, ImageDetail, ImageService, LayerView, RemoteImage, Removed, SearchResult } from "./types.js";

export interface ImagesOptions {
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly leases: LeaseStore;
  readonly containers: ContainerStore;
  readonly gc: GarbageCollector;
  readonly events: EventBus;
  readonly registry: RegistryClient;
  readonly puller: Puller;
  readonly pusher: Pusher;
  readonly loader: ArchiveLoader;
  readonly clock: Clock;
  readonly hostPlatform: Platform;
  /** Name of the storage driver, for images without layers. */
  readonly driver: string;
  readonly pins?: Pins;
  readonly journal?: PruneJournal;
  /** For loads and imports. */
  readonly room?: WorkRoom;
}

type PullOptions = Parameters<ImageService["pull"]>[1];
type PushOptions = Parameters<ImageService["push"]>[1];

/** The use cases around images. */
export class Images implements ImageService {
  /** Also for plans of collections. */
  readonly remover: ImageRemover;
  readonly #pruning = new PruneTurn();
  /** The list without filters, and what it was made of. */
  #plain: { readonly of: readonly ImageSummary[]; readonly shown: readonly ImageSummary[] } | undefined;

  constructor(private readonly options: ImagesOptions) {
    this.remover = new ImageRemover(options);
  }

  async pull(ref: string, options: PullOptions): Promise<void> {
    const reference = readReference(ref);
    if (!options.all || reference.tag !== undefined || reference.digest !== undefined) return await this.#pullOne(withDefaultTag(reference), options);
    for (const tag of await this.options.puller.tags(reference, options.auth, options.signal)) await this.#pullOne({ ...reference, tag }, options);
  }

  async #pullOne(reference: Reference, { platform, auth, progress, signal }: PullOptions): Promise<void> {
    const { puller, gc, events, images } = this.options;
    const named = reference.digest === undefined ? reference : { ...reference, tag: undefined };
    const { id, digest, changed } = await puller.pull({ reference: named, platform, credentials: auth, progress, signal }).catch((e: unknown) => {
      // Layers that were made before the failure belong to nobody.
      gc.notify("deletion");
      throw e;
    });
    progress({ status: `Digest: ${digest}` });
    progress({ status: `Status: ${changed ? "Downloaded newer image" : "Image is up to date"} for ${familiarName(named)}` });
    emitImageEvent(events, "pull", familiarName(named), familiarRepository(named), labelsOf(images, id));
  }

  async push(ref: string, { auth, all, platform, progress, signal }: PushOptions): Promise<void> {
    const { images, pusher, events } = this.options;
    const reference = readReference(ref);
    if (reference.digest !== undefined) throw new InvalidArgument("cannot push a digest reference");
    const local = images.list().flatMap((i) => i.tags).map(readReference).filter((r) => repositoryOf(r) === repositoryOf(reference));
    const wanted = all && reference.tag === undefined ? local : local.filter((r) => r.tag === withDefaultTag(reference).tag);
    if (wanted.length === 0) {
      throw new NotFound(local.length === 0 || reference.tag === undefined
        ? `An image does not exist locally with the tag: ${familiarRepository(reference)}` : `tag does not exist: ${familiarName(reference)}`);
    }
    progress({ status: `The push refers to repository [${repositoryOf(reference)}]` });
    for (const one of wanted) {
      const id = images.resolve(formatReference(one));
      needPlatform(familiarName(one), images.get(id).config, platform);
      await pusher.push({ id, reference: one, platform, credentials: auth, progress, signal });
      emitImageEvent(events, "push", familiarName(one), familiarRepository(one), labelsOf(images, id));
    }
  }

  async import(tar: Readable, { ref, changes, message, platform, size }: Parameters<ImageService["import"]>[1]): Promise<ImageId> {
    const { images, layers, leases, clock, gc, events, hostPlatform } = this.options;
    const target = ref === undefined ? undefined : taggable(ref);
    const config = applyChanges({}, changes);
    const id = await withRoom(this.options.room, size === undefined ? undefined : () => size, () => leases.with("import", async (lease) => {
      const layer = await registerPacked(layers, tar, null, lease);
      const created = rfc3339Nano(clock.now());
      const { architecture, os, variant } = platform ?? hostPlatform;
      const image: ImageConfig = {
        created, architecture, ...(variant === undefined ? {} : { variant }), os, config,
        rootfs: { type: "layers", diff_ids: [layer.diffId] },
        history: [{ created, comment: message === "" ? "Imported from -" : message }],
      };
      return images.atomically(() => {
        const made = images.create(Buffer.from(JSON.stringify(image)), lease);
        if (target !== undefined) images.tag(made, formatReference(target));
        return made;
      });
    })).catch((e: unknown) => {
      gc.notify("deletion");
      throw e;
    });
    if (images.has(id)) images.touch(id);
    if (target !== undefined) emitImageEvent(events, "tag", id, familiarName(target), config.Labels);
    emitImageEvent(events, "import", id, id, config.Labels);
    return id;
  }

  async download(url: string, signal: AbortSignal): Promise<Readable> { return (await this.options.registry.fetch(url, { signal })).body; }

  async load(archive: Readable, { platform, progress, signal, size }: Parameters<ImageService["load"]>[1]): Promise<ImageId[]> {
    const { loader, gc, images, events, room } = this.options;
    // An archive that does not say how large it is says it of its members.
    const request = { platform, progress, signal, ...(size === undefined && room !== undefined ? { reserve: (bytes: number) => room.reserve(() => bytes) } : {}) };
    const loaded = await withRoom(room, size === undefined ? undefined : () => size, () => loader.load(archive, request)).catch((e: unknown) => {
      gc.notify("deletion");
      throw e;
    });
    for (const { id, tags } of loaded) {
      for (const tag of tags) progress({ stream: `Loaded image: ${familiar(tag)}\n` });
      if (tags.length === 0) progress({ stream: `Loaded image ID: ${id}\n` });
      // Somebody may have removed it by now.
      if (images.has(id)) images.touch(id);
      emitImageEvent(events, "load", id, id, labelsOf(images, id));
    }
    return loaded.map((l) => l.id);
  }

  async save(names: readonly string[], { platform }: { platform?: Platform }): Promise<Readable> {
    const { images, layers, leases, events } = this.options;
    const saved = new Map<ImageId, Set<string>>();
    for (const name of names) {
      for (const { id, tag } of this.#named(name)) {
        needPlatform(name, images.get(id).config, platform);
        const known = saved.get(id) ?? new Set();
        if (tag !== undefined) known.add(tag);
        saved.set(id, known);
      }
    }
    const list = [...saved].map(([id, tags]): SavedImage => ({ id, configBytes: images.config(id), config: images.get(id).config, tags: [...tags] }));
    const archive = await saveArchive(list, layers, leases);
    for (const { id, config } of list) emitImageEvent(events, "save", id, id, config.config?.Labels);
    return archive;
  }

  /** A name without a tag stands for all tags of its repository, an ID for none. */
  #named(name: string): { id: ImageId; tag?: string }[] {
    const { images } = this.options;
    const id = orUndefined(() => images.resolve(name));
    if (id !== undefined && isIdPrefix(id, name)) return [{ id }];
    // No ID can be a name.
    if (/^[0-9a-f]{64}$/.test(name)) throw new NotFound(`No such image: ${name}`);
    const reference = readReference(name);
    if (reference.digest !== undefined) return [{ id: images.resolve(name) }];
    if (reference.tag !== undefined) return [{ id: images.resolve(name), tag: formatReference(reference) }];
    const repository = repositoryOf(reference);
    const all = images.list().flatMap((i) => i.tags.filter((t) => repositoryName(t) === repository).map((tag) => ({ id: i.id, tag })));
    return all.length > 0 ? all : [{ id: images.resolve(name) }];
  }

  tag(source: string, target: string): void {
    const { images, events } = this.options;
    const id = images.resolve(source);
    const reference = taggable(target);
    images.tag(id, formatReference(reference));
    images.touch(id);
    emitImageEvent(events, "tag", id, familiarName(reference), labelsOf(images, id));
  }

  async remove(name: string, { platforms = [], ...options }: Parameters<ImageService["remove"]>[1]): Promise<Removed[]> {
    const { images } = this.options;
    if (platforms.length > 0) {
      const { config } = images.get(images.resolve(name));
      if (!platforms.some((p) => platformScore(p, config) >= 0)) needPlatform(name, config, platforms[0]);
    }
    return await this.remover.remove(name, options);
  }

  prune(filters: Filters): Promise<{ removed: Removed[]; bytes: number }> { return this.#pruning.take(() => this.#prune(filters)); }
  async #prune(filters: Filters): Promise<{ removed: Removed[]; bytes: number }> {
    const result = await this.remover.prune(filters);
    this.options.events.emit({ type: "image", action: "prune", id: "", attributes: { reclaimed: String(result.bytes) } });
    return result;
  }

  async list(options: { all: boolean; filters: Filters }): Promise<readonly ImageSummary[]> {
    const { images, clock } = this.options;
    await images.prepareList();
    if (options.all || options.filters.size > 0) return listImages(images, options, clock.now());
    const of = images.list();
    if (this.#plain?.of !== of) this.#plain = { of, shown: listImages(images, options, clock.now()) };
    return this.#plain.shown;
  }

  inspect(name: string, { platform }: { platform?: Platform } = {}): ImageDetail {
    const { images, layers, driver } = this.options;
    const image = images.get(images.resolve(name));
    needPlatform(name, image.config, platform);
    return { image, graphDriver: image.top === null ? { name: driver, data: {} } : layers.describe(image.top) };
  }

  history(name: string, { platform }: { platform?: Platform } = {}): HistoryEntry[] {
    const { images, layers } = this.options;
    const id = images.resolve(name);
    needPlatform(name, images.get(id).config, platform);
    return imageHistory(images, layers, id);
  }

  async search(term: string, options: Parameters<ImageService["search"]>[1]): Promise<SearchResult[]> {
    return await searchImages(this.options.registry, term, options);
  }

  async remote(name: string, options: Parameters<ImageService["remote"]>[1]): Promise<RemoteImage> {
    return await inspectRemote(this.options.registry, name, options);
  }

  layers(options: { filters: Filters; prefix?: string }): LayerView[] {
    return listLayers(this.options.images, this.options.layers, options);
  }
}

function orUndefined<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (e) {
    if (e instanceof NotFound) return undefined;
    throw e;
  }
}

/** A name to be put on an image; `latest` where none is given. */
function taggable(text: string): Reference {
  const reference = readReference(text);
  if (reference.digest !== undefined) throw new InvalidArgument("refusing to create a tag with a digest reference");
  return withDefaultTag(reference);
}
