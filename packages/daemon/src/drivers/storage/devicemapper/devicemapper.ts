import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExists, Conflict, DataLoss, InvalidArgument, NotFound, Unavailable } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, StorageOptions, Usage } from "../../../core/storage.js";
import { needTargets } from "../../../kernel/device-mapper.js";
import { FileSystemSync } from "../../../kernel/sync.js";
import type { DriverSetup } from "../setup.js";
import { Trash } from "../trash.js";
import { namesIn, TreeDriver, type Trees } from "../trees.js";
import { BaseDevice } from "./base.js";
import { DeviceSet } from "./device-set.js";
import { chooseFileSystem, fileSystemMount } from "./file-systems.js";
import { Holds } from "./holds.js";
import { type DeviceRecord, Layout } from "./layout.js";
import { setUpLvm } from "./lvm.js";
import { parseDmOptions, type DmOptions } from "./options.js";
import { openPool, refuseSmallerFiles, type ThinPool } from "./pool.js";
import { Reaper } from "./reaper.js";
import { poolLines } from "./status.js";
import { Watch } from "./watch.js";

/** Every snapshot a thin device with a file system of its own, a snapshot of its parent's in one pool. */
export async function openDevicemapper(setup: DriverSetup): Promise<OpenedDriver> {
  const options = parseDmOptions(setup.options);
  await needTargets("thin-pool", "thin");
  mkdirSync(setup.root, { recursive: true, mode: 0o700 });
  const layout = new Layout(setup.root);
  for (const folder of [layout.records, layout.mounts, layout.opened]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (options.place.kind === "lvm") await setUpLvm(layout, options.place.setup);
  const pool = await openPool(layout, options);
  try {
    if (pool.status().state === "failed") throw new Unavailable(`the thin pool ${pool.name} has failed: the kernel's log says why`);
    const trash = new Trash(setup.trash, setup.workers, setup.logger);
    const trees = new ThinTrees(setup, options, trash, layout, pool);
    await trees.start();
    return new TreeDriver("devicemapper", setup, trees, trash);
  } catch (error) {
    await pool.close();
    throw error;
  }
}

class ThinTrees implements Trees {
  private readonly set: DeviceSet;
  private readonly holds: Holds;
  private readonly base: BaseDevice;
  private readonly reaper: Reaper;
  private readonly disk: FileSystemSync;
  private readonly watch: Watch;

  constructor(private readonly setup: DriverSetup, private options: DmOptions, private readonly trash: Trash, private readonly layout: Layout, private readonly pool: ThinPool) {
    const current = (): DmOptions => this.options;
    this.set = new DeviceSet(layout, pool);
    this.holds = new Holds(this.set, fileSystemOf(layout, options, setup), current);
    this.base = new BaseDevice(this.set, this.holds, current, setup.logger);
    this.reaper = new Reaper(this.set, this.holds, current, setup.logger);
    this.watch = new Watch(pool, this.holds, this.reaper, current, setup.report, setup.logger);
    this.disk = new FileSystemSync(setup.root);
  }

  async start(): Promise<void> {
    try {
      await this.set.recover();
      await this.holds.takeOver();
      await this.base.prepare();
      for (const id of await this.records()) if (this.isRemoved(id)) this.reaper.take(id);
    } catch (error) {
      this.watch.end();
      await this.holds.release();
      throw error;
    }
  }

  async make(id: SnapshotId, parent: SnapshotId | undefined, { size }: SnapshotOptions): Promise<void> {
    if (!this.layout.isSnapshot(id)) throw new InvalidArgument(`not a snapshot id: ${JSON.stringify(id)}`);
    if (this.isRemoved(id)) await this.reaper.run();
    if (existsSync(join(this.layout.records, id))) throw new AlreadyExists(`snapshot ${id} exists already`);
    const origin = parent === undefined ? this.base.record : this.layout.device(parent);
    if (origin === undefined || origin.deleted) throw new NotFound(`No such snapshot: ${parent!}`);
    if (size !== undefined && size < Math.max(origin.size, this.base.record.size)) throw new InvalidArgument(`size: a container's device cannot be smaller than what it is made from (${Math.max(origin.size, this.base.record.size)} bytes)`);
    this.needSpace();
    const from = parent ?? "base";
    await this.holds.turn(from, () => this.set.snapshot(id, from, origin, origin.size));
    const wanted = Math.max(origin.size, this.base.record.size, size ?? 0);
    if (wanted === origin.size) return;
    try { await this.base.growDevice(id, wanted); } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  has(id: SnapshotId): boolean { return this.layout.isSnapshot(id) && this.isThere(id); }

  async plan(id: SnapshotId, mode: MountMode): Promise<MountPlan> {
    await this.holds.plan(id);
    const target = this.layout.mountPoint(id);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const { committed } = this.must(id);
    const device = fileSystemMount(this.holds.fileSystem, this.holds.node(id), committed, this.options);
    // All mounts of one device have one superblock, and that is read-only or not: here only the mount is.
    const readOnly = mode === "ro" && !committed ? [{ type: "bind", source: target, options: ["bind", "ro"] }] : [];
    return { target, mounts: [device, ...readOnly], tree: join(target, "rootfs") };
  }
  unmounted(id: SnapshotId): Promise<void> { return this.holds.unplan(id); }

  async open<T>(id: SnapshotId, use: (path: string) => Promise<T>): Promise<T> {
    const { committed } = this.must(id);
    return this.holds.open(id, committed, async (mountPoint) => {
      if (!committed) writeOwner(mountPoint, id);
      return use(join(mountPoint, "rootfs"));
    });
  }

  async commit(id: SnapshotId): Promise<void> {
    await this.holds.open(id, false, async (mountPoint) => {
      const inodes = await this.holds.inodes(mountPoint);
      await this.holds.seal(id);
      await this.set.update(id, { ...this.must(id), committed: true, inodes });
    });
    await this.disk.flush();
  }

  /** Blocks of the pool that were given to it since it was made: all of them together are what the pool has in use. */
  async usage(id: SnapshotId): Promise<Usage> {
    const record = this.must(id);
    const inodes = record.committed ? record.inodes : await this.holds.open(id, false, (mountPoint) => this.holds.inodes(mountPoint));
    return { bytes: await this.set.exclusiveBytes(record), inodes: Math.max(0, inodes - record.inodes_below) };
  }

  async remove(id: SnapshotId): Promise<void> {
    if (!this.layout.isSnapshot(id)) return;
    await this.holds.turn(id, async () => {
      const gone = await this.holds.drop(id);
      const record = this.readable(id);
      if (record?.deleted === true) return;
      if (!gone && !this.options.deferredDeletion && record !== undefined) throw new Conflict(`the device of ${id} is in use; dm.use_deferred_deletion would remove it later`);
      await this.trash.take(this.layout.mountPoint(id));
      if (record === undefined) return this.layout.forgetDevice(id);
      await this.set.update(id, { ...record, deleted: true });
      this.reaper.take(id);
    });
  }

  async *list(): AsyncIterable<SnapshotId> {
    const ids = new Set((await this.records()).filter((id) => this.isThere(id)));
    for (const id of await namesIn(this.layout.mounts)) ids.add(id);
    for (const id of ids) yield id as SnapshotId;
  }

  describe(id: SnapshotId): Readonly<Record<string, string>> {
    const record = this.readable(id);
    return record === undefined ? {} : { DeviceId: String(record.device_id), DeviceName: this.layout.deviceName(id), DeviceSize: String(record.size) };
  }
  status(): Promise<StatusLines> { return poolLines(this.pool, this.base.record.size, this.holds.fileSystem, this.reaper.count, this.options); }

  async common(): ReturnType<Trees["common"]> {
    const { layout } = this;
    const records = await namesIn(layout.records);
    return {
      paths: [layout.loops, layout.dataFile, layout.metadataFile, layout.records, ...records.map((name) => join(layout.records, name)), layout.mounts, layout.opened, layout.lvmSetup],
      pool: this.pool.loops !== undefined,
    };
  }
  async reconfigure(options: StorageOptions): Promise<void> {
    const next = parseDmOptions(options);
    this.base.refuseSmaller(next.baseSize);
    if (this.pool.loops !== undefined) refuseSmallerFiles(this.layout, next);
    // What the pool is made of, and its file system, wait for a restart.
    this.options = { ...next, place: this.options.place };
    await this.pool.grow(next.loopDataSize, next.loopMetadataSize);
    await this.pool.fit();
    this.watch.look();
    await this.base.grow(next.baseSize);
  }

  async drain(): Promise<void> { await this.reaper.run(); }

  /** Devices that containers still have mounted stay, and the pool with them. */
  async close(): Promise<void> {
    this.watch.end();
    await this.reaper.run();
    await this.holds.release();
    await this.pool.close();
  }

  private needSpace(): void {
    const { state, dataUsed, dataTotal, metadataUsed, metadataTotal } = this.watch.look(), { minFreePercent } = this.options;
    if (state === "failed" || state === "read-only") throw new Unavailable(`the thin pool ${this.pool.name} is ${state}`);
    for (const [what, used, total] of [["data", dataUsed, dataTotal], ["metadata", metadataUsed, metadataTotal]] as const) {
      if (total - used < total * minFreePercent / 100 || (what === "data" && state === "full")) {
        throw new Unavailable(`the thin pool ${this.pool.name} has ${total - used} of ${total} bytes of ${what} left, and dm.min_free_space keeps ${minFreePercent}%: remove something, or grow the pool`);
      }
    }
  }
  private must(id: SnapshotId): DeviceRecord {
    const record = this.layout.device(id);
    if (record === undefined || record.deleted) throw new NotFound(`No such snapshot: ${id}`);
    return record;
  }
  /** A record that is damaged counts as none. */
  private readable(id: string): DeviceRecord | undefined {
    try { return this.layout.device(id); } catch (error) {
      if (error instanceof DataLoss) return undefined;
      throw error;
    }
  }
  /** Also with a damaged record. In one look: the reaper may forget the record meanwhile. */
  private isThere(id: string): boolean {
    try { return this.layout.device(id)?.deleted === false; } catch (error) {
      if (error instanceof DataLoss) return true;
      throw error;
    }
  }
  private isRemoved(id: string): boolean { return this.readable(id)?.deleted === true; }
  private async records(): Promise<string[]> { return (await namesIn(this.layout.records)).filter((name) => this.layout.isSnapshot(name)); }
}

function fileSystemOf(layout: Layout, options: DmOptions, { logger }: DriverSetup): ReturnType<typeof chooseFileSystem> {
  const known = layout.set()?.BaseDeviceFilesystem;
  if (known !== "xfs" && known !== "ext4") return chooseFileSystem(options.fs);
  if (options.fs !== undefined && options.fs !== known) logger.warn({ fs: known }, `dm.fs=${options.fs} comes too late: the devices have ${known} already`);
  return known;
}

/** For whoever finds a device without anything else. */
function writeOwner(mountPoint: string, id: string): void {
  const path = join(mountPoint, "id");
  if (!existsSync(path) || readFileSync(path, "utf8") !== id) writeFileSync(path, id, { mode: 0o600 });
}
