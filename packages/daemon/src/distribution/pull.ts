import { setMaxListeners } from "node:events";
import { chainIdsOf, familiarName, familiarRepository, formatPlatform, formatReference, hexOf, isIndexType, normalizePlatform, platformScore, repositoryOf } from "@strata/oci";
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageId, Manifest, Platform, Reference } from "@strata/oci";
import { DataLoss, InvalidArgument, Limiter, NotFound, StrataError, isNoSpace, messageOf } from "../core/index.js";
import type { Clock, ComingParent, ContentStore, ImageStore, Layer, LayerStore, Lease, LeaseStore, Logger, RoomKeeper } from "../core/index.js";
import { Arrivals } from "./arrivals.js";
import type { Credentials } from "./auth.js";
import { BlobFetcher } from "./blob-fetcher.js";
import type { FetchStage } from "./blob-fetcher.js";
import type { RegistryClient } from "./client.js";
import { Flights } from "./flights.js";
import type { FlightContext } from "./flights.js";
import type { BlobFile } from "./growth.js";
import { choosePlatform, mediaTypeOf, needSystem, parseConfig, parseIndex, parseManifest } from "./manifest.js";
import type { PiecesPolicy } from "./pieces.js";
import { Row } from "./progress.js";
import type { Sink } from "./progress.js";
import { RegistryFault } from "./registry-fault.js";
import type { FetchedManifest, Repository } from "./repository.js";
import { SharedConfigs } from "./shared-configs.js";
import { registerPackedFile } from "./unpack.js";

export interface PullerOptions {
  readonly registry: RegistryClient;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly leases: LeaseStore;
  readonly hostPlatform: Platform;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Over all pulls; 3 when not given. */
  readonly maxConcurrentDownloads?: number;
  /** Packed layers stay when they have been applied. */
  readonly keepPackedLayers?: boolean;
  readonly pieces?: PiecesPolicy;
  /** Default: there is always room. */
  readonly room?: RoomKeeper;
}
export interface PullRequest {
  /** With a tag or a digest; a digest wins. */
  readonly reference: Reference;
  readonly platform?: Platform;
  readonly credentials?: Credentials;
  readonly progress: Sink;
  readonly signal: AbortSignal;
}
export interface Pulled {
  readonly id: ImageId;
  /** Of the manifest or index that the reference names. */
  readonly digest: Digest;
  /** The reference names another image than before, or is new. */
  readonly changed: boolean;
}

type LayerStage = FetchStage | { readonly stage: "extracting"; readonly current: number; readonly total: number } | { readonly stage: "done" };
export interface LayerJob { readonly chainId: ChainId; readonly diffId: DiffId; readonly parent: ChainId | null; readonly packed: Descriptor }
/** What the registry says of an image, before its layers are here. */
interface Described { readonly top: FetchedManifest; readonly own: FetchedManifest; readonly manifest: Manifest }
interface Resolved extends Described { readonly configBytes: Buffer; readonly config: ImageConfig }

/** Pulls images: layers in parallel, each made once however many pulls want it, applied from the bottom while others still come in. */
export class Puller {
  readonly #downloads: Limiter;
  readonly #fetcher: BlobFetcher;
  readonly #flights: Flights<Layer, LayerStage>;
  readonly #configs: SharedConfigs;
  readonly #arrivals = new Arrivals();
  /** For what is pulled from now on. */
  keepPackedLayers: boolean;

  constructor(private readonly options: PullerOptions) {
    const { content, leases, logger, registry } = options;
    this.#downloads = new Limiter(options.maxConcurrentDownloads ?? 3);
    this.keepPackedLayers = options.keepPackedLayers ?? false;
    this.#fetcher = new BlobFetcher({ content, leases, logger, pieces: options.pieces, retry: registry.retry, downloads: this.#downloads, keeps: () => this.keepPackedLayers });
    this.#flights = new Flights("layer", leases);
    this.#configs = new SharedConfigs(leases);
  }

  set maxConcurrentDownloads(limit: number) { this.#downloads.limit = limit; }

  /** Every tag of a repository. */
  async tags(reference: Reference, credentials: Credentials | undefined, signal: AbortSignal): Promise<string[]> {
    return await named(reference, () => this.options.registry.repository(reference, credentials).tags(signal));
  }

  async pull(request: PullRequest): Promise<Pulled> {
    return await this.options.leases.with(`pull ${formatReference(request.reference)}`, (lease) =>
      this.#fetch(request, lease, (image) => this.#record(image, lease, request)));
  }

  /** Layers, held by the lease, and the configuration alone: no image comes of them, and no name. */
  async fetch(request: PullRequest, lease: Lease): Promise<ImageConfig> {
    return await this.#fetch(request, lease, async (image) => {
      this.#remember(image, request);
      return image.config;
    });
  }

  async #fetch<T>(request: PullRequest, lease: Lease, work: (image: Resolved) => Promise<T>): Promise<T> {
    const { reference, progress, signal } = request;
    const repository = this.options.registry.repository(reference, request.credentials);
    const name = reference.digest ?? reference.tag;
    if (name === undefined) throw new InvalidArgument(`reference ${familiarName(reference)} has neither tag nor digest`);
    const top = await named(reference, () => repository.manifest(name, signal));
    progress({ id: name, status: `Pulling from ${reference.path}` });
    const described = await this.#describe(repository, top, request);
    return await this.#configured(repository, described, request, async (image) => {
      await this.#withRoom(image, request, () => this.#fetchLayers(repository, image, lease, request));
      return await work(image);
    });
  }

  /** Makes one layer that is not here, or damaged, from its packed form in a repository. No image changes. */
  async layer(reference: Reference, job: LayerJob, signal: AbortSignal): Promise<Layer> {
    const { registry, leases } = this.options;
    const repository = registry.repository(reference);
    return await leases.with("repair", (lease) =>
      this.#flights.join(job.chainId, signal, () => undefined, (context) => this.#makeLayer(repository, job, undefined, context), () => leases.hold(lease, "layer", job.chainId)));
  }

  /** A manifest by its digest. */
  async manifest(reference: Reference, digest: Digest, signal: AbortSignal): Promise<FetchedManifest> {
    return await this.options.registry.repository(reference).manifest(digest, signal);
  }

  async #describe(repository: Repository, top: FetchedManifest, { reference, platform, signal }: PullRequest): Promise<Described> {
    const wanted = normalizePlatform(platform ?? this.options.hostPlatform);
    let current = top;
    for (let depth = 0; isIndexType(mediaTypeOf(current.body, current.mediaType)); depth++) {
      if (depth === MAX_INDEX_DEPTH) throw new InvalidArgument("image indexes are nested too deeply");
      const entry = choosePlatform(parseIndex(current.body), wanted);
      current = await named(reference, () => repository.manifest(entry.digest, signal));
    }
    return { top, own: current, manifest: parseManifest(current.body) };
  }

  /** Goes on with the configuration at hand, here or from the registry. */
  async #configured<T>(repository: Repository, described: Described, { reference, platform, signal }: PullRequest, work: (image: Resolved) => Promise<T>): Promise<T> {
    const { manifest } = described;
    const fetch = async (own: AbortSignal): Promise<Buffer> => this.#knownConfig(manifest.config.digest) ?? await repository.blobBytes(manifest.config, own);
    return await this.#configs.with(manifest.config, signal, fetch, async (configBytes) => {
      const config = parseConfig(configBytes, manifest.layers.length);
      if (platform !== undefined && platformScore(normalizePlatform(platform), config) < 0) {
        throw new NotFound(`image with reference ${familiarName(reference)} was found but its platform (${formatPlatform(config)}) does not match the specified platform (${formatPlatform(normalizePlatform(platform))})`);
      }
      needSystem(config, this.options.hostPlatform);
      return await work({ ...described, configBytes, config });
    });
  }

  #knownConfig(digest: Digest): Buffer | undefined {
    try {
      return this.options.images.config(digest as ImageId);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }

  /** Room for the layers is asked for before the first byte; where that was too little, again, and what was fetched by then stays. */
  async #withRoom({ manifest, config }: Resolved, { signal }: PullRequest, work: () => Promise<void>): Promise<void> {
    const { room, layers } = this.options;
    if (room === undefined) return await work();
    const coming = chainIdsOf(config.rootfs.diff_ids).map((chain, i) => [chain, manifest.layers[i]!.size] as const).filter(([chain]) => !layers.has(chain)), chains = coming.map(([chain]) => chain);
    if (coming.length === 0) return await work();
    const missing = (): number => this.#arrivals.bytes(chains);
    this.#arrivals.join(coming);
    let release: (() => void) | undefined;
    try {
      release = await room.reserve(missing);
      for (let attempt = 1; ; attempt++) {
        try {
          return await work();
        } catch (e) {
          this.#arrivals.failed(chains);
          if (attempt === ROOM_ATTEMPTS || !isNoSpace(e) || signal.aborted || !(await room.exhausted(missing() * GROWTH ** (attempt - 1)))) throw e;
          this.options.logger.info({ attempt }, "a pull had no room and goes on with what was freed");
        }
      }
    } finally {
      release?.();
      this.#arrivals.leave(chains);
    }
  }

  async #fetchLayers(repository: Repository, { manifest, config }: Resolved, lease: Lease, { progress, signal }: PullRequest): Promise<void> {
    const { layers, leases, clock } = this.options;
    const diffIds = config.rootfs.diff_ids;
    const chain = chainIdsOf(diffIds);
    // Held before looked for: what is found stays.
    for (const id of chain) leases.hold(lease, "layer", id);
    if (this.keepPackedLayers) for (const { digest } of manifest.layers) leases.hold(lease, "blob", digest);
    const rows = manifest.layers.map((l) => new Row(progress, hexOf(l.digest).slice(0, 12), clock));
    const here = chain.map((id) => layers.has(id));
    rows.forEach((row, i) => row.status(here[i] ? "Already exists" : "Pulling fs layer"));

    // The first failure, or the caller's cancel, ends the others; all of them are seen to their end.
    const abort = new AbortController();
    // Every layer listens.
    setMaxListeners(0, abort.signal);
    const cancel = (): void => abort.abort(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      await Promise.allSettled([...chain.entries()].filter(([i]) => !here[i]).map(([i, chainId]) => {
        const job: LayerJob = { chainId, diffId: diffIds[i]!, parent: chain[i - 1] ?? null, packed: manifest.layers[i]! };
        const below = job.parent === null ? undefined : this.#flights.peek(job.parent);
        // Whoever waits for it sees it fail; that nobody does yet is no reason to complain.
        below?.catch(() => undefined);
        const coming = below === undefined ? undefined : { registered: below, on: chain[here.lastIndexOf(true, i)] ?? null };
        const work = (context: FlightContext<LayerStage>): Promise<Layer> => this.#makeLayer(repository, job, coming, context);
        return this.#flights.join(chainId, abort.signal, (stage) => this.#show(chainId, rows[i]!, stage), work, () => leases.hold(lease, "layer", chainId))
          .catch((e: unknown) => abort.abort(e));
      }));
      abort.signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #show(chain: ChainId, row: Row, stage: LayerStage): void {
    this.#arrivals.note(chain, stage);
    show(row, stage);
  }

  async #makeLayer(repository: Repository, job: LayerJob, coming: ComingParent | undefined, context: FlightContext<LayerStage>): Promise<Layer> {
    const { layers, leases } = this.options, { signal, lease, report } = context;
    leases.hold(lease, "layer", job.chainId);
    if (job.parent !== null) leases.hold(lease, "layer", job.parent);
    if (layers.has(job.chainId)) return layers.get(job.chainId);
    return await this.#fetcher.with(repository, job.packed, context, async (file) => {
      signal.throwIfAborted();
      const layer = await this.#apply(file, job, coming, signal, lease, report);
      report({ stage: "done" });
      return layer;
    });
  }

  async #apply(file: BlobFile, job: LayerJob, coming: ComingParent | undefined, signal: AbortSignal, lease: Lease, report: (stage: LayerStage) => void): Promise<Layer> {
    // What is done during the download is no news.
    const progress = (current: number): void => { if (file.whole) report({ stage: "extracting", current, total: file.size }); };
    try {
      const layer = await registerPackedFile(this.options.layers, file, job.parent, lease, { progress, signal, ...(coming === undefined ? {} : { coming }) });
      if (layer.diffId !== job.diffId) throw new DataLoss(`layer ${job.packed.digest} unpacks to diff ID ${layer.diffId}, the image says ${job.diffId}`);
      progress(file.size);
      return layer;
    } catch (e) {
      signal.throwIfAborted();
      const message = `failed to register layer: ${messageOf(e)}`;
      throw e instanceof StrataError ? new StrataError(e.code, message, { cause: e }) : new Error(message, { cause: e });
    }
  }

  #remember({ manifest, config }: Resolved, { reference }: PullRequest): void {
    const repository = repositoryOf(reference);
    manifest.layers.forEach(({ digest, size, mediaType }, i) => this.options.images.addSource(config.rootfs.diff_ids[i]!, { digest, size, mediaType, repository }));
  }

  async #record(image: Resolved, lease: Lease, request: PullRequest): Promise<Pulled> {
    const { content, images } = this.options, { reference } = request, { top, own, configBytes } = image;
    const canonical = `${repositoryOf(reference)}@${top.digest}`;
    const name = reference.digest === undefined ? formatReference(reference) : canonical;
    const manifests = top === own ? [top] : [top, own];
    for (const { body, digest, mediaType } of manifests) await content.put(body, lease, { digest, mediaType: mediaTypeOf(body, mediaType) });
    // Nothing, a crash neither, comes between an image and its names.
    return images.atomically(() => {
      this.#remember(image, request);
      const before = holderOf(images, name);
      const id = images.create(configBytes, lease);
      for (const { digest } of manifests) images.addManifest(id, digest);
      images.tag(id, name);
      if (name !== canonical) images.tag(id, canonical);
      images.touch(id);
      return { id, digest: top.digest, changed: before !== id };
    });
  }
}

const MAX_INDEX_DEPTH = 3;
/** How often a pull begins again for want of room. */
const ROOM_ATTEMPTS = 4;
/** How much more room a pull asks for each time: what is in a layer may be a hundred times its packed size. */
const GROWTH = 8;

function holderOf(images: ImageStore, name: string): ImageId | undefined {
  try {
    return images.resolve(name);
  } catch (e) {
    if (e instanceof NotFound) return undefined;
    throw e;
  }
}

function show(row: Row, stage: LayerStage): void {
  switch (stage.stage) {
    case "waiting": return row.status("Waiting");
    case "downloading": return row.count("Downloading", stage.current, stage.total);
    case "verifying": return row.status("Verifying Checksum");
    case "complete": return row.status("Download complete");
    case "extracting": return row.count("Extracting", stage.current, stage.total);
    case "done": return row.status("Pull complete");
  }
}

/** A registry's "not there" and "not for you" in the words that users search for. */
async function named<T>(reference: Reference, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    if (!(e instanceof RegistryFault)) throw e;
    switch (e.registryCode) {
      case "MANIFEST_UNKNOWN": throw new NotFound(`manifest for ${familiarName(reference)} not found: ${e.message}`, { cause: e });
      case "NAME_UNKNOWN": throw new NotFound(`repository ${familiarRepository(reference)} not found: ${e.message}`, { cause: e });
      case "DENIED": throw new NotFound(`pull access denied for ${familiarRepository(reference)}, repository does not exist or may require 'docker login': ${e.message}`, { cause: e });
      default: throw e;
    }
  }
}
