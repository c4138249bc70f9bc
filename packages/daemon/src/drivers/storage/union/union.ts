import { chmodSync, chownSync, mkdirSync, existsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { AlreadyExists, errnoOf, InvalidArgument, NotFound } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { Parents, Change, LayerFault, LayerSource, Mount, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, TreeUsage, DriverUsage } from "../../../core/storage.js";
import { unmountAll } from "../../../kernel/mount.js";
import { FileSystemSync } from "../../../kernel/sync.js";
import { allocatedTo } from "../../../kernel/usage.js";
import { auditTree } from "../audit.js";
import { parentsOf } from "../below.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { checkId } from "../trees.js";
import type { UnionLayout } from "./layout.js";

/** What stacks directories in which AUFS's marks say what is hidden. Paths are absolute, lower directories nearest first. */
export interface Union {
  readOnly(lowers: readonly string[]): readonly Mount[];
  writable(parts: { readonly upper: string; readonly work: string; readonly lowers: readonly string[] }, volatile: boolean): readonly Mount[];
}

/**
 * Layers as directories with AUFS's marks (`.wh.NAME`, `.wh..wh..opq`: a layer's tar, unpacked as it is), stacked by
 * a union file system that reads them, and writes them in the uppermost.
 */
export class UnionDriver implements OpenedDriver {
  private readonly trash: Trash;
  private readonly disk: FileSystemSync;

  constructor(
    readonly name: string, private readonly setup: DriverSetup, private readonly layout: UnionLayout, private readonly union: Union,
    readonly status: () => Promise<StatusLines>,
  ) {
    this.disk = new FileSystemSync(setup.root);
    this.trash = new Trash(setup.trash, setup.workers, setup.logger);
  }

  async create(id: SnapshotId, parents: readonly SnapshotId[], { size }: SnapshotOptions = {}): Promise<void> {
    if (size !== undefined) throw new InvalidArgument(`the storage driver ${this.name} cannot limit the size of a container`);
    await this.make(id, parents, true);
    await this.disk.flush();
  }

  async mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    const { layout, union } = this;
    this.mustExist(id);
    if (mode !== "ro" && layout.isCommitted(id)) throw new InvalidArgument(`snapshot ${id} is committed and cannot be mounted for writing`);
    const target = layout.target(id), upper = layout.diff(id);
    await this.clearDead(target);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    if (parents.length === 0) return { target, mounts: [{ type: "bind", source: upper, options: mode === "ro" ? ["rbind", "ro"] : ["rbind"] }] };
    if (mode === "ro") return { target, mounts: union.readOnly(layout.stacked([id, ...parents])) };
    const work = layout.work(id);
    mkdirSync(work, { recursive: true, mode: 0o700 });
    return { target, mounts: union.writable({ upper, work, lowers: layout.stacked(parents) }, mode === "volatile") };
  }
  async unmounted(): Promise<void> {}

  async apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    const parents = await parentsOf(below, tar);
    const { layout } = this;
    try { await this.make(id, parents, false); }
    catch (error) { tar.destroy(); throw error; }
    try {
      const whiteouts = { lowers: this.diffs(parents), marks: "aufs" } as const;
      const { size } = await this.setup.workers.consume("apply", { root: layout.diff(id), whiteouts, split: layout.split(id) }, tar);
      layout.commit(id);
      // Blocks are given out when they are written.
      await this.disk.flush();
      const { bytes, inodes } = await this.measure(id);
      return { bytes, inodes, size };
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async tar(id: SnapshotId): Promise<Readable> {
    const { layout } = this;
    if (!existsSync(layout.split(id))) throw new NotFound(`snapshot ${id} is no layer, or has no split file`);
    return this.setup.workers.produce("reassemble", { root: layout.diff(id), split: layout.split(id) });
  }

  audit(id: SnapshotId): Promise<LayerFault | undefined> {
    return auditTree(this.setup.workers, { root: this.layout.diff(id), source: { split: this.layout.split(id) }, lowers: null });
  }

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    await this.settle(id);
    yield* await this.setup.workers.run("changes", { root: this.layout.diff(id), kind: "aufs", lowers: this.diffs(parents) });
  }

  /** By comparison: the upper directory alone would call every directory opaque that is new. */
  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    this.mustExist(id);
    await this.settle(id);
    return this.setup.workers.produce("changesTar", { root: this.layout.diff(id), kind: "aufs", lowers: this.diffs(parents) });
  }

  async usage(id: SnapshotId): Promise<TreeUsage> {
    await this.settle(id);
    return this.measure(id);
  }

  async remove(id: SnapshotId): Promise<void> {
    await unmountAll(this.layout.target(id));
    await this.layout.remove(id, this.trash);
  }
  list(): AsyncIterable<SnapshotId> { return this.layout.list(); }

  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> { return this.layout.describe(id, parents); }
  async reconfigure(): Promise<void> {}
  drainTrash(): Promise<void> { return this.trash.drain(); }
  async overhead(): Promise<DriverUsage> { return { name: this.name, ...await allocatedTo(this.layout.common), holdsSnapshots: false }; }
  async close(): Promise<void> {}

  private diffs(ids: readonly SnapshotId[]): string[] { return ids.map((id) => this.layout.diff(id)); }
  private mustExist(id: SnapshotId): void { if (!existsSync(this.layout.diff(id))) throw new NotFound(`No such snapshot: ${id}`); }

  private async make(id: SnapshotId, parents: readonly SnapshotId[], writable: boolean): Promise<void> {
    checkId(id);
    try { this.layout.make(id, parents, writable); }
    catch (error) {
      if (errnoOf(error) === "EEXIST") throw new AlreadyExists(`snapshot ${id} exists already`);
      await this.remove(id);
      throw error;
    }
    const [parent] = parents;
    if (parent === undefined) return;
    // The merged root shows the upper directory's attributes: hand down those of the layer below.
    const { uid, gid, mode } = statSync(this.layout.diff(parent)), own = this.layout.diff(id);
    if (uid !== 0 || gid !== 0) chownSync(own, uid, gid);
    chmodSync(own, mode & 0o7777);
  }

  private async measure(id: SnapshotId): Promise<TreeUsage> {
    const [diff, ...parts] = await Promise.all([this.layout.diff(id), ...this.layout.parts(id)].map((path) => this.setup.workers.run("usage", { path })));
    const sum = (of: "bytes" | "inodes"): number => parts.reduce((all, part) => all + part[of], 0);
    return { bytes: sum("bytes"), inodes: sum("inodes"), size: diff!.size };
  }

  /** What programs wrote may still be in memory, as pages of the union: sends them on to the upper directory. */
  private async settle(id: SnapshotId): Promise<void> {
    const target = this.layout.target(id);
    try {
      const [own, folder] = await Promise.all([stat(target), stat(dirname(target))]);
      if (own.dev !== folder.dev) await new FileSystemSync(target).flush();
    } catch (error) { if (!GONE.has(errnoOf(error) ?? "")) throw error; }
  }

  /** A mount whose program has died is there and answers nothing. */
  private async clearDead(target: string): Promise<void> {
    try { await stat(target); }
    catch (error) { if (DEAD.has(errnoOf(error) ?? "")) await unmountAll(target); }
  }
}

/** Aborted: at the moment when it died. */
const DEAD = new Set(["ENOTCONN", "ECONNABORTED"]);
const GONE = new Set(["ENOENT", ...DEAD]);
