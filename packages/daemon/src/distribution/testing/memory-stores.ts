import { createHash, randomUUID } from "node:crypto";
import type { Hash } from "node:crypto";
import { appendFileSync, createReadStream } from "node:fs";
import { appendFile, mkdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { chainIdOf, chainIdsOf, digestOf, formatReference, parseReference, withDefaultTag } from "@strata/oci";
import type { ChainId, Descriptor, DiffId, Digest, ImageConfig, ImageId } from "@strata/oci";
import { decompress } from "../../archive/compress.js";
import { Conflict, DataLoss, NotFound, noUsage, systemClock } from "../../core/index.js";
import type {
  Container, ContainerStore, ContentStore, EventBus, GarbageCollector, GcReport, Image, ImageStore, ImageSummary, Ingest, Layer, LayerStore, Lease, LeaseStore,
  NodeKind, PackedSource, SnapshotId, StrataEvent, ComingParent, PackedFile,
} from "../../core/index.js";

/** The stores as plain memory, for tests of what is built on their interfaces. Ingests are files: others open them by path. */

export class MemoryLeases implements LeaseStore {
  readonly holds = new Map<string, Set<string>>();
  open(): Lease {
    const id = randomUUID();
    this.holds.set(id, new Set());
    return { id };
  }
  renew(): void {}
  hold(lease: Lease, kind: NodeKind, key: string): void {
    const held = this.holds.get(lease.id);
    if (held === undefined) throw new Conflict("the lease is closed");
    held.add(`${kind} ${key}`);
  }
  close(lease: Lease): void { this.holds.delete(lease.id); }
  async with<T>(_: string, work: (lease: Lease) => Promise<T>): Promise<T> {
    const lease = this.open();
    try {
      return await work(lease);
    } finally {
      this.close(lease);
    }
  }
  expire(): number { return 0; }
  held(kind: NodeKind, key: string): boolean { return [...this.holds.values()].some((h) => h.has(`${kind} ${key}`)); }
}

export class MemoryContent implements ContentStore {
  readonly blobs = new Map<string, { bytes: Buffer; descriptor: Descriptor }>();
  readonly ingests = new Map<string, { path: string; size: number }>();
  /** To be found damaged by who reads them. */
  readonly damaged = new Set<string>();
  readonly #open = new Map<string, Promise<void>>();
  constructor(private readonly directory: string) {}

  async put(body: Readable | Uint8Array, _: Lease, expected?: Partial<Descriptor>): Promise<Descriptor> {
    const bytes = body instanceof Uint8Array ? Buffer.from(body) : Buffer.concat(await body.toArray() as Buffer[]);
    const digest = digestOf(bytes);
    if (expected?.digest !== undefined && expected.digest !== digest) throw new DataLoss(`expected ${expected.digest}, got ${digest}`);
    const descriptor = { mediaType: expected?.mediaType ?? "", digest, size: bytes.length };
    this.blobs.set(digest, { bytes, descriptor });
    return descriptor;
  }

  async ingest(ref: string, expected: Descriptor): Promise<Ingest> {
    const known = this.blobs.get(expected.digest);
    if (known !== undefined) return await this.#kept(known);
    while (this.#open.has(ref)) await this.#open.get(ref);
    let closed = (): void => {};
    this.#open.set(ref, new Promise((resolve) => { closed = resolve; }));
    await mkdir(this.directory, { recursive: true });
    const entry = this.ingests.get(ref) ?? { path: join(this.directory, randomUUID()), size: 0 };
    if (!this.ingests.has(ref)) await appendFile(entry.path, "");
    this.ingests.set(ref, entry);
    const { ingests, blobs } = this, open = this.#open;
    let isOpen = true;
    const close = async (keep: boolean): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      if (!keep) {
        ingests.delete(ref);
        await rm(entry.path, { force: true });
      }
      open.delete(ref);
      closed();
    };
    return {
      get offset() { return entry.size; },
      get written() { return entry.size; },
      path: entry.path,
      async write(chunk) {
        appendFileSync(entry.path, chunk);
        entry.size += chunk.length;
      },
      async truncate() {
        await truncate(entry.path, 0);
        entry.size = 0;
      },
      async check() {
        const digest = digestOf(await readFile(entry.path));
        if (digest === expected.digest) return;
        await close(false);
        throw new DataLoss(`expected ${expected.digest}, got ${digest}`);
      },
      async commit() {
        blobs.set(expected.digest, { bytes: await readFile(entry.path), descriptor: expected });
        await close(false);
        return expected;
      },
      abort: close,
    };
  }
  async #kept({ bytes, descriptor }: { bytes: Buffer; descriptor: Descriptor }): Promise<Ingest> {
    await mkdir(this.directory, { recursive: true });
    const path = join(this.directory, `kept-${randomUUID()}`);
    await appendFile(path, bytes);
    return {
      offset: bytes.length, written: bytes.length, path, write: async () => {}, truncate: async () => {}, commit: async () => descriptor, abort: () => rm(path, { force: true }),
      check: async () => {
        if (digestOf(bytes) === descriptor.digest) return;
        this.blobs.delete(descriptor.digest);
        throw new DataLoss(`${descriptor.digest} is damaged`);
      },
    };
  }
  async open(digest: Digest): Promise<Readable> {
    const bytes = await this.read(digest);
    if (!this.damaged.has(digest)) return Readable.from([bytes]);
    return new Readable({ read() { this.destroy(new DataLoss(`${digest} is damaged`)); } });
  }
  async read(digest: Digest): Promise<Buffer> {
    const blob = this.blobs.get(digest);
    if (blob === undefined) throw new NotFound(`no blob ${digest}`);
    return blob.bytes;
  }
  stat(digest: Digest): Descriptor | undefined { return this.blobs.get(digest)?.descriptor; }
  list(): Iterable<Descriptor> { return [...this.blobs.values()].map((b) => b.descriptor); }
}

export class MemoryLayers implements LayerStore {
  readonly tars = new Map<ChainId, { layer: Layer; bytes: Buffer }>();
  /** Registrations under way and done, in order: `start <diffId>`, `end <diffId>`. */
  readonly log: string[] = [];

  async register(tar: Readable | PackedFile, parent: ChainId | null, _lease?: Lease, coming?: ComingParent): Promise<Layer> {
    await coming?.registered;
    if (parent !== null && !this.tars.has(parent)) throw new NotFound(`no layer ${parent}`);
    this.log.push(`start on ${parent}`);
    if (!(tar instanceof Readable)) for await (const length of tar.growth ?? []) this.log.push(`reached ${length}`);
    const hash: Hash = createHash("sha256");
    const chunks: Buffer[] = [];
    for await (const chunk of tar instanceof Readable ? tar : decompress(createReadStream(tar.path))) {
      hash.update(chunk as Buffer);
      chunks.push(chunk as Buffer);
    }
    const bytes = Buffer.concat(chunks);
    const diffId = `sha256:${hash.digest("hex")}` as DiffId;
    const chainId = chainIdOf(parent, diffId);
    const layer: Layer = {
      chainId, diffId, parent, driver: "memory", snapshot: chainId as string as SnapshotId, size: bytes.length, tarSize: bytes.length,
      usage: { bytes: bytes.length, inodes: 1 }, createdAt: 0,
    };
    this.tars.set(chainId, { layer, bytes });
    this.log.push(`end ${chainId}`);
    return layer;
  }
  get(id: ChainId): Layer {
    const found = this.tars.get(id);
    if (found === undefined) throw new NotFound(`no layer ${id}`);
    return found.layer;
  }
  has(id: ChainId): boolean { return this.tars.has(id); }
  check(): never { throw new Error("not used"); }
  list(): never { throw new Error("not used"); }
  totalSize(): number { return [...this.tars.values()].reduce((sum, { layer }) => sum + layer.size, 0); }
  async tar(source: ChainId | { readonly owner: string }): Promise<Readable> {
    if (typeof source !== "string") throw new NotFound("no writable layers here");
    this.get(source);
    return Readable.from([this.tars.get(source)!.bytes]);
  }
  describe(): { name: string; data: Record<string, string> } { return { name: "memory", data: {} }; }
  createWritable(): never { throw new Error("not used"); }
  mount(): never { throw new Error("not used"); }
  changes(): never { throw new Error("not used"); }
  usage(): never { throw new Error("not used"); }
  settledSizes(): never { throw new Error("not used"); }
  release(): never { throw new Error("not used"); }
}

interface MemoryImage { id: ImageId; bytes: Buffer; config: ImageConfig; parent: ImageId | null; storedAt: number; lastUsedAt: number; lastTaggedAt: number | null }

export class MemoryImages implements ImageStore {
  readonly images = new Map<ImageId, MemoryImage>();
  readonly references = new Map<string, ImageId>();
  readonly packed = new Map<string, PackedSource[]>();
  /** Who uses an image; `remove` refuses while it says so. */
  users: (id: ImageId) => number = () => 0;
  constructor(private readonly layers: MemoryLayers) {}

  create(config: Uint8Array, _: Lease, options?: { parent?: ImageId }): ImageId {
    const bytes = Buffer.from(config);
    const id = digestOf<ImageId>(bytes);
    const parsed = JSON.parse(bytes.toString()) as ImageConfig;
    for (const chain of chainIdsOf(parsed.rootfs.diff_ids)) this.layers.get(chain);
    if (!this.images.has(id)) this.images.set(id, { id, bytes, config: parsed, parent: options?.parent ?? null, storedAt: Date.now(), lastUsedAt: 0, lastTaggedAt: null });
    return id;
  }
  #get(id: ImageId): MemoryImage {
    const image = this.images.get(id);
    if (image === undefined) throw new NotFound(`No such image: ${id}`);
    return image;
  }
  #names(id: ImageId, digests: boolean): string[] {
    return [...this.references].filter(([name, i]) => i === id && name.includes("@") === digests).map(([name]) => name).sort();
  }
  get(id: ImageId): Image {
    const { config, parent, storedAt, lastUsedAt, lastTaggedAt } = this.#get(id);
    const chain = chainIdsOf(config.rootfs.diff_ids);
    return {
      id, config, parent, storedAt, lastUsedAt, lastTaggedAt, top: chain.at(-1) ?? null, size: chain.reduce((sum, c) => sum + this.layers.get(c).size, 0),
      tags: this.#names(id, false), digests: this.#names(id, true),
    };
  }
  has(id: ImageId): boolean { return this.images.has(id); }
  config(id: ImageId): Buffer { return this.#get(id).bytes; }
  resolve(text: string): ImageId {
    const hex = text.replace(/^sha256:/, "");
    const full = this.images.get(`sha256:${hex}` as ImageId);
    if (full !== undefined) return full.id;
    let named: ImageId | undefined;
    try {
      const reference = withDefaultTag(parseReference(text));
      named = this.references.get(formatReference(reference.digest === undefined ? reference : { ...reference, tag: undefined }));
    } catch {
      // Not a name; it may still be the beginning of an ID.
    }
    if (named !== undefined) return named;
    const matches = /^[0-9a-f]+$/.test(hex) ? [...this.images.keys()].filter((id) => id.startsWith(`sha256:${hex}`)) : [];
    if (matches.length !== 1) throw new NotFound(`No such image: ${text}`);
    return matches[0]!;
  }
  tag(id: ImageId, ref: string): ImageId | null {
    const before = this.references.get(ref) ?? null;
    this.#get(id).lastTaggedAt = Date.now();
    this.references.set(ref, id);
    return before;
  }
  untag(ref: string): boolean { return this.references.delete(ref); }
  remove(id: ImageId): void {
    this.#get(id);
    if (this.users(id) > 0 || [...this.images.values()].some((i) => i.parent === id)) throw new Conflict(`image ${id} is in use`);
    this.images.delete(id);
    for (const [name, i] of this.references) if (i === id) this.references.delete(name);
  }
  atomically<T>(work: () => T): T { return work(); }
  async prepareList(): Promise<void> {}
  list(): ImageSummary[] {
    return [...this.images.keys()].map((id) => {
      const { config, top: _, ...rest } = this.get(id);
      return { ...rest, createdAt: Date.parse(config.created ?? "1970-01-01T00:00:00Z"), labels: config.config?.Labels ?? {}, containers: this.users(id), sharedSize: 0 };
    });
  }
  touch(id: ImageId): void { this.#get(id).lastUsedAt = Date.now(); }
  addSource(diffId: string, source: PackedSource): void {
    const known = this.packed.get(diffId) ?? [];
    if (!known.some((s) => s.digest === source.digest && s.repository === source.repository)) known.push(source);
    this.packed.set(diffId, known);
  }
  sources(diffId: string): PackedSource[] { return this.packed.get(diffId) ?? []; }
  readonly described = new Map<ImageId, Set<Digest>>();
  addManifest(id: ImageId, digest: Digest): void { this.described.set(id, new Set(this.described.get(id)).add(digest)); }
  manifests(id: ImageId): Digest[] { return [...this.described.get(id) ?? []]; }
}

export class MemoryEvents implements EventBus {
  readonly events: StrataEvent[] = [];
  emit(event: Omit<StrataEvent, "time">): void { this.events.push({ ...event, time: systemClock.now() }); }
  subscribe(): never { throw new Error("not used"); }
  on(): () => void { return () => {}; }
}

/** Collects layers that neither an image nor a lease reaches. */
export class MemoryCollector implements GarbageCollector {
  readonly notes: string[] = [];
  constructor(private readonly images: MemoryImages, private readonly layers: MemoryLayers, private readonly leases: MemoryLeases) {}

  async collect(): Promise<GcReport> {
    const live = new Set<ChainId>();
    for (const { config } of this.images.images.values()) for (const chain of chainIdsOf(config.rootfs.diff_ids)) live.add(chain);
    for (const { layer } of this.layers.tars.values()) {
      if (!this.leases.held("layer", layer.chainId)) continue;
      for (let id: ChainId | null = layer.chainId; id !== null; id = this.layers.get(id).parent) live.add(id);
    }
    const items = [...this.layers.tars.values()].filter(({ layer }) => !live.has(layer.chainId)).map(({ layer }) => ({ kind: "layer" as const, key: layer.chainId, bytes: layer.usage.bytes }));
    for (const { key } of items) this.layers.tars.delete(key);
    return { items, freed: items.reduce((sum, i) => ({ bytes: sum.bytes + i.bytes, inodes: sum.inodes + 1 }), noUsage) };
  }
  notify(event: "mutation" | "deletion"): void { this.notes.push(event); }
  async recover(): Promise<GcReport> { return await this.collect(); }
}

/** Only what image services ask of containers. */
export function memoryContainers(list: () => readonly Container[]): ContainerStore {
  return { list } as Partial<ContainerStore> as ContainerStore;
}

export interface MemoryWorld {
  readonly leases: MemoryLeases;
  readonly content: MemoryContent;
  readonly layers: MemoryLayers;
  readonly images: MemoryImages;
  readonly events: MemoryEvents;
  readonly gc: MemoryCollector;
}

/** All of them, one behind the other; `directory` is for ingests. */
export function memoryWorld(directory: string): MemoryWorld {
  const leases = new MemoryLeases(), layers = new MemoryLayers(), images = new MemoryImages(layers);
  return { leases, layers, images, content: new MemoryContent(directory), events: new MemoryEvents(), gc: new MemoryCollector(images, layers, leases) };
}
