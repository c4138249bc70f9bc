import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { AlreadyExists, DataLoss, errnoOf, InvalidArgument, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { TreeUsage, Change, Mount, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines } from "../../../core/storage.js";
import { unmountAll } from "../../../kernel/mount.js";
import { FileSystemSync, syncNew, syncOne } from "../../../kernel/sync.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { Layout } from "./layout.js";
import { probeOverlay2, type Overlay2Features } from "./probe.js";

/** Builds the driver on what a probe of its root finds. Unavailable says why it does not work there. */
export async function openOverlay2(setup: DriverSetup): Promise<OpenedDriver> {
  const probe = probeOverlay2(setup.root);
  if (!probe.ok) throw new Unavailable(probe.reason);
  return new Overlay2Driver(setup, probe.features);
}

/** Layers as directories, stacked by overlayfs. On disk as Docker's driver of that name has it (see Layout). */
export class Overlay2Driver implements OpenedDriver {
  readonly name = "overlay2";
  private readonly layout: Layout;
  private readonly trash: Trash;
  private readonly disk: FileSystemSync;

  constructor(private readonly setup: DriverSetup, private readonly features: Overlay2Features) {
    // The kernel splits option strings at these.
    if (/[,:\\]/.test(setup.root)) throw new InvalidArgument(`overlay2: the data root must not contain a comma, colon or backslash: ${setup.root}`);
    this.layout = new Layout(setup.root);
    this.disk = new FileSystemSync(setup.root);
    this.trash = new Trash(setup.trash, setup.workers, setup.logger);
    mkdirSync(this.layout.links, { recursive: true, mode: 0o700 });
  }

  async create(id: SnapshotId, parents: readonly SnapshotId[], { size }: SnapshotOptions = {}): Promise<void> {
    if (size !== undefined) throw new InvalidArgument("the storage driver overlay2 cannot limit the size of a container here");
    await this.make(id, parents, () => {
      mkdirSync(this.layout.work(id), { mode: 0o700 });
      mkdirSync(this.layout.merged(id), { mode: 0o700 });
    });
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
    // What a volatile mount leaves behind forbids the next mount; the upper directory is taken as it is.
    rmSync(join(layout.work(id), "work", "incompat"), { recursive: true, force: true });
    const volatile = mode === "volatile" && this.features.volatile;
    return {
      target,
      mounts: [{
        type: "overlay", source: "overlay",
        options: [...this.lowerOptions(lowers), ["upperdir", layout.diff(id)], ["workdir", layout.work(id)], ...this.features.options, ...(volatile ? ["volatile"] : [])],
      }],
    };
  }

  async unmounted(): Promise<void> {}

  async apply(id: SnapshotId, parents: readonly SnapshotId[], tar: Readable): Promise<TreeUsage> {
    const { layout } = this;
    try { await this.make(id, parents); }
    catch (error) { tar.destroy(); throw error; }
    try {
      const { size } = await this.setup.workers.consume("apply", { root: layout.diff(id), whiteouts: { lowers: parents.map((parent) => layout.diff(parent)) }, split: layout.split(id) }, tar);
      writeFileSync(layout.committed(id), "");
      const [usage] = await Promise.all([this.usage(id), this.disk.flush()]);
      return { ...usage, size };
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

  async *changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change> {
    const { layout } = this;
    yield* await this.setup.workers.run("changes", { root: layout.diff(id), kind: "upper", lowers: parents.map((parent) => layout.diff(parent)) });
  }

  async diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable> {
    const { layout } = this;
    const root = layout.diff(id);
    if (!existsSync(root)) throw new NotFound(`No such snapshot: ${id}`);
    // The root is told only when it was changed: Docker never tells it.
    const [parent] = parents;
    const withRoot = parent !== undefined && rootAttributes(root) !== rootAttributes(layout.diff(parent));
    return this.setup.workers.produce("treeTar", { root, kind: "upper", sparse: true, withRoot });
  }

  async usage(id: SnapshotId): Promise<TreeUsage> {
    const { workers } = this.setup;
    const [all, diff] = await Promise.all([workers.run("usage", { path: this.layout.snapshot(id) }), workers.run("usage", { path: this.layout.diff(id) })]);
    return { ...all, size: diff.size };
  }

  async remove(id: SnapshotId): Promise<void> {
    const { layout } = this;
    await unmountAll(layout.merged(id));
    const link = layout.readLink(id);
    if (link !== undefined && /^[A-Z2-7]{26}$/.test(link)) rmSync(join(layout.links, link), { force: true });
    await this.trash.take(layout.snapshot(id));
  }

  async *list(): AsyncIterable<SnapshotId> {
    for (const name of await readdir(this.layout.root)) if (name !== "l") yield name as SnapshotId;
    for (const link of await readdir(this.layout.links)) {
      if (!existsSync(join(this.layout.links, link))) rmSync(join(this.layout.links, link), { force: true });
    }
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
    const { backing } = this.features;
    return [
      ["Backing Filesystem", /^ext[234]$/.test(backing) ? "extfs" : backing], ["Supports d_type", "true"], ["Using metacopy", "false"],
      ["Native Overlay Diff", "true"], ["userxattr", "false"],
    ];
  }

  async reconfigure(): Promise<void> {}
  drainTrash(): Promise<void> { return this.trash.drain(); }

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

  /** `l/A` … of all parents, nearest first. */
  private lowers(id: SnapshotId, parents: readonly SnapshotId[]): string[] {
    const written = this.layout.readLower(id);
    if (written.length === parents.length) return written;
    const [parent, ...rest] = parents;
    if (parent === undefined) return [];
    const link = this.layout.readLink(parent);
    if (link === undefined) throw new DataLoss(`layer directory of ${parent} is missing`);
    return [`l/${link}`, ...this.lowers(parent, rest)];
  }

  private lowerOptions(lowers: readonly string[]): [string, string][] {
    const paths = lowers.map((lower) => join(this.layout.root, lower));
    if (this.features.manyLowers) return paths.map((path) => ["lowerdir+", path]);
    const joined = paths.join(":");
    if (joined.length > 3500) throw new InvalidArgument(`${lowers.length} layers are more than this kernel can mount: their paths exceed a page`);
    return [["lowerdir", joined]];
  }

  private readOnly(id: SnapshotId, lowers: readonly string[]): Mount {
    if (lowers.length === 0) return { type: "bind", source: this.layout.diff(id), options: ["rbind", "ro"] };
    const link = this.layout.readLink(id);
    if (link === undefined) throw new DataLoss(`layer directory of ${id} is damaged`);
    return { type: "overlay", source: "overlay", options: ["ro", ...this.lowerOptions([`l/${link}`, ...lowers]), ...this.features.options] };
  }
}

function rootAttributes(directory: string): string {
  const { uid, gid, mode } = statSync(directory);
  return `${uid}:${gid}:${mode}`;
}
