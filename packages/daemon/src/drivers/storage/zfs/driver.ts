import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExists, errnoOf, messageOf, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { Mount, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, Usage } from "../../../core/storage.js";
import { mountPlan } from "../../../kernel/mount.js";
import { FileSystemSync } from "../../../kernel/sync.js";
import { HeldMounts } from "../held-mounts.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { namesIn, TreeDriver, type Trees } from "../trees.js";
import { MARK, ZfsHome } from "./home.js";
import { Removals } from "./removals.js";
import { Zfs } from "./zfs.js";

export const ZFS_OPTIONS = ["zfs.fsname"] as const;
/** The snapshot that what is made on top of a dataset is a clone of. */
const SNAPSHOT = "layer";

/** Every snapshot a dataset, a clone of its parent's. Unavailable where ZFS is not there, or a trial says that it does not work. */
export async function openZfs(setup: DriverSetup): Promise<OpenedDriver> {
  const { driver, datasets } = build(setup);
  await datasets.probe();
  await datasets.takeUp();
  return driver;
}
/** The same without a trial. */
export function zfsDriver(setup: DriverSetup): OpenedDriver { return build(setup).driver; }

function build(setup: DriverSetup): { driver: OpenedDriver; datasets: Datasets } {
  mkdirSync(setup.root, { recursive: true, mode: 0o700 });
  const trash = new Trash(setup.trash, setup.workers, setup.logger);
  const datasets = new Datasets(setup, ZfsHome.find(setup.root, setup.options), Zfs.find(), trash);
  return { driver: new TreeDriver("zfs", setup, datasets, trash), datasets };
}

/**
 * `<fsname>/<id>`, mounted where and while it is needed. ZFS of the kernel mounts a dataset at several places, as
 * mount(2) says: containers' mounts are the caller's, at `graph/<id>`, and work on a tree has its own. zfs-fuse knows
 * only one mountpoint, and mounts itself.
 */
class Datasets implements Trees {
  private readonly disk: FileSystemSync;
  private readonly removals: Removals;
  private readonly held: HeldMounts;
  /** Datasets that are known to have their SNAPSHOT. */
  private readonly ready = new Set<SnapshotId>();
  /** Objects in datasets that no longer change. */
  private readonly counted = new Map<SnapshotId, number>();

  constructor(private readonly setup: DriverSetup, private readonly home: ZfsHome, private readonly zfs: Zfs, private readonly trash: Trash) {
    this.disk = new FileSystemSync(setup.root);
    this.removals = new Removals(zfs, home, setup.logger);
    this.held = new HeldMounts((id) => this.mount(id), (id) => this.unmount(id));
  }

  async probe(): Promise<void> {
    const id = `probe-${randomBytes(6).toString("hex")}`, dataset = this.home.dataset(id);
    mkdirSync(this.home.mountpoint(id), { recursive: true, mode: 0o700 });
    try {
      // What stays of it after a crash goes at the next start.
      await this.zfs.create(dataset, { ...this.mountProperties(id), [MARK]: this.home.removedMark });
      try { await this.held.use(id, async () => statfsSync(this.place(id))); }
      finally {
        await this.held.end(id);
        await this.removals.take(dataset);
      }
    } catch (error) {
      throw new Unavailable(`ZFS does not work at ${this.home.fsname}: ${messageOf(error)}`, { cause: error });
    } finally { rmdirSync(this.home.mountpoint(id)); }
  }

  /** Clears away what a former process left half done. */
  async takeUp(): Promise<void> {
    for (const id of await namesIn(this.home.open)) await this.unmount(id);
    this.removals.takeUp(await this.zfs.below(this.home.fsname, MARK));
  }

  async make(id: SnapshotId, parent: SnapshotId | undefined, { size }: SnapshotOptions): Promise<void> {
    this.home.remember();
    const dataset = this.home.dataset(id), taken = new AlreadyExists(`snapshot ${id} exists already`);
    try { mkdirSync(this.home.mountpoint(id), { mode: 0o700 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? taken : error; }
    const properties = { ...this.mountProperties(id), [MARK]: this.home.mark, ...(size === undefined ? {} : { quota: String(size) }) };
    try {
      if (parent === undefined) return await this.zfs.create(dataset, { ...properties, utf8only: "off", normalization: "none", casesensitivity: "sensitive" });
      if (!this.ready.has(parent)) await this.zfs.snapshot(`${this.home.dataset(parent)}@${SNAPSHOT}`);
      this.ready.add(parent);
      await this.zfs.clone(`${this.home.dataset(parent)}@${SNAPSHOT}`, dataset, properties);
      this.removals.made(dataset, this.home.dataset(parent));
      // See Zfs.clone.
      if (!this.zfs.inKernel) await this.unmount(id);
    } catch (error) {
      if (!(error instanceof AlreadyExists) && await this.isOurs(dataset)) await this.removals.take(dataset);
      rmdirSync(this.home.mountpoint(id));
      throw error instanceof AlreadyExists ? taken : error;
    }
  }

  has(id: SnapshotId): boolean { return existsSync(this.home.mountpoint(id)); }

  async plan(id: SnapshotId, mode: MountMode): Promise<MountPlan> {
    const target = this.home.mountpoint(id);
    if (!this.zfs.inKernel) {
      await this.held.pin(id);
      return { target, mounts: [] };
    }
    // All mounts of a dataset share its being writable: read-only is only the mount.
    const readOnly: Mount[] = mode === "ro" ? [{ type: "bind", source: target, options: ["bind", "ro"] }] : [];
    return { target, mounts: [{ type: "zfs", source: this.home.dataset(id), options: [] }, ...readOnly] };
  }
  async unmounted(id: SnapshotId): Promise<void> { if (!this.zfs.inKernel) await this.held.unpin(id); }
  open<T>(id: SnapshotId, use: (path: string) => Promise<T>): Promise<T> { return this.held.use(id, () => use(this.place(id))); }

  /** A snapshot is taken when everything before it is on disk. */
  async commit(id: SnapshotId): Promise<void> {
    await Promise.all([this.zfs.snapshot(`${this.home.dataset(id)}@${SNAPSHOT}`), this.disk.flush()]);
    this.ready.add(id);
    this.counted.set(id, await this.objects(id));
  }

  /** Of a clone ZFS counts only what it does not share with its origin. */
  async usage(id: SnapshotId, parent: SnapshotId | undefined): Promise<Usage> {
    const [[used], own, shared] = await Promise.all([this.zfs.get(this.home.dataset(id), "used"), this.objects(id), parent === undefined ? 0 : this.objects(parent)]);
    return { bytes: Number(used), inodes: Math.max(0, own - shared) };
  }
  private async objects(id: SnapshotId): Promise<number> {
    return this.counted.get(id) ?? this.open(id, async (path) => {
      const { files, ffree } = statfsSync(path);
      return files - ffree;
    });
  }

  async remove(id: SnapshotId): Promise<void> {
    const { home } = this, dataset = home.dataset(id), target = home.mountpoint(id);
    if (!this.has(id) && !await this.isOurs(dataset)) return;
    await this.held.end(id);
    await this.zfs.unmount(target);
    await this.removals.take(dataset);
    this.ready.delete(id);
    this.counted.delete(id);
    try { rmdirSync(target); }
    catch (error) { if (errnoOf(error) !== "ENOENT") await this.trash.take(target); }
    if (!this.removals.pending) home.forget();
  }
  /** Others may have datasets beside ours. */
  private async isOurs(dataset: string): Promise<boolean> {
    try { return (await this.zfs.get(dataset, MARK))[0] === this.home.mark; }
    catch (error) {
      if (error instanceof NotFound) return false;
      throw error;
    }
  }

  async *list(): AsyncIterable<SnapshotId> {
    const ids = new Set(await namesIn(this.home.graph));
    for (const { name, mark } of await this.zfs.below(this.home.fsname, MARK)) if (mark === this.home.mark) ids.add(this.home.idOf(name));
    for (const id of ids) yield id as SnapshotId;
  }
  drain(): Promise<void> { return this.removals.drain(); }
  async close(): Promise<void> {}

  describe(id: SnapshotId): Readonly<Record<string, string>> { return { Dataset: this.home.dataset(id), Mountpoint: this.home.mountpoint(id) }; }

  async status(): Promise<StatusLines> {
    const { fsname, pool } = this.home;
    const [health, [used, available, quota, compression]] = await Promise.all([this.zfs.health(pool), this.zfs.get(fsname, "used", "available", "quota", "compression")]);
    return [
      ["Zpool", pool], ["Zpool Health", health], ["Parent Dataset", fsname], ["Space Used By Parent", used!], ["Space Available", available!],
      ["Parent Quota", quota === "0" ? "no" : quota!], ["Compression", compression!],
    ];
  }
  /** Where the datasets lie changes at a start only. */
  async reconfigure(): Promise<void> {}
  async common(): ReturnType<Trees["common"]> { return { paths: [this.home.graph, this.home.open, join(this.home.root, "fsname")], pool: false }; }

  private mountProperties(id: string): Readonly<Record<string, string>> {
    return this.zfs.inKernel ? { mountpoint: "legacy" } : { mountpoint: this.home.mountpoint(id), canmount: "noauto" };
  }
  private place(id: string): string { return this.zfs.inKernel ? join(this.home.open, id) : this.home.mountpoint(id); }
  private async mount(id: string): Promise<void> {
    if (!this.zfs.inKernel) return this.zfs.mount(this.home.dataset(id));
    mkdirSync(this.place(id), { recursive: true, mode: 0o700 });
    try { await mountPlan({ target: this.place(id), mounts: [{ type: "zfs", source: this.home.dataset(id), options: ["noatime"] }] }); }
    catch (error) {
      rmdirSync(this.place(id));
      throw error;
    }
  }
  private async unmount(id: string): Promise<void> {
    await this.zfs.unmount(this.place(id));
    if (this.zfs.inKernel && existsSync(this.place(id))) rmdirSync(this.place(id));
  }
}
