import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { Transform, pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { MediaType, chainIdsOf, digestOf, familiarName, formatReference, hexOf, repositoryOf } from "@strata/oci";
import type { ChainId, Descriptor, DiffId, Digest, ImageId, Manifest, Reference } from "@strata/oci";
import { compressGzip } from "../archive/compress.js";
import { InvalidArgument } from "../core/index.js";
import type { Clock, ContentStore, ImageStore, LayerStore, LeaseStore, Logger, PackedSource } from "../core/index.js";
import type { Credentials } from "./auth.js";
import type { RegistryClient } from "./client.js";
import { Limiter } from "./limiter.js";
import { Row } from "./progress.js";
import type { Sink } from "./progress.js";
import { RegistryFault } from "./registry-fault.js";
import type { Repository, Upload } from "./repository.js";
import { backOff, isTransient } from "./retry.js";

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
export interface PushRequest {
  readonly id: ImageId;
  /** With a tag. */
  readonly reference: Reference;
  readonly credentials?: Credentials;
  readonly progress: Sink;
  readonly signal: AbortSignal;
}

interface Packed { readonly diffId: DiffId; readonly chainId: ChainId; readonly size: number }

/** Known digests that are asked for before a layer is packed anew. */
const MAX_CANDIDATES = 4;

/** Pushes images: only layers that the registry cannot find by itself are sent. */
export class Pusher {
  readonly #uploads: Limiter;

  constructor(private readonly options: PusherOptions) {
    this.#uploads = new Limiter(options.maxConcurrentUploads ?? 5);
  }

  set maxConcurrentUploads(limit: number) { this.#uploads.limit = limit; }

  /** Digest and size of the manifest that the tag names afterwards. The image ID survives the way there and back. */
  async push(request: PushRequest): Promise<{ digest: Digest; size: number }> {
    const { images, leases, content, registry } = this.options;
    const { id, reference, progress, signal } = request;
    const { tag } = reference;
    if (tag === undefined) throw new InvalidArgument(`cannot push a digest reference: ${familiarName(reference)}`);
    return await leases.with(`push ${formatReference(reference)}`, async (lease) => {
      const image = images.get(id);
      if (image.top !== null) leases.hold(lease, "layer", image.top);
      const repository = registry.repository(reference, request.credentials);
      const layers = await this.#layers(repository, image.config.rootfs.diff_ids, request);
      const config = images.config(id);
      await this.#config(repository, config, signal);
      const { body, mediaType } = manifestOf(config, layers);
      await repository.putManifest(tag, mediaType, body, signal);
      const digest = digestOf(body);
      await content.put(body, lease, { digest, mediaType });
      image.config.rootfs.diff_ids.forEach((diffId, i) => images.addSource(diffId, { ...pick(layers[i]!), repository: repositoryOf(reference) }));
      images.tag(id, `${repositoryOf(reference)}@${digest}`);
      images.touch(id);
      progress({ status: `${tag}: digest: ${digest} size: ${body.length}` });
      progress({ aux: { Tag: tag, Digest: digest, Size: body.length } });
      return { digest, size: body.length };
    });
  }

  async #layers(repository: Repository, diffIds: readonly DiffId[], { reference, progress, signal }: PushRequest): Promise<Descriptor[]> {
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
            done.set(diffId, await this.#layer(repository, reference, { diffId, chainId, size: this.options.layers.get(chainId).tarSize }, row, abort.signal));
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
    const sources = this.options.images.sources(layer.diffId).toSorted((a, b) => Number(b.repository === own) - Number(a.repository === own));
    for (const digest of [...new Set(sources.map((s) => s.digest))].slice(0, MAX_CANDIDATES)) {
      const size = await repository.hasBlob(digest, signal);
      if (size === undefined) continue;
      row.status("Layer already exists");
      return pick(sources.find((s) => s.digest === digest)!);
    }
    let session: Upload | undefined;
    const neighbours = sources.filter((s) => s.repository !== own && s.repository.startsWith(`${reference.domain}/`)).slice(0, MAX_CANDIDATES);
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
      if (session !== undefined) continue;
      row.status(`Mounted from ${from}`);
      return pick(source);
    }
    const sent = await this.#send(repository, session, layer, row, signal);
    row.status("Pushed");
    return sent;
  }

  /** A failed upload is begun anew: what was packed is not kept. */
  async #send(repository: Repository, first: Upload | undefined, layer: Packed, row: Row, signal: AbortSignal): Promise<Descriptor> {
    const { retry } = this.options.registry;
    let session = first;
    for (let attempt = 1; ; attempt++) {
      try {
        const upload = session ?? (await repository.startUpload(signal))!;
        session = undefined;
        return await this.#stream(repository, upload, layer, row, signal);
      } catch (e) {
        if (signal.aborted || attempt >= retry.attempts || !isTransient(e)) throw e;
        this.options.logger.info({ diffId: layer.diffId, attempt }, "upload interrupted, beginning anew");
        await backOff(retry, attempt, e, signal);
      }
    }
  }

  async #stream(repository: Repository, upload: Upload, layer: Packed, row: Row, signal: AbortSignal): Promise<Descriptor> {
    const hash = createHash("sha256");
    let read = 0, size = 0;
    const count = new Transform({ transform(chunk: Buffer, _, done) {
      row.count("Pushing", read += chunk.length, layer.size);
      done(null, chunk);
    } });
    const measure = new Transform({ transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    } });
    row.count("Pushing", 0, layer.size);
    const tar: Readable = await this.options.layers.tar(layer.chainId);
    pipeline(tar, count, () => {});
    pipeline(compressGzip(count), measure, () => {});
    try {
      const sent = await repository.sendUpload(upload, measure, signal);
      const digest = `sha256:${hash.digest("hex")}` as Digest;
      await repository.finishUpload(sent, digest, signal);
      return { mediaType: MediaType.dockerLayerGzip, digest, size };
    } finally {
      // A refusal may come before everything is sent.
      measure.destroy();
    }
  }

  async #config(repository: Repository, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const digest = digestOf(bytes);
    if ((await repository.hasBlob(digest, signal)) !== undefined) return;
    const upload = (await repository.startUpload(signal))!;
    await repository.finishUpload(upload, digest, signal, bytes);
  }
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
