import { existsSync, mkdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { WorkerPool } from "../../archive/workers/pool.js";
import { AlreadyExists, errnoOf, InvalidArgument, NotFound } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import type { Logger } from "../../core/logger.js";
import type { TreeUsage, Change, MountPlan, StorageDriver } from "../../core/storage.js";
import { FileSystemSync } from "../../kernel/sync.js";
import { Trash } from "./trash.js";

export interface VfsOptions {
  /** `<data-root>/vfs` */
  readonly root: string;
  /** `<data-root>/trash`; same file system. */
  readonly trash: string;
  readonly workers: WorkerPool;
  readonly logger: Logger;
}

/**
 * Every snapshot a whole tree, copied from its parent: needs nothing of the kernel, and much of the disk.
 *
 *   <root>/dir/<id>         the tree
 *   <root>/split/<id>.gz    what puts the layer's tar together again
 */
export class VfsDriver implements StorageDriver {
  readonly name = "vfs";
  private readonly trash: Trash;
  private readonly disk: FileSystemSync;

  constructor(private readonly options: VfsOptions) {
    this.disk = new FileSystemSync(options.root);
    this.trash = new Trash(options.trash, options.workers, options.logger);
  }

  async create(id: SnapshotId, parents: readonly SnapshotId[]): Promise<void> {
    await this.make(id, parents);
  }

  async mounts(id: SnapshotId): Promise<MountPlan> {
    if (!existsSync(this.tree(id))) throw new NotFound(`No such snapshot: ${id}`);
    return { target: this.tree(id), mounts: [] };
  }

  async apply(id: SnapshotId, parents: readonly SnapshotId[], tar: Readable): Promise<TreeUsage> {
    try { await this.make(id, parents); }
    catch (error) { tar.destroy(); throw error; }
    try {
      const { size } = await this.options.workers.consume("apply", { root: this.tree(id), whiteouts: "delete", split: this.split(id) }, tar);
      const [usage] = await Promise.all([this.usage(id), this.disk.flush()]);
      return { ...usage, size };
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async tar(id: SnapshotId): Promise<Readable> {
    if (!existsSync(this.split(id))) throw new NotFound(`snapshot ${id} is no layer, or has no split file`);
    return this.options.workers.produce("reassemble", { root: this.tree(id), split: this.split(id) });
  }

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    yield* await this.options.workers.run("changes", this.comparison(id, parents));
  }

  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    if (!existsSync(this.tree(id))) throw new NotFound(`No such snapshot: ${id}`);
    return this.options.workers.produce("changesTar", this.comparison(id, parents));
  }

  async usage(id: SnapshotId): Promise<TreeUsage> {
    const { workers } = this.options;
    const [tree, split] = await Promise.all([workers.run("usage", { path: this.tree(id) }), workers.run("usage", { path: this.split(id) })]);
    return { bytes: tree.bytes + split.bytes, inodes: tree.inodes + split.inodes, size: tree.size };
  }

  async remove(id: SnapshotId): Promise<void> {
    // The tree last: as long as it is there, `list` shows the snapshot by its own name.
    for (const path of [`${this.split(id)}.kept`, `${this.split(id)}.next`, this.split(id), this.tree(id)]) await this.trash.take(path);
  }

  async *list(): AsyncIterable<SnapshotId> {
    const names = (folder: string): Promise<string[]> => readdir(join(this.options.root, folder)).catch((error: unknown) => { if (errnoOf(error) === "ENOENT") return []; throw error; });
    const ids = new Set(await names("dir"));
    for (const name of await names("split")) ids.add(name.replace(/\.gz(?:\.kept|\.next)?$/, ""));
    for (const id of ids) yield id as SnapshotId;
  }

  describe(): Readonly<Record<string, string>> { return {}; }
  /** Lines of `docker info`. */
  status(): [string, string][] { return []; }

  /** Resolves when everything removed so far is gone from the disk. */
  drainTrash(): Promise<void> { return this.trash.drain(); }

  private tree(id: SnapshotId): string { return join(this.options.root, "dir", id); }
  private split(id: SnapshotId): string { return join(this.options.root, "split", `${id}.gz`); }
  private comparison(id: SnapshotId, parents: readonly SnapshotId[]): { root: string; kind: "plain"; lowers: string[] } {
    return { root: this.tree(id), kind: "plain", lowers: parents.slice(0, 1).map((parent) => this.tree(parent)) };
  }

  private async make(id: SnapshotId, [parent]: readonly SnapshotId[]): Promise<void> {
    if (id === "" || id.includes("/") || id.startsWith(".")) throw new InvalidArgument(`not a snapshot id: ${JSON.stringify(id)}`);
    for (const folder of ["dir", "split"]) mkdirSync(join(this.options.root, folder), { recursive: true, mode: 0o700 });
    try { mkdirSync(this.tree(id), { mode: 0o755 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    if (parent === undefined) return;
    try { await this.options.workers.run("copyTree", { from: this.tree(parent), to: this.tree(id) }); }
    catch (error) {
      await this.remove(id);
      throw error;
    }
  }
}
