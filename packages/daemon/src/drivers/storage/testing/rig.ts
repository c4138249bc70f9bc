import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { tarOf, type Member } from "../../../archive/testing/tar-of.js";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { newId, type SnapshotId } from "../../../core/ids.js";
import type { TreeUsage, Change, OpenedDriver } from "../../../core/storage.js";
import { silentLogger } from "../../../core/logger.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { vfsDriver } from "../vfs.js";

export interface Subject {
  readonly driver: OpenedDriver;
  /** Leaves on disk what a crash in the middle of making or removing snapshot `id` leaves: one state for each function. */
  readonly crashes: readonly ((id: SnapshotId) => void)[];
  /** Bytes of the longest name that a container can make, where that is less than Linux's 255. */
  readonly longestName?: number;
  /** What was opened in a mount is lost when the snapshot is removed (fuse-overlayfs looks at its files by their paths). */
  readonly losesOpenFiles?: boolean;
  /** Where the snapshot's own files lie, for tests that damage them. */
  tree(id: SnapshotId): string;
  /** A data root that serves one test after the other, where making one takes long. Whoever made it removes it. */
  readonly dataRoot?: string;
  /** Files below the data root that stay when no snapshot is left. */
  readonly stays?: (name: string) => boolean;
  /** Bytes by which a layer of a few files may take more than they do: blocks of the driver's own. */
  readonly slack?: number;
  /** What its file system cannot hold. */
  readonly lacks?: { readonly ownersAbove: number; readonly nanoseconds: true; readonly holes: true };
  /** The highest minor number of a device that it takes, when that is not 2²⁰-1 (XFS: 2¹⁸-1). */
  readonly highestMinor?: number;
}

/** One driver on a data root of its own, and the checks that nothing stays behind. */
export class Rig {
  readonly subject: Subject;
  readonly dataRoot: string;
  constructor(make: (dataRoot: string, workers: WorkerPool) => Subject, workers: WorkerPool, private readonly own = newDataRoot()) {
    this.subject = make(own, workers);
    this.dataRoot = this.subject.dataRoot ?? own;
  }
  static async open(make: (dataRoot: string, workers: WorkerPool) => Subject | Promise<Subject>, workers: WorkerPool, place?: string): Promise<Rig> {
    const dataRoot = newDataRoot(place), subject = await make(dataRoot, workers);
    return new Rig(() => subject, workers, dataRoot);
  }
  get driver(): OpenedDriver { return this.subject.driver; }

  get highestOwner(): number { return this.subject.lacks?.ownersAbove ?? 4294967294; }
  /** A time of treeOf as the file system keeps it. */
  time(text: string): string { return this.subject.lacks?.nanoseconds ? text.replace(/\.\d+/, ".000000000") : text; }
  /** A minor number of more than 16 bits. */
  get highMinor(): number { return Math.min(300_000, this.subject.highestMinor ?? 2 ** 20 - 1); }

  id(): SnapshotId { return newId<SnapshotId>(); }

  async apply(tar: Buffer | readonly Member[], parents: readonly SnapshotId[] = [], id = this.id()): Promise<{ id: SnapshotId; applied: TreeUsage }> {
    const bytes = Buffer.isBuffer(tar) ? tar : tarOf(tar);
    const applied = await this.driver.apply(id, parents, inPieces(bytes));
    // Where the file system cannot hold all that a tar says, an audit would tell.
    if (!this.subject.lacks) expect(await this.driver.audit(id, parents)).toBeUndefined();
    return { id, applied };
  }
  /** Layers one on the other; the chain, nearest first. */
  async chain(...layers: (Buffer | readonly Member[])[]): Promise<SnapshotId[]> {
    const chain: SnapshotId[] = [];
    for (const layer of layers) chain.unshift((await this.apply(layer, chain)).id);
    return chain;
  }
  async create(parents: readonly SnapshotId[]): Promise<SnapshotId[]> {
    const id = this.id();
    await this.driver.create(id, parents);
    return [id, ...parents];
  }
  /** Runs with the tree of `chain[0]` in sight. */
  async view<T>([id, ...parents]: readonly SnapshotId[], use: (path: string) => T | Promise<T>, mode: "ro" | "rw" | "volatile" = "ro"): Promise<T> {
    const plan = await this.driver.mounts(id!, parents, mode);
    try {
      await mountPlan(plan);
      try { return await use(plan.tree ?? plan.target); }
      finally { if (plan.mounts.length > 0) await unmountAll(plan.target); }
    } finally { await this.driver.unmounted(id!); }
  }
  async tar([id, ...parents]: readonly SnapshotId[]): Promise<Buffer> { return collect(await this.driver.tar(id!, parents)); }
  async diff([id, ...parents]: readonly SnapshotId[]): Promise<Buffer> { return collect(await this.driver.diff(id!, parents)); }
  async changes([id, ...parents]: readonly SnapshotId[]): Promise<string[]> {
    const found: Change[] = [];
    for await (const change of this.driver.changes(id!, parents)) found.push(change);
    return found.map(({ kind, path }) => `${"CAD"[kind]!} ${path}`);
  }
  async list(): Promise<SnapshotId[]> {
    const found: SnapshotId[] = [];
    for await (const id of this.driver.list()) found.push(id);
    return found.sort();
  }

  /** Removes every snapshot; what is on disk or mounted then was left behind. */
  async leftovers(): Promise<string[]> {
    for (const id of await this.list()) await this.driver.remove(id);
    await this.list();
    await this.driver.drainTrash();
    const files: string[] = [];
    for (const name of readdirSync(this.dataRoot, { recursive: true, encoding: "utf8" })) {
      // The driver's own folders stay; what is in them must not.
      if (name.split("/").length > 2 && this.subject.stays?.(name) !== true) files.push(name);
    }
    return [...await this.list(), ...files, ...mountsBelow(this.dataRoot).map((entry) => `mount ${entry.target}`)];
  }
  async destroy(): Promise<void> {
    for (const { target } of mountsBelow(this.dataRoot).reverse()) await unmountAll(target);
    if (this.subject.dataRoot === undefined) await this.driver.close();
    if (existsSync(this.own)) rmSync(this.own, { recursive: true, force: true });
  }
}

export const newDataRoot = (place = tmpdir()): string => mkdtempSync(join(place, "strata-storage-"));

/** The plainest driver, which the others must agree with. */
export function vfsRig(workers: WorkerPool): Rig {
  return new Rig((dataRoot, pool) => ({
    driver: vfsDriver({ root: join(dataRoot, "vfs"), trash: join(dataRoot, "trash"), workers: pool, options: new Map(), report: () => undefined, logger: silentLogger }),
    crashes: [], tree: (id) => join(dataRoot, "vfs", "dir", id),
  }), workers);
}

/** Delivers in pieces that fit nothing. */
export function inPieces(bytes: Buffer, size = 70_001): Readable {
  return Readable.from((function* () { for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size); })(), { objectMode: false });
}
export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
export const noise = (size: number): Buffer => randomBytes(size);
