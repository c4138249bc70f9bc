import { PassThrough } from "node:stream";
import type { Readable } from "node:stream";
import { chainIdsOf, formatPlatform, formatReference, hexOf, InvalidReference, parseReference, platformScore, withDefaultTag } from "@strata/oci";
import type { ChainId, DiffId, ImageId, Platform } from "@strata/oci";
import { DataLoss, InvalidArgument, NotFound } from "../core/index.js";
import type { Clock, ImageStore, Layer, LayerStore, Lease, LeaseStore } from "../core/index.js";
import type { TarEntry } from "../archive/tar-entry.js";
import { configPaths, dockerImages, ociImages } from "./archive-index.js";
import type { ArchivedImage } from "./archive-index.js";
import { decompress } from "../archive/compress.js";
import { needSystem } from "./manifest.js";
import { Row } from "./progress.js";
import type { Sink } from "./progress.js";
import { Spool } from "./spool.js";
import { memberPath, readMembers } from "./tar-members.js";
import type { MemberWriter } from "./tar-members.js";
import { registerPacked, registerPackedFile } from "./unpack.js";

export interface ArchiveLoaderOptions {
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly leases: LeaseStore;
  /** For members that come before it is known what they are. */
  readonly temporary: string;
  readonly hostPlatform: Platform;
  readonly clock: Clock;
}
export interface LoadRequest {
  readonly platform?: Platform;
  readonly progress: Sink;
  readonly signal: AbortSignal;
  /** Makes room for a member; to be called back when it is written. */
  readonly reserve?: (bytes: number) => Promise<() => void>;
}
export interface LoadedImage {
  readonly id: ImageId;
  /** Full names. */
  readonly tags: readonly string[];
}

/** Loads what `docker save` and its likes write: Docker's archive, or an OCI image layout in a tar; compressed or not. */
export class ArchiveLoader {
  constructor(private readonly options: ArchiveLoaderOptions) {}

  /** InvalidArgument for what is no such archive, DataLoss when a layer is not what the image says. Then nothing stays. */
  async load(archive: Readable, request: LoadRequest): Promise<LoadedImage[]> {
    const { leases, temporary } = this.options;
    const spool = await Spool.create(temporary);
    const cancel = (): void => void archive.destroy();
    request.signal.addEventListener("abort", cancel, { once: true });
    try {
      request.signal.throwIfAborted();
      return await leases.with("load", async (lease) => await new Session(this.options, request, spool, lease).run(archive));
    } catch (e) {
      request.signal.throwIfAborted();
      throw e;
    } finally {
      request.signal.removeEventListener("abort", cancel);
      archive.destroy();
      await spool.remove();
    }
  }
}

/** One layer in its place: the same content may be wanted on several parents. */
interface Place { readonly chainId: ChainId; readonly parent: ChainId | null; readonly diffId: DiffId }

/** Members of at least so many bytes have room made for them. */
const WORTH_ROOM = 1 << 20;
const DESCRIPTIONS = new Set(["manifest.json", "index.json", "oci-layout", "repositories"]);

class Session {
  /** Known as soon as the descriptions have come. */
  #images: readonly ArchivedImage[] | undefined;
  readonly #places = new Map<string, Place[]>();
  readonly #rows = new Map<DiffId, Row>();
  #awaited: ReadonlySet<string> = DESCRIPTIONS;
  /** The layer that is being read from the archive right now. */
  #active: { readonly stream: PassThrough; readonly registered: Promise<void> } | undefined;

  /** Gives back the room that was made for the member that is being read. */
  #release: (() => void) | undefined;

  constructor(private readonly options: ArchiveLoaderOptions, private readonly request: LoadRequest, private readonly spool: Spool, private readonly lease: Lease) {}

  async run(archive: Readable): Promise<LoadedImage[]> {
    try {
      await readMembers(decompress(archive), (path, entry, payload) => this.#withRoom(payload, this.#open(path, entry, payload)));
    } catch (e) {
      this.#active?.stream.destroy(e instanceof Error ? e : undefined);
      await this.#active?.registered.catch(() => {});
      throw e;
    } finally { this.#release?.(); }
    if (this.#images === undefined) this.#plan(await this.#describe());
    for (const image of this.#images!) await this.#finish(image);
    this.request.signal.throwIfAborted();
    // One turn of the event loop: images and names come together.
    return this.#images!.map((image) => this.#create(image));
  }

  #withRoom(payload: number, writer: MemberWriter | undefined): MemberWriter | undefined {
    const { reserve } = this.request;
    if (writer === undefined || reserve === undefined || payload < WORTH_ROOM) return writer;
    return {
      write: async (bytes) => {
        this.#release ??= await reserve(payload);
        await writer.write(bytes);
      },
      end: async () => {
        await writer.end();
        this.#release?.();
        this.#release = undefined;
      },
    };
  }

  #open(path: string, entry: TarEntry, payload: number): MemberWriter | undefined {
    if (entry.type === "link" || entry.type === "symlink") {
      const base = entry.type === "symlink" ? path.split("/").slice(0, -1) : [];
      const target = resolveLink(base, entry.linkName);
      if (target === undefined) throw new InvalidArgument(`link ${path} leads out of the archive`);
      this.spool.link(path, target);
      return undefined;
    }
    if (entry.type !== "file") return undefined;
    const places = this.#places.get(path);
    if (this.#images !== undefined && places === undefined) return undefined;
    const missing = places?.filter((p) => !this.options.layers.has(p.chainId));
    if (missing?.length === 0) return undefined;
    const only = missing?.length === 1 ? missing[0]! : undefined;
    if (only !== undefined && (only.parent === null || this.options.layers.has(only.parent))) return this.#direct(only, payload);
    const writer = this.spool.add(path);
    if (!this.#awaited.has(path)) return writer;
    return {
      write: (bytes) => writer.write(bytes),
      end: async () => {
        await writer.end();
        await this.#early();
      },
    };
  }

  /** Makes the plan as soon as manifest.json and its configurations are here, so that layers need not be kept. */
  async #early(): Promise<void> {
    const manifest = await this.spool.read("manifest.json");
    if (this.#images !== undefined || manifest === undefined) return;
    this.#awaited = new Set([...DESCRIPTIONS, ...configPaths(manifest)]);
    const images = await dockerImages(manifest, (path) => this.spool.read(path));
    if (images !== undefined) this.#plan(images);
  }

  /** The end of the archive: every description that is there has come. */
  async #describe(): Promise<readonly ArchivedImage[]> {
    const read = (path: string): Promise<Buffer | undefined> => this.spool.read(path);
    const manifest = await read("manifest.json");
    if (manifest !== undefined) {
      const missing = configPaths(manifest).find((path) => !this.spool.has(path));
      if (missing !== undefined) throw new InvalidArgument(`the archive lacks ${missing}`);
      return (await dockerImages(manifest, read))!;
    }
    const index = await read("index.json");
    if (index !== undefined) {
      const wanted = this.request.platform ?? this.options.hostPlatform, images = await ociImages(index, wanted, read);
      if (images.length === 0) throw new NotFound(`the archive holds no image for ${formatPlatform(wanted)}`);
      return images;
    }
    if (this.spool.has("repositories")) throw new InvalidArgument("the archive has no manifest.json: the format of Docker before 1.10 is not supported");
    throw new InvalidArgument("the archive holds no image: neither manifest.json nor index.json is there");
  }

  #plan(all: readonly ArchivedImage[]): void {
    const { platform } = this.request;
    const images = platform === undefined ? all : all.filter((i) => platformScore(platform, i.config) >= 0);
    if (platform !== undefined && images.length === 0) throw new NotFound(`the archive holds no image for ${formatPlatform(platform)}`);
    for (const image of images) {
      needSystem(image.config, this.options.hostPlatform);
      for (const tag of image.tags) checkTag(tag);
      placesOf(image).forEach((place, i) => {
        const path = image.layers[i]!;
        const known = this.#places.get(path) ?? [];
        if (!known.some((p) => p.chainId === place.chainId)) known.push(place);
        this.#places.set(path, known);
        // Held before it is looked for: what is found stays.
        this.options.leases.hold(this.lease, "layer", place.chainId);
      });
    }
    this.#images = images;
  }

  /** The payload goes straight into the layer store. */
  #direct(place: Place, payload: number): MemberWriter {
    const stream = new PassThrough({ highWaterMark: 4 * 1024 * 1024 });
    const registered = this.#register(stream, place);
    registered.catch(() => {});
    this.#active = { stream, registered };
    const row = this.#row(place.diffId);
    let seen = 0;
    return {
      write: async (bytes) => {
        row.count("Loading layer", seen += bytes.length, payload);
        if (stream.destroyed) await registered;
        if (!stream.write(bytes)) await Promise.race([new Promise((resume) => stream.once("drain", resume)), registered]);
      },
      end: async () => {
        stream.end();
        await registered;
        this.#active = undefined;
      },
    };
  }

  async #register(packed: Readable, place: Place): Promise<void> {
    this.#check(await registerPacked(this.options.layers, packed, place.parent, this.lease), place);
  }
  #check(layer: Layer, { diffId }: Place): void {
    if (layer.diffId !== diffId) throw new DataLoss(`layer of the archive has diff ID ${layer.diffId}, the image says ${diffId}`);
  }

  /** Layers that had to be kept aside, bottom first. */
  async #finish(image: ArchivedImage): Promise<void> {
    for (const [i, place] of placesOf(image).entries()) {
      this.request.signal.throwIfAborted();
      if (this.options.layers.has(place.chainId)) continue;
      const path = image.layers[i]!;
      const row = this.#row(place.diffId);
      const file = this.spool.file(path);
      const progress = (current: number): void => row.count("Loading layer", current, file.size);
      progress(0);
      this.#check(await registerPackedFile(this.options.layers, { ...file, growth: null }, place.parent, this.lease, { progress }), place);
      progress(file.size);
    }
  }

  #create({ configBytes, tags }: ArchivedImage): LoadedImage {
    const { images } = this.options;
    const names = tags.map((tag) => formatReference(withDefaultTag(parseReference(tag))));
    return images.atomically(() => {
      const id = images.create(configBytes, this.lease);
      for (const [i, name] of names.entries()) {
        const before = images.tag(id, name);
        if (before !== null && before !== id) this.request.progress({ stream: `The image ${tags[i]!} already exists, renaming the old one with ID ${before} to empty string\n` });
      }
      return { id, tags: names };
    });
  }

  #row(diffId: DiffId): Row {
    const known = this.#rows.get(diffId);
    if (known !== undefined) return known;
    const row = new Row(this.request.progress, hexOf(diffId).slice(0, 12), this.options.clock);
    this.#rows.set(diffId, row);
    return row;
  }
}

function placesOf({ config }: ArchivedImage): Place[] {
  const diffIds = config.rootfs.diff_ids;
  const chain = chainIdsOf(diffIds);
  return chain.map((chainId, i) => ({ chainId, parent: chain[i - 1] ?? null, diffId: diffIds[i]! }));
}

/** Older archives hold a layer once and link to it from the other images. */
function resolveLink(base: readonly string[], target: string): string | undefined {
  if (target.startsWith("/")) return undefined;
  const parts = [...base];
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return memberPath(parts.join("/"));
}

function checkTag(tag: string): void {
  try {
    if (parseReference(tag).digest === undefined) return;
  } catch (e) {
    if (e instanceof InvalidReference) throw new InvalidArgument(`the archive names an image "${tag}": ${e.message}`, { cause: e });
    throw e;
  }
  throw new InvalidArgument(`the archive names an image "${tag}": a digest is no tag`);
}
