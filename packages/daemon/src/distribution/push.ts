import { setMaxListeners } from "node:events";
import { Transform, pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { MediaType, chainIdsOf, digestOf, familiarName, formatReference, hexOf, isForeignType, isIndexType, isManifestType, repositoryOf } from "@strata/oci";
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageId, Manifest, Platform, Reference } from "@strata/oci";
import { compressGzip } from "../archive/compress.js";
import { DataLoss, InvalidArgument, Limiter, StrataError } from "../core/index.js";
import type { Clock, ContentStore, ImageStore, LayerStore, Lease, LeaseStore, Logger, PackedSource } from "../core/index.js";
import type { Credentials } from "./auth.js";
import type { RegistryClient } from "./client.js";
import { LayerUpload } from "./layer-upload.js";
import type { LayerUploadOptions } from "./layer-upload.js";
import { parseIndex, parseManifest } from "./manifest.js";
import { Row } from "./progress.js";
import type { Sink } from "./progress.js";
import { RegistryFault } from "./registry-fault.js";
import type { Repository, Upload } from "./repository.js";

export interface PusherOptions {
  readonly registry: RegistryClient;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly leases: LeaseStore;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Over all pushes; 5 when not given. */
  readonly maxConcurrentUploads?: number;
}
export interface SendRequest {
  /** With a tag. */
  readonly reference: Reference;
  readonly credentials?: Credentials;
  readonly progress: Sink;
  readonly signal: AbortSignal;
}
export interface PushRequest extends SendRequest {
  readonly id: ImageId;
  /** Asked for by the user: no other goes along. */
  readonly platform?: Platform;
}

interface Packed {
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly size: number;
  /** As the image's manifest has it. */
  readonly preferred: Descriptor | undefined;
}
interface Document { readonly mediaType: string; readonly body: Buffer }

/** Known digests that are asked for before a layer is packed anew. */
const MAX_CANDIDATES = 4;

/** Pushes images: only layers that the registry cannot find by itself are sent. */
export class Pusher {
  readonly #uploads: Limiter;

  constructor(private readonly options: PusherOptions) {
    this.#uploads = new Limiter(options.maxConcurrentUploads ?? 5);
  }

  set maxConcurrentUploads(limit: number) { this.#uploads.limit = limit; }

  /**
   * Digest and size of the manifest that the tag names afterwards. The image ID survives the way there and back; so does the digest it was
   * pulled by where the registry has its packed layers, and that of a multi-platform index where all its images are here.
   */
  async push(request: PushRequest): Promise<{ digest: Digest; size: number }> {
    const { images, leases, content } = this.options;
    const { id, reference } = request;
    return await leases.with(`push ${formatReference(reference)}`, async (lease) => await this.#put(request,
      async (repository) => await this.#index(repository, request, lease) ?? await this.#image(repository, id, request, lease),
      async ({ body, mediaType }, digest) => {
        await content.put(body, lease, { digest, mediaType });
        // Somebody may have removed it by now.
        if (!images.has(id)) return;
        images.atomically(() => {
          images.addManifest(id, digest);
          images.tag(id, `${repositoryOf(reference)}@${digest}`);
          images.touch(id);
        });
      }));
  }

  /** Sends an image that is none here: its configuration, and layers that are here and held. It comes to no name. */
  async send(config: Buffer, request: SendRequest): Promise<void> {
    const diffIds = (JSON.parse(config.toString()) as ImageConfig).rootfs.diff_ids;
    await this.#put(request, (repository) => this.#parts(repository, config, diffIds, [], request));
  }

  /** Puts what `send` comes to by the tag, and says so. */
  async #put({ reference, credentials, progress, signal }: SendRequest, send: (repository: Repository) => Promise<Document>, record?: (document: Document, digest: Digest) => Promise<void>): Promise<{ digest: Digest; size: number }> {
    const { tag } = reference;
    if (tag === undefined) throw new InvalidArgument(`cannot push a digest reference: ${familiarName(reference)}`);
    const repository = this.options.registry.repository(reference, credentials);
    const document = await send(repository), { body, mediaType } = document;
    await repository.putManifest(tag, mediaType, body, signal);
    const digest = digestOf(body), size = body.length;
    await record?.(document, digest);
    progress({ status: `${tag}: digest: ${digest} size: ${size}` });
    progress({ aux: { Tag: tag, Digest: digest, Size: size } });
    return { digest, size };
  }

  /** The image's index with all that it names, but the index itself; undefined where something of it is not here, or not as it was. */
  async #index(repository: Repository, request: PushRequest, lease: Lease): Promise<Document | undefined> {
    if (request.platform !== undefined) return undefined;
    for (const index of await this.#documents(request.id, isIndexType)) {
      const children = await Promise.all(parseIndex(index.body).manifests.map((entry) => this.#local(entry)));
      if (!children.every((child) => child !== undefined)) continue;
      let whole = true;
      for (const { id, digest } of children) {
        const { body, mediaType } = await this.#image(repository, id, request, lease);
        whole &&= digestOf(body) === digest;
        if (whole) await repository.putManifest(digest, mediaType, body, request.signal);
      }
      if (whole) return index;
    }
    return undefined;
  }

  /** An image of an index that is here. */
  async #local({ digest }: Descriptor): Promise<{ readonly id: ImageId; readonly digest: Digest } | undefined> {
    const { content, images } = this.options;
    if (content.stat(digest) === undefined) return undefined;
    try {
      const { config } = parseManifest(await content.read(digest));
      return { id: images.get(config.digest as ImageId).id, digest };
    } catch (e) {
      if (e instanceof StrataError) return undefined;
      throw e;
    }
  }

  /** Layers and configuration of one image; its manifest is left to be put. */
  async #image(repository: Repository, id: ImageId, request: PushRequest, lease: Lease): Promise<Document> {
    const { images, leases } = this.options;
    const image = images.get(id);
    if (image.top !== null) leases.hold(lease, "layer", image.top);
    return await this.#parts(repository, images.config(id), image.config.rootfs.diff_ids, await this.#documents(id, isManifestType), request);
  }

  async #parts(repository: Repository, config: Buffer, diffIds: readonly DiffId[], manifests: readonly Document[], request: SendRequest): Promise<Document> {
    const { images } = this.options;
    const known = manifests.map((document) => ({ ...document, layers: parseManifest(document.body).layers }));
    const preferred = new Map(known.flatMap(({ layers }) => layers.map((layer, i) => [diffIds[i]!, layer] as const)));
    const layers = await this.#layers(repository, diffIds, preferred, request);
    await this.#config(repository, config, request.signal);
    diffIds.forEach((diffId, i) => { if (!isForeignType(layers[i]!.mediaType)) images.addSource(diffId, { ...pick(layers[i]!), repository: repositoryOf(request.reference) }); });
    return known.find((k) => k.layers.length === layers.length && k.layers.every((layer, i) => layer.digest === layers[i]!.digest)) ?? manifestOf(config, layers);
  }

  /** Manifests (or indexes) of an image that are at hand and sound. */
  async #documents(id: ImageId, wanted: (mediaType: string) => boolean): Promise<Document[]> {
    const { content, images } = this.options;
    const documents: Document[] = [];
    for (const digest of images.manifests(id)) {
      const blob = content.stat(digest);
      if (blob === undefined || !wanted(blob.mediaType)) continue;
      try {
        documents.push({ mediaType: blob.mediaType, body: await content.read(digest) });
      } catch (e) {
        if (!(e instanceof DataLoss)) throw e;
      }
    }
    return documents;
  }

  async #layers(repository: Repository, diffIds: readonly DiffId[], preferred: ReadonlyMap<DiffId, Descriptor>, { reference, progress, signal }: SendRequest): Promise<Descriptor[]> {
    const chain = chainIdsOf(diffIds);
    const rows = new Map<DiffId, Row>();
    for (const diffId of diffIds.toReversed()) if (!rows.has(diffId)) rows.set(diffId, new Row(progress, hexOf(diffId).slice(0, 12), this.options.clock));
    for (const row of rows.values()) row.status("Preparing");

    const abort = new AbortController();
    // Every layer listens.
    setMaxListeners(0, abort.signal);
    const cancel = (): void => abort.abort(signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    const done = new Map<DiffId, Descriptor>();
    try {
      await Promise.allSettled([...rows].map(async ([diffId, row]) => {
        const chainId = chain[diffIds.indexOf(diffId)]!;
        try {
          const release = await this.#uploads.acquire(abort.signal, () => row.status("Waiting"));
          try {
            done.set(diffId, await this.#layer(repository, reference, { diffId, chainId, size: this.options.layers.get(chainId).tarSize, preferred: preferred.get(diffId) }, row, abort.signal));
          } finally {
            release();
          }
        } catch (e) {
          abort.abort(e);
        }
      }));
      abort.signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", cancel);
    }
    return diffIds.map((diffId) => done.get(diffId)!);
  }

  /** Found there, linked in from a neighbour, or sent. */
  async #layer(repository: Repository, reference: Reference, layer: Packed, row: Row, signal: AbortSignal): Promise<Descriptor> {
    const own = repositoryOf(reference);
    if (layer.preferred !== undefined && isForeignType(layer.preferred.mediaType)) {
      row.status("Skipped foreign layer");
      return layer.preferred;
    }
    const isNeighbour = (s: PackedSource): boolean => s.repository !== own && s.repository.startsWith(`${reference.domain}/`);
    const worth = (s: PackedSource): number => Number(s.digest === layer.preferred?.digest) * 4 + Number(s.repository === own) * 2 + Number(isNeighbour(s));
    const sources = this.options.images.sources(layer.diffId).filter((s) => !isForeignType(s.mediaType)).toSorted((a, b) => worth(b) - worth(a));
    // What is remembered may be out of date: it is true once the registry says so.
    const isThere = async ({ digest, size }: PackedSource): Promise<boolean> => (await repository.hasBlob(digest, signal)) === size;
    for (const source of sources.filter((s, i) => sources.findIndex((other) => other.digest === s.digest) === i).slice(0, MAX_CANDIDATES)) {
      if (!(await isThere(source))) continue;
      row.status("Layer already exists");
      return pick(source);
    }
    let session: Upload | undefined;
    const neighbours = sources.filter(isNeighbour).slice(0, MAX_CANDIDATES);
    for (const source of neighbours) {
      const from = source.repository.slice(reference.domain.length + 1);
      if (session !== undefined) await repository.cancelUpload(session).catch(() => {});
      try {
        session = await repository.startUpload(signal, { digest: source.digest, from });
      } catch (e) {
        // No right to read the neighbour: the layer is sent instead.
        if (!(e instanceof RegistryFault) || e.transient) throw e;
        continue;
      }
      if (session !== undefined || !(await isThere(source))) continue;
      row.status(`Mounted from ${from}`);
      return pick(source);
    }
    const upload = new LayerUpload({ repository, signal, retry: this.options.registry.retry, logger: this.options.logger, ...await this.#packed(sources, layer, row) }, session);
    const sent = await upload.send();
    row.status("Pushed");
    return sent;
  }

  /** The bytes to send: those that were kept of a pull; else the layer is packed, to the same bytes each time. */
  async #packed(sources: readonly PackedSource[], layer: Packed, row: Row): Promise<Pick<LayerUploadOptions, "mediaType" | "open">> {
    const { content, layers, logger } = this.options;
    const kept = sources.find((s) => content.stat(s.digest) !== undefined);
    if (kept !== undefined) {
      try {
        // A registry would only tell at the end that it is damaged.
        await finished((await content.open(kept.digest)).resume());
        return { mediaType: kept.mediaType, open: async () => counted(await content.open(kept.digest), (bytes) => row.count("Pushing", bytes, kept.size)) };
      } catch (e) {
        if (!(e instanceof DataLoss)) throw e;
        logger.warn({ digest: kept.digest, reason: e.message }, "a kept layer is damaged and packed anew");
      }
    }
    return { mediaType: MediaType.dockerLayerGzip, open: async () => compressGzip(counted(await layers.tar(layer.chainId), (bytes) => row.count("Pushing", bytes, layer.size))) };
  }

  async #config(repository: Repository, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const digest = digestOf(bytes);
    if ((await repository.hasBlob(digest, signal)) !== undefined) return;
    const upload = (await repository.startUpload(signal))!;
    await repository.finishUpload(upload, digest, signal, bytes);
  }
}

/** Tells how many bytes have been read. */
function counted(source: Readable, progress: (bytes: number) => void): Readable {
  let read = 0;
  progress(0);
  const count = new Transform({ transform(chunk: Buffer, _, done) {
    progress(read += chunk.length);
    done(null, chunk);
  } });
  pipeline(source, count, () => {});
  return count;
}

const pick = ({ mediaType, digest, size }: Descriptor | PackedSource): Descriptor => ({ mediaType, digest, size });

const OCI_LAYERS: Readonly<Record<string, string>> = { [MediaType.dockerLayerGzip]: MediaType.ociLayerGzip, [MediaType.dockerLayer]: MediaType.ociLayer };
const DOCKER_LAYERS: Readonly<Record<string, string>> = { [MediaType.ociLayerGzip]: MediaType.dockerLayerGzip, [MediaType.ociLayer]: MediaType.dockerLayer };

/** Docker's schema 2, which every registry and engine reads; an OCI manifest where a layer (zstd) has no place in it. */
function manifestOf(config: Buffer, layers: readonly Descriptor[]): { mediaType: string; body: Buffer } {
  const oci = layers.some(({ mediaType }) => mediaType !== MediaType.dockerLayerGzip && mediaType !== MediaType.dockerLayer && DOCKER_LAYERS[mediaType] === undefined);
  const names = oci ? OCI_LAYERS : DOCKER_LAYERS;
  const mediaType = oci ? MediaType.ociManifest : MediaType.dockerManifest;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: oci ? MediaType.ociConfig : MediaType.dockerConfig, digest: digestOf(config), size: config.length },
    layers: layers.map((l) => ({ ...l, mediaType: names[l.mediaType] ?? l.mediaType })),
  };
  return { mediaType, body: Buffer.from(JSON.stringify(manifest, undefined, 3)) };
}
