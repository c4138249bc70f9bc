import { readFileSync, rmSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { DataLoss, errnoOf, messageOf } from "../../../core/errors.js";

/** The device that all others are snapshots of, in the end. */
export const BASE = "base";
const SET = "deviceset-metadata", TRANSACTION = "transaction-metadata";
const TEMPORARY = ".tmp-";

/** What is known of a thin device: `metadata/<id>`, as JSON. */
export interface DeviceRecord {
  /** Its number in the pool. */
  readonly device_id: number;
  /** Bytes. */
  readonly size: number;
  readonly transaction_id: number;
  /** The base device has its file system. */
  readonly initialized: boolean;
  /** Removed, but not yet gone from the pool. */
  readonly deleted: boolean;
  /** It is a layer: nothing changes in it any more. */
  readonly committed: boolean;
  /** Its file system has yet to become as large as it is. */
  readonly growing: boolean;
  /** Inodes in use when it was committed, and in what it was made from. */
  readonly inodes: number;
  readonly inodes_below: number;
}
/** `metadata/deviceset-metadata` */
export interface SetRecord { readonly next_device_id: number; readonly BaseDeviceUUID: string; readonly BaseDeviceFilesystem: string }
/** `metadata/transaction-metadata`: what is under way as soon as the pool's transaction is the one before. */
export interface TransactionRecord { readonly open_transaction_id: number; readonly device_hash: string; readonly device_id: number }

/**
 * Where things lie, and how they are called.
 *
 *   <root>/devicemapper/{data,metadata}     the loop devices' files (sparse)
 *   <root>/metadata/<id>                    what is known of a device; base, deviceset-metadata, transaction-metadata
 *   <root>/mnt/<id>                         where it is mounted: `rootfs` holds the tree, `id` says whose it is
 *   <root>/open/<id>                        where the driver itself mounts it, for as long as it needs it
 *   <root>/setup-config.json                what the daemon made LVM do
 *   /dev/mapper/docker-<major>:<minor>-<inode>-pool, …-<id>    numbers of <root>'s device and its own inode
 */
export class Layout {
  private readonly prefix: string;

  constructor(readonly root: string) {
    const { dev, ino } = statSync(root, { bigint: true });
    this.prefix = `docker-${(dev >> 8n) & 0xfffn}:${(dev & 0xffn) | ((dev >> 12n) & 0xfff00n)}-${ino}`;
  }

  get loops(): string { return join(this.root, "devicemapper"); }
  get dataFile(): string { return join(this.loops, "data"); }
  get metadataFile(): string { return join(this.loops, "metadata"); }
  get records(): string { return join(this.root, "metadata"); }
  get mounts(): string { return join(this.root, "mnt"); }
  get opened(): string { return join(this.root, "open"); }
  get lvmSetup(): string { return join(this.root, "setup-config.json"); }
  mountPoint(id: string): string { return join(this.mounts, id); }
  openPoint(id: string): string { return join(this.opened, id); }
  get poolName(): string { return `${this.prefix}-pool`; }
  deviceName(id: string): string { return `${this.prefix}-${id}`; }
  /** The other way round; undefined for other people's devices and for the pool. */
  idOf(deviceName: string): string | undefined {
    const id = deviceName.startsWith(`${this.prefix}-`) ? deviceName.slice(this.prefix.length + 1) : "pool";
    return id === "pool" ? undefined : id;
  }

  device(id: string): DeviceRecord | undefined {
    const read = this.read<Partial<DeviceRecord>>(id);
    if (read === undefined) return undefined;
    if (typeof read.device_id !== "number" || typeof read.size !== "number") throw new DataLoss(`${join(this.records, id)} does not say which device it is about`);
    return { transaction_id: 0, initialized: false, deleted: false, committed: false, growing: false, inodes: 0, inodes_below: 0, ...read } as DeviceRecord;
  }
  writeDevice(id: string, record: DeviceRecord): Promise<void> { return this.write(id, record); }
  forgetDevice(id: string): void { rmSync(join(this.records, id), { force: true }); }
  set(): SetRecord | undefined { return this.read(SET); }
  writeSet(record: SetRecord): Promise<void> { return this.write(SET, record); }
  transaction(): TransactionRecord | undefined { return this.read(TRANSACTION); }
  writeTransaction(record: TransactionRecord): Promise<void> { return this.write(TRANSACTION, record); }

  /** Of names in `metadata`, those that stand for snapshots. */
  isSnapshot(name: string): boolean { return name !== BASE && name !== SET && name !== TRANSACTION && name !== "pool" && !name.startsWith("."); }
  isTemporary(name: string): boolean { return name.startsWith(TEMPORARY); }

  private read<T>(name: string): T | undefined {
    const path = join(this.records, name);
    let text: string;
    try { text = readFileSync(path, "utf8"); } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
    try { return JSON.parse(text) as T; } catch (error) { throw new DataLoss(`${path} is damaged: ${messageOf(error)}`, { cause: error }); }
  }

  /** Old or new after a power cut, never half. */
  private async write(name: string, value: unknown): Promise<void> {
    const temporary = join(this.records, `${TEMPORARY}${name}`);
    const file = await open(temporary, "w", 0o600);
    try { await file.writeFile(JSON.stringify(value)); await file.sync(); } finally { await file.close(); }
    await rename(temporary, join(this.records, name));
    const directory = await open(this.records, "r");
    try { await directory.sync(); } finally { await directory.close(); }
  }
}
