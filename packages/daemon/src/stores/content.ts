import { existsSync } from "node:fs";
import { open, rename, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Descriptor, type Digest, digestOf, hexOf } from "@strata/oci";
import { type Clock, type Collectable, type ContentStore, DataLoss, type DataRoot, errnoOf, type Ingest, type Lease, type LeaseStore, type Logger, newId, NotFound, noUsage, type Usage } from "../core/index.js";
import type { WorkerPool } from "../archive/workers/pool.js";
import type { Ledger } from "../db/ledger.js";
import { DirectSink, threadSink } from "./ingest-sink.js";
import { CompleteIngest, FileIngest, type IngestHome } from "./ingest.js";
import { KeyedLock } from "./keyed-lock.js";
import { Leaving } from "./leaving.js";
import { namesIn } from "./names.js";
import { orNull } from "./rows.js";
import { readVerified } from "./verified.js";
import { makeDirectories } from "../core/make-directories.js";

interface IngestRow { readonly id: string; readonly digest: string | null }
const BLOB = "SELECT digest, media_type AS mediaType, size FROM blob";
const OCTETS = "application/octet-stream";
/** Up to so many bytes no thread is asked. */
const DIRECT = 256 * 1024;

/**
 * Blobs in `content/blobs/sha256/<hex>`; what is on its way lies in `content/ingest/<id>/data` beside its `ref`.
 * A blob becomes one by: hash while writing, sync the file, rename, sync the directory, row.
 */
export class FileContent implements ContentStore {
  /** Ingests by ref: one is open at a time. */
  private readonly refs = new KeyedLock();
  /** Blobs by digest: a sweep must not take the file that a commit has just moved in. */
  private readonly files = new KeyedLock();
  readonly collectables: readonly Collectable[];
  /** Names of files and directories whose rows are gone, until they are. */
  private readonly leaving = new Leaving();

  constructor(private readonly ledger: Ledger, private readonly leases: LeaseStore, private readonly root: DataRoot, private readonly workers: WorkerPool, private readonly clock: Clock, private readonly logger: Logger) {
    this.collectables = [
      { kind: "blob", forget: (keys) => this.forget("DELETE FROM blob WHERE digest = ?", keys), sweep: () => this.leaving.sweeping((key) => key.startsWith("sha256:"), () => this.sweepBlobs()) },
      { kind: "ingest", forget: (keys) => this.forget("DELETE FROM ingest WHERE id = ?", keys), sweep: () => this.leaving.sweeping((key) => !key.startsWith("sha256:"), () => this.sweepIngests()) },
    ];
  }

  async put(body: Readable | Uint8Array, lease: Lease, expected: Partial<Descriptor> = {}): Promise<Descriptor> {
    const digest = body instanceof Uint8Array ? digestOf(body) : expected.digest;
    if (body instanceof Uint8Array && ((expected.digest ?? digest) !== digest || (expected.size ?? body.length) !== body.length)) {
      throw new DataLoss(`${expected.digest ?? "the content"} could not be verified: it has ${body.length} bytes with digest ${digest}`);
    }
    const known = digest === undefined ? undefined : this.claim(digest, lease);
    // What is at hand as a whole also mends a damaged file.
    if (known !== undefined && (body instanceof Readable || (await this.isSound(known)))) {
      if (body instanceof Readable) body.destroy();
      return known;
    }
    const id = newId<string>();
    let ingest: FileIngest | undefined;
    try {
      ingest = await this.begin(id, `put ${id}`, body instanceof Uint8Array ? { ...expected, size: body.length } : expected, lease, () => undefined);
      if (body instanceof Uint8Array) await ingest.write(body);
      else for await (const chunk of body as AsyncIterable<Buffer>) await ingest.write(chunk);
      return await ingest.commit(lease);
    } catch (e) {
      if (body instanceof Readable) body.destroy();
      await ingest?.abort(false);
      await this.drop(id);
      throw e;
    }
  }

  async ingest(ref: string, expected: Descriptor, lease: Lease): Promise<Ingest> {
    const release = await this.refs.acquire(ref);
    try {
      const known = this.claim(expected.digest, lease);
      if (known !== undefined) {
        release();
        return new CompleteIngest({ hold: (holder) => this.leases.hold(holder, "blob", known.digest), check: () => this.recheck(known) }, known, this.path(known.digest));
      }
      const row = this.ledger.sql<[string], IngestRow>("SELECT id, digest FROM ingest WHERE ref = ?").get(ref);
      if (row !== undefined && row.digest !== expected.digest) await this.drop(row.id);
      const ingest = await this.begin(row?.digest === expected.digest ? row.id : newId<string>(), ref, expected, lease, release);
      // After a power cut it is to be found again; what of its bytes is on disk by then, the kernel decides.
      this.ledger.flush().catch(() => undefined);
      return ingest;
    } catch (e) {
      release();
      throw e;
    }
  }

  async open(digest: Digest, offset = 0): Promise<Readable> {
    const blob = this.stat(digest);
    if (blob === undefined) throw missing(digest);
    return readVerified(this.path(digest), digest, blob.size, offset);
  }

  async read(digest: Digest): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of await this.open(digest) as AsyncIterable<Buffer>) chunks.push(chunk);
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  stat(digest: Digest): Descriptor | undefined {
    return this.ledger.sql<[string], Descriptor>(`${BLOB} WHERE digest = ?`).get(digest);
  }

  list(): Iterable<Descriptor> {
    return this.ledger.sql<[], Descriptor>(`${BLOB} ORDER BY digest`).all();
  }

  /** Where a blob's bytes lie. */
  path(digest: Digest): string {
    return join(this.root.blobs, hexOf(digest));
  }

  /** Files that are no blob's, and directories that are no ingest's; none of what is coming or going. */
  async strays(): Promise<{ blobs: Digest[]; ingests: string[] }> {
    const blobs = (await namesIn(this.root.blobs)).map((name) => `sha256:${name}` as Digest).filter((digest) => this.stat(digest) === undefined && !this.leaving.has(digest));
    const ingests = (await namesIn(this.root.ingests)).filter((id) => !this.isIngest(id) && !this.leaving.has(id));
    if (blobs.length + ingests.length === 0) return { blobs, ingests };
    // What was leaving until a moment ago is gone now; a file that a commit has just moved in has its row once its lock is free.
    const real = await Promise.all(blobs.map((digest) => this.files.run(digest, async () => this.stat(digest) === undefined && existsSync(this.path(digest)))));
    return { blobs: blobs.filter((_, i) => real[i]), ingests: ingests.filter((id) => existsSync(join(this.root.ingests, id))) };
  }
  /** As a sweep does. Absent is success. */
  async removeStrayBlob(digest: Digest): Promise<Usage> {
    if (this.stat(digest) !== undefined) return noUsage;
    return this.files.run(digest, async () => (this.stat(digest) === undefined ? removeFile(this.path(digest)) : noUsage));
  }
  async removeStrayIngest(id: string): Promise<Usage> {
    if (this.isIngest(id)) return noUsage;
    const freed = await removeFile(join(this.root.ingests, id, "data"));
    await this.removeIngest(id);
    return freed;
  }

  /** Start-up: forgets downloads whose directories a power cut took. There is nothing to take up. */
  forgetLost(): void {
    const lost = this.ledger.sql<[], { id: string }>("SELECT id FROM ingest").all().filter(({ id }) => !existsSync(join(this.root.ingests, id)));
    this.ledger.transaction(() => this.forget("DELETE FROM ingest WHERE id = ?", lost.map(({ id }) => id)), { durable: false });
  }

  private isIngest(id: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM ingest WHERE id = ?").get(id) !== undefined;
  }

  private async isSound({ digest }: Descriptor): Promise<boolean> {
    try {
      await this.read(digest);
      return true;
    } catch (e) {
      if (e instanceof DataLoss) return false;
      throw e;
    }
  }

  /** DataLoss when a blob is damaged; the next who wants it fetches it anew. */
  private async recheck({ digest, size }: Descriptor): Promise<void> {
    try {
      await finished(readVerified(this.path(digest), digest, size).resume());
    } catch (e) {
      if (!(e instanceof DataLoss)) throw e;
      this.logger.warn({ digest, reason: e.message }, "a kept blob is damaged and goes");
      this.forget("DELETE FROM blob WHERE digest = ?", [digest]);
      await this.removeStrayBlob(digest);
      throw e;
    }
  }

  /** The blob, held by the lease, if it exists. */
  private claim(digest: Digest, lease: Lease): Descriptor | undefined {
    const known = this.stat(digest);
    if (known !== undefined) this.leases.hold(lease, "blob", digest);
    return known;
  }

  /** Opens the ingest `id`, new or to be resumed. The row comes first. */
  private async begin(id: string, ref: string, expected: Partial<Descriptor>, lease: Lease, closed: () => void): Promise<FileIngest> {
    const now = this.clock.now();
    this.ledger.transaction(() => {
      this.leases.hold(lease, "ingest", id);
      this.ledger.sql<[string, string, string | null, number | null, string, number, number]>(
        "INSERT INTO ingest (id, ref, digest, size, media_type, created_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at",
      ).run(id, ref, orNull(expected.digest), orNull(expected.size), expected.mediaType ?? OCTETS, now, now);
    }, { durable: false });
    const directory = join(this.root.ingests, id), path = join(directory, "data");
    const home: IngestHome = {
      keep: (file, found, holder) => this.keep(id, holder, path, file, { mediaType: expected.mediaType ?? OCTETS, ...found }),
      drop: () => this.drop(id),
      closed,
    };
    await makeDirectories(directory, 0o700);
    await writeFile(join(directory, "ref"), ref, { mode: 0o600 });
    const file = await open(path, "a+", 0o600).then(async (created) => { await created.close(); return open(path, "r+"); });
    try {
      let { size } = await file.stat();
      if (size > (expected.size ?? 0)) {
        await file.truncate(0);
        size = 0;
      }
      const direct = size === 0 && expected.size !== undefined && expected.size <= DIRECT;
      return new FileIngest(home, path, file, expected, (to, from) => (direct && from === 0 ? new DirectSink(to) : threadSink(this.workers, to, from)), size);
    } catch (e) {
      await file.close();
      throw e;
    }
  }

  private async keep(id: string, lease: Lease, from: string, file: Awaited<ReturnType<typeof open>>, blob: Descriptor): Promise<Descriptor> {
    let bytes: number;
    try {
      await file.datasync();
      bytes = (await file.stat()).blocks * 512;
    } finally {
      await file.close();
    }
    return this.leaving.during(id, () => this.moveIn(id, lease, from, blob, bytes));
  }
  private async moveIn(id: string, lease: Lease, from: string, blob: Descriptor, bytes: number): Promise<Descriptor> {
    await this.files.run(blob.digest, async () => {
      await rename(from, this.path(blob.digest));
      await syncDirectory(this.root.blobs);
      this.ledger.transaction(() => {
        this.ledger.sql<[string, string, number, number, number]>("INSERT INTO blob (digest, media_type, size, bytes, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes")
          .run(blob.digest, blob.mediaType, blob.size, bytes, this.clock.now());
        this.ledger.sql<[string]>("DELETE FROM ingest WHERE id = ?").run(id);
        this.leases.hold(lease, "blob", blob.digest);
      }, { durable: false });
    });
    await Promise.all([this.ledger.flush(), this.removeIngest(id)]);
    return blob;
  }

  private async drop(id: string): Promise<void> {
    await this.leaving.during(id, async () => {
      this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM ingest WHERE id = ?").run(id), { durable: false });
      await this.removeIngest(id);
    });
  }
  private async removeIngest(id: string): Promise<void> {
    await rm(join(this.root.ingests, id), { recursive: true, force: true });
  }

  private forget(statement: string, keys: readonly string[]): void {
    for (const key of keys) {
      this.ledger.sql<[string]>(statement).run(key);
      this.leaving.add(key);
    }
  }

  private async sweepBlobs(): Promise<Usage> {
    let freed = noUsage;
    for (const name of await namesIn(this.root.blobs)) {
      const digest = `sha256:${name}` as Digest;
      if (this.stat(digest) === undefined) freed = added(freed, await this.removeStrayBlob(digest));
    }
    return freed;
  }

  private async sweepIngests(): Promise<Usage> {
    let freed = noUsage;
    for (const id of await namesIn(this.root.ingests)) {
      if (this.isIngest(id)) continue;
      this.logger.debug({ ingest: id }, "removing a download that nobody resumes");
      freed = added(freed, await this.removeStrayIngest(id));
    }
    return freed;
  }
}

const added = (a: Usage, b: Usage): Usage => ({ bytes: a.bytes + b.bytes, inodes: a.inodes + b.inodes });

/** Removes a file and tells what it took. Absent is success. */
async function removeFile(path: string): Promise<Usage> {
  try {
    const { blocks } = await stat(path);
    await unlink(path);
    return { bytes: blocks * 512, inodes: 1 };
  } catch (e) {
    if (errnoOf(e) === "ENOENT" || errnoOf(e) === "ENOTDIR") return noUsage;
    throw e;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

const missing = (digest: Digest): NotFound => new NotFound(`blob ${digest} does not exist`);
