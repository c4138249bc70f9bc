import { constants, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { AlreadyExists, DataLoss, errnoOf, InvalidArgument, messageOf, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { Parents, Change, LayerFault, LayerSource, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, StorageOptions, TreeUsage, DriverUsage } from "../../../core/storage.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { probeProjectQuotas, type ProjectQuotaProbe } from "../../../kernel/project-quota.js";
import { FileSystemSync, flushFiles, syncNew } from "../../../kernel/sync.js";
import { allocatedTo } from "../../../kernel/usage.js";
import { probeOverlay, type OverlayFeatures } from "../overlay/probe.js";
import { OverlayWritables, type Below } from "../overlay/writable.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { inheritRoot } from "./inherit-root.js";
import { LayerMounts } from "./layer-mounts.js";
import { LayerView, READ_AHEAD, readOrigin, type LayerWays } from "./layer-view.js";
import { Layout, uuidOf } from "./layout.js";
import { probeErofs } from "./probe.js";

const SIZE = "erofs.size";
export const EROFS_OPTIONS: readonly string[] = [SIZE];

/** How long a layer stays mounted when nobody needs it any more. */
const GRACE_MS = 10_000;
const CHUNK = 1 << 20;

/**
 * Builds the driver on what probes of its root find. Unavailable says why it does not work there: where layers cannot
 * be mounted, it works by unpacking them, for whoever asked for just this driver (`asked`).
 */
export async function openErofs(setup: DriverSetup, asked: boolean): Promise<OpenedDriver> {
  const overlay = probeOverlay(setup.root);
  if (!overlay.ok) throw new Unavailable(overlay.reason);
  const { mode, direct, reasons } = probeErofs(setup.root);
  if (mode === "extract" && !asked) throw new Unavailable(`layers cannot be mounted: ${reasons.join("; ")}`);
  await flushFiles([dirname(setup.root)]);
  return new ErofsDriver(setup, { overlay: overlay.features, quota: probeProjectQuotas(setup.root), mode, direct, graceMs: GRACE_MS });
}

export interface ErofsFeatures extends LayerWays {
  readonly overlay: OverlayFeatures;
  readonly quota: ProjectQuotaProbe;
  /** How long a layer stays mounted when its last user went. */
  readonly graceMs: number;
}

/** A layer is its tar, and a small EROFS image that says where in it what lies; containers as with overlay2. On disk: see Layout. */
export class ErofsDriver implements OpenedDriver {
  readonly name = "erofs";
  private readonly layout: Layout;
  private readonly trash: Trash;
  private readonly writables: OverlayWritables;
  private readonly view: LayerView;
  private readonly layers: LayerMounts;
  /** Of every container that asks for none itself. */
  private size: number | undefined;

  constructor(private readonly setup: DriverSetup, private readonly features: ErofsFeatures) {
    // The kernel splits option strings at these.
    if (/[,:\\]/.test(setup.root)) throw new InvalidArgument(`erofs: the data root must not contain a comma, colon or backslash: ${setup.root}`);
    const { workers, logger } = setup;
    this.layout = new Layout(setup.root);
    this.trash = new Trash(setup.trash, workers, logger);
    this.writables = new OverlayWritables(this.name, features.overlay, features.quota, workers);
    this.size = this.writables.sizeOf(setup.options, SIZE);
    this.view = new LayerView(this.layout, features, workers, this.trash, new FileSystemSync(setup.root), logger);
    this.layers = new LayerMounts(this.view, features.graceMs, logger);
    mkdirSync(setup.root, { recursive: true, mode: 0o700 });
    this.layers.adopt(mountsBelow(setup.root).filter(({ type }) => type === "erofs").map(({ target }) => target.slice(setup.root.length + 1).split("/")[0] as SnapshotId));
  }

  async create(id: SnapshotId, parents: readonly SnapshotId[], { size = this.size }: SnapshotOptions = {}): Promise<void> {
    const { layout } = this;
    await this.make(id, async () => {
      await this.layers.during(this.layersOf(parents.slice(0, 1)), async () => inheritRoot(layout.diff(id), parents[0] && layout.diff(parents[0])));
      if (parents.length > 0) writeFileSync(layout.lower(id), parents.map((parent) => `${parent}/diff`).join(":"), { mode: 0o644 });
      this.writables.make(layout.writable(id), size);
      await syncNew(layout.snapshot(id));
    });
  }

  async mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    const { layout } = this;
    if (!existsSync(layout.snapshot(id))) throw new NotFound(`No such snapshot: ${id}`);
    const layer = this.isLayer(id);
    if (mode !== "ro" && layer) throw new InvalidArgument(`snapshot ${id} is committed and cannot be mounted for writing`);
    try { await this.layers.hold(this.layersOf([id, ...parents]), id); }
    catch (error) {
      this.layers.release(id);
      throw error;
    }
    const target = layout.merged(id), below = this.below(parents);
    if (mode === "ro") {
      mkdirSync(target, { recursive: true, mode: 0o700 });
      if (parents.length === 0) return { target, mounts: [{ type: "bind", source: layout.diff(id), options: ["rbind", "ro"] }] };
      return { target, mounts: [{ type: "overlay", source: "overlay", options: ["ro", ...below.options(layout.diff(id)), ...this.features.overlay.options] }] };
    }
    if (parents.length === 0) return { target, mounts: [{ type: "bind", source: layout.diff(id), options: ["rbind"] }] };
    return { target, mounts: [this.writables.mount(layout.writable(id), below, mode === "volatile")] };
  }

  async unmounted(id: SnapshotId): Promise<void> { this.layers.release(id); }

  async apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    const { layout, setup } = this;
    const parents = Promise.resolve(below);
    // It is awaited below; a failure before that is told there.
    parents.catch(() => undefined);
    let made = false, applying: Promise<unknown> = Promise.resolve();
    try {
      await this.make(id, async () => { mkdirSync(layout.diff(id), { mode: 0o755 }); });
      made = true;
      // The tar is taken while the layers below are still being made; the index waits for them to be in sight.
      let show!: (lowers: readonly string[]) => void, fail!: (error: unknown) => void;
      const lowers = new Promise<readonly string[]>((resolve, reject) => { [show, fail] = [resolve, reject]; });
      const applied = setup.workers.consume("applyErofs", { tar: layout.tar(id), index: layout.index(id), uuid: uuidOf(id) }, tar, lowers);
      applying = applied.catch(() => undefined);
      const finished = parents.then((chain) => this.layers.during(this.layersOf(chain), async () => {
        show(chain.map((parent) => layout.diff(parent)));
        await applied;
        if (this.features.mode === "extract") await this.view.extract(id, chain);
      }));
      finished.catch(fail);
      const [{ size }] = await Promise.all([applied, finished]);
      // The files with what they hold, then their names, then the name of their directory.
      await flushFiles([layout.tar(id), layout.index(id)]);
      await flushFiles([layout.snapshot(id), setup.root]);
      return { ...await this.usage(id), size };
    } catch (error) {
      tar.destroy();
      await applying;
      if (made) await this.remove(id);
      throw error;
    }
  }

  async tar(id: SnapshotId): Promise<Readable> {
    const { layout } = this;
    if (!this.isLayer(id)) throw new NotFound(`snapshot ${id} is no layer`);
    this.view.origin(id);
    return Readable.from(readWhole(layout.tar(id)), { objectMode: false, highWaterMark: CHUNK });
  }

  async audit(id: SnapshotId, parents: readonly SnapshotId[]): Promise<LayerFault | undefined> {
    const below = this.layersOf(parents);
    const fault = await this.layers.during(below, () => this.view.audit(id, below));
    return fault && { ...fault, mend: () => this.layers.during(below, () => this.layers.renew(id, below)) };
  }

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    yield* await this.layers.during(this.layersOf([id, ...parents]), () => this.writables.changes(this.layout.writable(id), this.below(parents)));
  }

  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    if (!existsSync(this.layout.diff(id))) throw new NotFound(`No such snapshot: ${id}`);
    const holder = Symbol("diff");
    try {
      await this.layers.hold(this.layersOf([id, ...parents]), holder);
      const stream = await this.writables.diff(this.layout.writable(id), this.below(parents));
      return stream.once("close", () => this.layers.release(holder));
    } catch (error) {
      this.layers.release(holder);
      throw error;
    }
  }

  async usage(id: SnapshotId): Promise<TreeUsage> {
    const { layout, setup: { workers } } = this;
    if (this.isLayer(id) && !existsSync(layout.extracted(id))) return this.layerUsage(id);
    const [all, diff] = await Promise.all([workers.run("usage", { path: layout.snapshot(id) }), workers.run("usage", { path: layout.diff(id) })]);
    return { ...all, size: diff.size };
  }

  async remove(id: SnapshotId): Promise<void> {
    const { layout } = this;
    this.layers.release(id);
    await this.writables.release(layout.writable(id));
    await this.layers.forget(id);
    await this.trash.take(layout.snapshot(id));
  }

  async *list(): AsyncIterable<SnapshotId> { for (const name of await readdir(this.setup.root)) yield name as SnapshotId; }

  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> {
    const { layout } = this, paths = layout.writable(id);
    return {
      ...(parents.length > 0 ? { LowerDir: parents.map((parent) => layout.diff(parent)).join(":") } : {}),
      MergedDir: paths.merged, UpperDir: paths.upper, WorkDir: paths.work,
    };
  }

  async status(): Promise<StatusLines> {
    const { overlay: { backing, metacopy, nativeDiff }, mode } = this.features;
    return [
      ["Backing Filesystem", /^ext[234]$/.test(backing) ? "extfs" : backing], ["Supports d_type", "true"], ["Using metacopy", String(metacopy)], ["Native Overlay Diff", String(nativeDiff)],
      ["userxattr", "false"], ["Layer Mounts", { file: "file-backed", loop: "loop", extract: "extracted" }[mode]], ["Layer Readahead", `${READ_AHEAD} kB`],
    ];
  }

  /** Another `erofs.size` is that of containers made from now on. */
  async reconfigure(options: StorageOptions): Promise<void> { this.size = this.writables.sizeOf(options, SIZE); }
  drainTrash(): Promise<void> { return this.trash.drain(); }
  async overhead(): Promise<DriverUsage> { return { name: this.name, ...await allocatedTo([this.setup.root]), holdsSnapshots: false }; }
  /** Layers that nobody holds are unmounted at once. */
  close(): Promise<void> { return this.layers.close(); }

  /** Makes the directory of a snapshot; nothing is left of it when `fill` fails. */
  private async make(id: SnapshotId, fill: () => Promise<void>): Promise<void> {
    if (id === "" || id.includes("/") || id.startsWith(".")) throw new InvalidArgument(`not a snapshot id: ${JSON.stringify(id)}`);
    try { mkdirSync(this.layout.snapshot(id), { mode: 0o710 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    try { await fill(); }
    catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  private isLayer(id: SnapshotId): boolean { return existsSync(this.layout.tar(id)) || existsSync(this.layout.index(id)); }
  /** Those of a chain that must be shown to be seen: all but containers' own parts, which lie on top. */
  private layersOf(chain: readonly SnapshotId[]): readonly SnapshotId[] {
    const first = chain.findIndex((id) => !existsSync(this.layout.lower(id)) && !existsSync(this.layout.writable(id).work));
    return first < 0 ? [] : chain.slice(first);
  }

  private below(parents: readonly SnapshotId[]): Below {
    const trees = parents.map((parent) => this.layout.diff(parent));
    return { trees, options: (top) => this.lowerOptions(top === undefined ? trees : [top, ...trees]) };
  }
  private lowerOptions(paths: readonly string[]): [string, string][] {
    if (this.features.overlay.manyLowers) return paths.map((path) => ["lowerdir+", path]);
    const joined = paths.join(":");
    if (joined.length > 3500) throw new InvalidArgument(`${paths.length} layers are more than this kernel can mount: their paths exceed a page`);
    return [["lowerdir", joined]];
  }

  /** Of files that are there; mount points count as the empty directories that they are. */
  private layerUsage(id: SnapshotId): TreeUsage {
    const { layout } = this, directory = layout.snapshot(id), empty = lstatSync(directory).blocks * 512;
    let bytes = empty, inodes = 1;
    for (const { name } of readdirSync(directory, { withFileTypes: true })) {
      const points = name === "diff" || name === "merged";
      bytes += points ? empty : lstatSync(`${directory}/${name}`).blocks * 512;
      inodes++;
    }
    return { bytes, inodes, size: readOrigin(layout.index(id))?.size ?? 0 };
  }
}

/** A file that must be there, as it is. */
async function* readWhole(path: string): AsyncGenerator<Buffer, void> {
  const lost = (error: unknown): DataLoss => new DataLoss(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => { throw lost(error); });
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, null).catch((error: unknown) => { throw lost(error); });
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally { await file.close(); }
}
