import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { AlreadyExists, DataLoss, errnoOf, InvalidArgument, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { Parents, LayerFault, LayerSource, TreeUsage, Change, Mount, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, StorageOptions, Usage, DriverUsage } from "../../../core/storage.js";
import { probeProjectQuotas, type ProjectQuotaProbe } from "../../../kernel/project-quota.js";
import { FileSystemSync, syncNew, syncOne } from "../../../kernel/sync.js";
import { allocatedTo } from "../../../kernel/usage.js";
import { auditTree } from "../audit.js";
import { parentsOf } from "../below.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { backingName, probeOverlay, type OverlayFeatures } from "../overlay/probe.js";
import { OverlayWritables, type Below } from "../overlay/writable.js";
import { Layout } from "./layout.js";

const SIZE = "overlay2.size";
export const OVERLAY2_OPTIONS: readonly string[] = [SIZE];

/** Builds the driver on what a probe of its root finds. Unavailable says why it does not work there; InvalidArgument that `overlay2.size` does not. */
export async function openOverlay2(setup: DriverSetup): Promise<OpenedDriver> {
  const probe = probeOverlay(setup.root);
  if (!probe.ok) throw new Unavailable(probe.reason);
  return new Overlay2Driver(setup, probe.features, probeProjectQuotas(setup.root));
}

/** Layers as directories, stacked by overlayfs. On disk as Docker's driver of that name has it (see Layout). */
export class Overlay2Driver implements OpenedDriver {
  readonly name = "overlay2";
  private readonly layout: Layout;
  private readonly trash: Trash;
  private readonly disk: FileSystemSync;
  private readonly writables: OverlayWritables;
  /** Of every container that asks for none itself. */
  private size: number | undefined;

  constructor(private readonly setup: DriverSetup, private readonly features: OverlayFeatures, quota: ProjectQuotaProbe) {
    // The kernel splits option strings at these.
    if (/[,:\\]/.test(setup.root)) throw new InvalidArgument(`overlay2: the data root must not contain a comma, colon or backslash: ${setup.root}`);
    this.layout = new Layout(setup.root);
    this.disk = new FileSystemSync(setup.root);
    this.trash = new Trash(setup.trash, setup.workers, setup.logger);
    this.writables = new OverlayWritables(this.name, features, quota, setup.workers);
    this.size = this.writables.sizeOf(setup.options, SIZE);
    mkdirSync(this.layout.links, { recursive: true, mode: 0o700 });
  }

  async create(id: SnapshotId, parents: readonly SnapshotId[], { size = this.size }: SnapshotOptions = {}): Promise<void> {
    await this.make(id, parents, () => this.writables.make(this.layout.writable(id), size));
    try {
      await Promise.all([syncNew(this.layout.snapshot(id)), syncOne(this.layout.links)]);
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    const { layout } = this;
    if (!existsSync(layout.diff(id))) throw new NotFound(`No such snapshot: ${id}`);
    const target = layout.merged(id);
    const lowers = this.lowers(id, parents);
    if (mode === "ro") {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      return { target, mounts: [this.readOnly(id, lowers)] };
    }
    if (existsSync(layout.committed(id))) throw new InvalidArgument(`snapshot ${id} is committed and cannot be mounted for writing`);
    if (lowers.length === 0) return { target, mounts: [{ type: "bind", source: layout.diff(id), options: ["rbind"] }] };
    return { target, mounts: [this.writables.mount(layout.writable(id), this.below(id, parents), mode === "volatile")] };
  }

  async unmounted(): Promise<void> {}

  async apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    const parents = await parentsOf(below, tar);
    const { layout } = this;
    try { await this.make(id, parents); }
    catch (error) { tar.destroy(); throw error; }
    try {
      const { size } = await this.setup.workers.consume("apply", { root: layout.diff(id), whiteouts: { lowers: parents.map((parent) => layout.diff(parent)) }, split: layout.split(id) }, tar);
      writeFileSync(layout.committed(id), "");
      // Blocks are given out when they are written.
      await this.disk.flush();
      return { ...await this.measure(id), size };
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

  audit(id: SnapshotId, parents: readonly SnapshotId[]): Promise<LayerFault | undefined> {
    const { layout } = this;
    return auditTree(this.setup.workers, { root: layout.diff(id), source: { split: layout.split(id) }, lowers: parents.map((parent) => layout.diff(parent)) });
  }

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    yield* await this.writables.changes(this.layout.writable(id), this.below(id, parents));
  }

  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    if (!existsSync(this.layout.diff(id))) throw new NotFound(`No such snapshot: ${id}`);
    return this.writables.diff(this.layout.writable(id), this.below(id, parents));
  }

  async usage(id: SnapshotId): Promise<TreeUsage> {
    const [all, diff] = await Promise.all([this.measure(id), this.setup.workers.run("usage", { path: this.layout.diff(id) })]);
    return { ...all, size: diff.size };
  }
  /** With its short name. */
  private async measure(id: SnapshotId): Promise<Usage> {
    const [tree, link] = await Promise.all([this.setup.workers.run("usage", { path: this.layout.snapshot(id) }), allocatedTo(this.layout.linkOf(id))]);
    return { bytes: tree.bytes + link.bytes, inodes: tree.inodes + link.inodes };
  }

  async remove(id: SnapshotId): Promise<void> {
    const { layout } = this;
    await this.writables.release(layout.writable(id));
    layout.removeLink(id);
    await this.trash.take(layout.snapshot(id));
  }

  async *list(): AsyncIterable<SnapshotId> {
    for (const name of await readdir(this.layout.root)) if (name !== "l") yield name as SnapshotId;
    await this.layout.clearLinks();
  }

  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> {
    const { layout } = this;
    return {
      ...(parents.length > 0 ? { LowerDir: parents.map((parent) => layout.diff(parent)).join(":") } : {}),
      MergedDir: layout.merged(id), UpperDir: layout.diff(id), WorkDir: layout.work(id),
    };
  }

  /** Lines of `docker info`. */
  async status(): Promise<StatusLines> {
    const { backing, metacopy, nativeDiff } = this.features;
    return [
      ["Backing Filesystem", backingName(backing)], ["Supports d_type", "true"], ["Using metacopy", String(metacopy)],
      ["Native Overlay Diff", String(nativeDiff)], ["userxattr", "false"],
    ];
  }

  /** Another `overlay2.size` is that of containers made from now on. */
  async reconfigure(options: StorageOptions): Promise<void> { this.size = this.writables.sizeOf(options, SIZE); }
  drainTrash(): Promise<void> { return this.trash.drain(); }
  async overhead(): Promise<DriverUsage> { return { name: this.name, ...await allocatedTo([this.layout.root, this.layout.links]), holdsSnapshots: false }; }
  async close(): Promise<void> {}

  /** The part that committed and writable snapshots share; nothing is left of it when it fails. */
  private async make(id: SnapshotId, parents: readonly SnapshotId[], more?: () => void): Promise<void> {
    if (id === "l" || id === "" || id.includes("/") || id.startsWith(".")) throw new InvalidArgument(`not a snapshot id: ${JSON.stringify(id)}`);
    try { mkdirSync(this.layout.snapshot(id), { mode: 0o710 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    try {
      this.fill(id, parents);
      more?.();
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }
  private fill(id: SnapshotId, parents: readonly SnapshotId[]): void {
    const { layout } = this;
    mkdirSync(layout.diff(id), { mode: 0o755 });
    const [parent] = parents;
    if (parent !== undefined) {
      // The merged root shows the upper directory's attributes: hand down those of the layer below.
      const { uid, gid, mode } = statSync(layout.diff(parent));
      if (uid !== 0 || gid !== 0) chownSync(layout.diff(id), uid, gid);
      chmodSync(layout.diff(id), mode & 0o7777);
      writeFileSync(layout.lower(id), this.lowers(id, parents).join(":"), { mode: 0o644 });
    }
    layout.makeLink(id);
  }

  private below(id: SnapshotId, parents: readonly SnapshotId[]): Below {
    return { trees: parents.map((parent) => this.layout.diff(parent)), options: (top) => this.lowerOptions(this.lowers(id, parents), top) };
  }

  /** `l/A` … of all parents, nearest first. */
  private lowers(id: SnapshotId, parents: readonly SnapshotId[]): string[] {
    // What was written when the snapshot was made is not the last word: a damaged parent may have been replaced since.
    let written: string[] | undefined;
    return parents.map((parent, i) => {
      const link = this.layout.readLink(parent);
      if (link !== undefined) return `l/${link}`;
      written ??= this.layout.readLower(id);
      if (written.length !== parents.length) throw new DataLoss(`layer directory of ${parent} is missing`);
      return written[i]!;
    });
  }

  /** `top`: a directory above them. */
  private lowerOptions(lowers: readonly string[], top?: string): [string, string][] {
    const paths = [...(top === undefined ? [] : [top]), ...lowers.map((lower) => join(this.layout.root, lower))];
    if (this.features.manyLowers) return paths.map((path) => ["lowerdir+", path]);
    const joined = paths.join(":");
    if (joined.length > 3500) throw new InvalidArgument(`${paths.length} layers are more than this kernel can mount: their paths exceed a page`);
    return [["lowerdir", joined]];
  }

  private readOnly(id: SnapshotId, lowers: readonly string[]): Mount {
    if (lowers.length === 0) return { type: "bind", source: this.layout.diff(id), options: ["rbind", "ro"] };
    const link = this.layout.readLink(id);
    if (link === undefined) throw new DataLoss(`layer directory of ${id} is damaged`);
    return { type: "overlay", source: "overlay", options: ["ro", ...this.lowerOptions([`l/${link}`, ...lowers]), ...this.features.options] };
  }
}
