import { chmodSync, chownSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { AlreadyExists, DataLoss, errnoOf, InvalidArgument, messageOf, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { Parents, Change, LayerFault, LayerSource, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, TreeUsage, DriverUsage } from "../../../core/storage.js";
import { probeProjectQuotas, type ProjectQuotaProbe } from "../../../kernel/project-quota.js";
import { FileSystemSync, syncNew } from "../../../kernel/sync.js";
import { allocatedTo } from "../../../kernel/usage.js";
import { auditTree } from "../audit.js";
import { parentsOf } from "../below.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { checkId, namesIn } from "../trees.js";
import { backingName, probeOverlay, type OverlayFeatures } from "./probe.js";
import { OverlayWritables, type Below, type WritablePaths } from "./writable.js";

/** Builds the driver on what a probe of its root finds. Unavailable says why it does not work there. */
export async function openOverlay(setup: DriverSetup): Promise<OpenedDriver> {
  const probe = probeOverlay(setup.root);
  if (!probe.ok) throw new Unavailable(probe.reason);
  const dir = mkdtempSync(join(setup.root, "probe-"));
  try {
    writeFileSync(join(dir, "one"), "");
    linkSync(join(dir, "one"), join(dir, "two"));
  } catch (error) {
    throw new Unavailable(`${probe.features.backing} at ${setup.root} makes no hard links, by which layers share their files: ${messageOf(error)}`, { cause: error });
  } finally { rmSync(dir, { recursive: true, force: true }); }
  return new OverlayDriver(setup, probe.features, probeProjectQuotas(setup.root));
}

/**
 * Docker's first driver on overlayfs: a layer is a whole tree whose unchanged files are hard links to its parent's, a
 * container an overlay on one of them. Layers are never changed, so nothing may be done to a file in place.
 *
 *   <root>/<id>/root                        the whole tree; layers, and containers without a layer below
 *   <root>/<id>/tar-split.gz                what puts the layer's tar together again; it makes a layer of a snapshot
 *   <root>/<id>/lower-id                    the layer that a container lies on
 *   <root>/<id>/{upper,work,merged}         what it changed, overlayfs's scratch, where the whole is mounted
 *
 * A container on another (on its init snapshot) begins with a copy of what that one changed.
 */
export class OverlayDriver implements OpenedDriver {
  readonly name = "overlay";
  private readonly trash: Trash;
  private readonly disk: FileSystemSync;
  private readonly writables: OverlayWritables;

  constructor(private readonly setup: DriverSetup, private readonly features: OverlayFeatures, quota: ProjectQuotaProbe) {
    // The kernel splits option strings at these.
    if (/[,:\\]/.test(setup.root)) throw new InvalidArgument(`overlay: the data root must not contain a comma, colon or backslash: ${setup.root}`);
    this.disk = new FileSystemSync(setup.root);
    this.trash = new Trash(setup.trash, setup.workers, setup.logger);
    this.writables = new OverlayWritables(this.name, features, quota, setup.workers);
    mkdirSync(setup.root, { recursive: true, mode: 0o700 });
  }

  async create(id: SnapshotId, [parent]: readonly SnapshotId[], { size }: SnapshotOptions = {}): Promise<void> {
    await this.make(id, async () => {
      if (parent === undefined) {
        if (size !== undefined) throw new InvalidArgument("the storage driver overlay cannot limit the size of a container that lies on no layer");
        mkdirSync(this.tree(id), { mode: 0o755 });
        await syncNew(this.snapshot(id));
        return;
      }
      const lower = this.lowerOf(parent), paths = this.paths(id), copied = !this.isTree(parent);
      writeFileSync(this.at(id, "lower-id"), lower, { mode: 0o600 });
      this.makeLike(paths.upper, copied ? this.paths(parent).upper : this.tree(lower));
      this.writables.make(paths, size);
      if (copied) await this.setup.workers.run("copyTree", { from: this.paths(parent).upper, to: paths.upper, kind: "upper" });
      await syncNew(this.snapshot(id));
    });
  }

  async mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    this.mustExist(id);
    const paths = this.paths(id), target = paths.merged;
    if (mode === "ro") {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      if (this.isTree(id)) return { target, mounts: [{ type: "bind", source: this.tree(id), options: ["rbind", "ro"] }] };
      return { target, mounts: [{ type: "overlay", source: "overlay", options: ["ro", ...this.below(id, parents).options(paths.upper), ...this.features.options] }] };
    }
    if (existsSync(this.split(id))) throw new InvalidArgument(`snapshot ${id} is committed and cannot be mounted for writing`);
    if (this.isTree(id)) return { target: this.tree(id), mounts: [] };
    return { target, mounts: [this.writables.mount(paths, this.below(id, parents), mode === "volatile")] };
  }
  async unmounted(): Promise<void> {}

  async apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    const parents = await parentsOf(below, tar);
    const root = this.tree(id);
    try {
      await this.make(id, async () => {
        mkdirSync(root, { mode: 0o755 });
        if (parents[0] !== undefined) await this.setup.workers.run("copyTree", { from: this.treeOf(parents[0]), to: root, kind: "link" });
      });
    } catch (error) { tar.destroy(); throw error; }
    try {
      const { size } = await this.setup.workers.consume("apply", { root, whiteouts: "delete", split: this.split(id) }, tar);
      // Blocks are given out when they are written.
      await this.disk.flush();
      const { bytes, inodes } = await this.measure(id, parents[0]);
      return { bytes, inodes, size };
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async tar(id: SnapshotId): Promise<Readable> {
    if (!existsSync(this.split(id))) throw new NotFound(`snapshot ${id} is no layer, or has no split file`);
    return this.setup.workers.produce("reassemble", { root: this.tree(id), split: this.split(id) });
  }

  audit(id: SnapshotId): Promise<LayerFault | undefined> {
    return auditTree(this.setup.workers, { root: this.tree(id), source: { split: this.split(id) }, lowers: null });
  }

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    if (this.isTree(id)) yield* await this.setup.workers.run("changes", this.asTree(id, parents));
    else yield* await this.writables.changes(this.paths(id), this.below(id, parents));
  }
  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    this.mustExist(id);
    if (this.isTree(id)) return this.setup.workers.produce("changesTar", this.asTree(id, parents));
    return this.writables.diff(this.paths(id), this.below(id, parents));
  }

  async usage(id: SnapshotId, parents: readonly SnapshotId[]): Promise<TreeUsage> {
    const { workers } = this.setup;
    if (!existsSync(this.snapshot(id))) return { bytes: 0, inodes: 0, size: 0 };
    const measured = await this.measure(id, parents[0]);
    if (!this.isTree(id) && !existsSync(this.paths(id).upper)) return measured;
    const size = await workers.run("changesSize", this.isTree(id)
      ? this.asTree(id, parents)
      : { root: this.paths(id).upper, kind: parents[0] === undefined || this.isTree(parents[0]) ? "upper" : "copied", lowers: parents.length === 0 ? [] : this.below(id, parents).trees });
    return { ...measured, size };
  }

  async remove(id: SnapshotId): Promise<void> {
    await this.writables.release(this.paths(id));
    await this.trash.take(this.snapshot(id));
  }
  async *list(): AsyncIterable<SnapshotId> { for (const name of await namesIn(this.setup.root)) yield name as SnapshotId; }

  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> {
    if (parents.length === 0 || this.isTree(id)) return { RootDir: this.tree(id) };
    const { upper, work, merged } = this.paths(id);
    return { LowerDir: this.tree(parents.find((parent) => this.isTree(parent)) ?? parents[0]!), UpperDir: upper, WorkDir: work, MergedDir: merged };
  }
  async status(): Promise<StatusLines> { return [["Backing Filesystem", backingName(this.features.backing)], ["Supports d_type", "true"]]; }
  async reconfigure(): Promise<void> {}
  drainTrash(): Promise<void> { return this.trash.drain(); }
  async overhead(): Promise<DriverUsage> { return { name: this.name, ...await allocatedTo([this.setup.root]), holdsSnapshots: false }; }
  async close(): Promise<void> {}

  private snapshot(id: SnapshotId): string { return join(this.setup.root, id); }
  private at(id: SnapshotId, name: string): string { return join(this.setup.root, id, name); }
  private tree(id: SnapshotId): string { return this.at(id, "root"); }
  private split(id: SnapshotId): string { return this.at(id, "tar-split.gz"); }
  private paths(id: SnapshotId): WritablePaths { return { upper: this.at(id, "upper"), work: this.at(id, "work"), merged: this.at(id, "merged"), compare: this.at(id, "compare") }; }
  private isTree(id: SnapshotId): boolean { return existsSync(this.tree(id)); }
  private mustExist(id: SnapshotId): void { if (!this.isTree(id) && !existsSync(this.paths(id).upper)) throw new NotFound(`No such snapshot: ${id}`); }
  private treeOf(layer: SnapshotId): string {
    if (!this.isTree(layer)) throw new DataLoss(`layer directory of ${layer} is missing`);
    return this.tree(layer);
  }

  /** The snapshot with a whole tree that a snapshot is, or lies on. */
  private lowerOf(id: SnapshotId): SnapshotId {
    if (this.isTree(id)) return id;
    try { return readFileSync(this.at(id, "lower-id"), "utf8") as SnapshotId; }
    catch (error) { throw new DataLoss(`layer directory of ${id} is missing or damaged`, { cause: error }); }
  }
  private below(id: SnapshotId, [parent]: readonly SnapshotId[]): Below {
    const root = this.treeOf(this.lowerOf(id));
    const copied = parent !== undefined && !this.isTree(parent);
    return {
      trees: copied ? [this.paths(parent).upper, root] : [root], copied,
      options: (top) => [["lowerdir", top === undefined ? root : `${top}:${root}`]],
    };
  }
  private asTree(id: SnapshotId, [parent]: readonly SnapshotId[]): { root: string; kind: "plain"; lowers: string[] } {
    return { root: this.tree(id), kind: "plain", lowers: parent === undefined ? [] : [this.treeOf(parent)] };
  }

  /** Nothing is left of it when it fails. */
  private async make(id: SnapshotId, fill: () => Promise<void>): Promise<void> {
    checkId(id);
    try { mkdirSync(this.snapshot(id), { mode: 0o701 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    try { await fill(); }
    catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  /** The merged root shows the upper directory's attributes: hand down those of the one below. */
  private makeLike(directory: string, model: string): void {
    const { uid, gid, mode } = statSync(model);
    mkdirSync(directory, { mode: 0o755 });
    if (uid !== 0 || gid !== 0) chownSync(directory, uid, gid);
    chmodSync(directory, mode & 0o7777);
  }

  /** Without what a layer shares with its parent. */
  private async measure(id: SnapshotId, parent: SnapshotId | undefined): Promise<TreeUsage> {
    const besides = parent !== undefined && this.isTree(id) && this.isTree(parent) ? { besides: this.tree(parent) } : {};
    return this.setup.workers.run("usage", { path: this.snapshot(id), ...besides });
  }
}
