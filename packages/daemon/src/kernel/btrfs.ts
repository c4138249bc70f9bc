/**
 * btrfs by its ioctls (linux/btrfs.h, linux/btrfs_tree.h): subvolumes, their limits, and what they take. Paths are
 * ours: absolute, and their parents are followed as they are. Numbers of subvolumes are 256 and above, and never used again.
 */
import { fstatSync, statfsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { errnoOf } from "../core/errors.js";
import type { Usage } from "../core/storage.js";
import { AT_FDCWD, close, ioctl, ioctlAsync, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat, openStraight } from "./libc.js";

const MAGIC = 0x9123683e;
/** The inode of a subvolume's root. */
const ROOT_INODE = 256;

const READ = 2, WRITE = 1;
const request = (direction: number, number: number, size: number): number => ((direction << 30) | (size << 16) | (0x94 << 8) | number) >>> 0;
const IOC = {
  SYNC: request(0, 8, 0), TREE_SEARCH_V2: request(READ | WRITE, 17, 112), INO_LOOKUP: request(READ | WRITE, 18, 4096),
  SNAP_CREATE_V2: request(WRITE, 23, 4096), SUBVOL_CREATE_V2: request(WRITE, 24, 4096), SUBVOL_GETFLAGS: request(READ, 25, 8), SUBVOL_SETFLAGS: request(WRITE, 26, 8),
  QUOTA_CTL: request(READ | WRITE, 40, 16), QGROUP_CREATE: request(WRITE, 42, 16), QGROUP_LIMIT: request(READ, 43, 48), QUOTA_RESCAN_STATUS: request(READ, 45, 64),
  GET_SUBVOL_INFO: request(READ, 60, 504), SNAP_DESTROY_V2: request(WRITE, 63, 4096),
} as const;
const SPEC_BY_ID = 1 << 4, RDONLY = 1 << 1;
const TREE = { root: 1, quota: 8 } as const;
const KEY = { inode: 1, extent: 108, root: 132, child: 156, qgroupStatus: 240, qgroup: 242 } as const;
const PAGE = 256 << 10;
const MAX = 0xffffffffffffffffn;

export function isBtrfs(path: string): boolean { return statfsSync(path).type === MAGIC; }

/** False where there is nothing, too. */
export function isSubvolume(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.ino === ROOT_INODE && stat.isDirectory() && isBtrfs(path);
}

/** Makes an empty subvolume. EEXIST where something is. */
export function createSubvolume(path: string): Promise<void> {
  return within(dirname(path), (dir) => ioctlAsync(dir, IOC.SUBVOL_CREATE_V2, volume(basename(path)), "BTRFS_IOC_SUBVOL_CREATE"));
}
/** Makes a writable snapshot; subvolumes nested in the source are empty directories in it. */
export function snapshotSubvolume(source: string, path: string): Promise<void> {
  return within(source, (from) => within(dirname(path), (dir) => ioctlAsync(dir, IOC.SNAP_CREATE_V2, volume(basename(path), from), "BTRFS_IOC_SNAP_CREATE")));
}

/** Deletes a subvolume and those nested in it; their numbers. Absent is success. What they take is freed in the background: see DeletedSubvolumes. */
export function deleteSubvolume(path: string): Promise<number[]> {
  return within(dirname(path), async (dir) => {
    const gone: number[] = [];
    try {
      await inside(dir, basename(path), async (fd) => { gone.push(...await deleteNested(fd), infoOf(fd).id); });
      await ioctlAsync(dir, IOC.SNAP_DESTROY_V2, volume(basename(path)), "BTRFS_IOC_SNAP_DESTROY");
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    return gone;
  });
}
async function deleteNested(fd: number): Promise<number[]> {
  const gone: number[] = [];
  for (const child of await nestedIn(fd)) {
    if (gone.length === 0) setFlags(fd, 0);
    gone.push(...await inside(fd, child.path, deleteNested), child.id);
    const args = volume("");
    args.writeBigUInt64LE(BigInt(SPEC_BY_ID), 16);
    args.writeBigUInt64LE(BigInt(child.id), 56);
    await ioctlAsync(fd, IOC.SNAP_DESTROY_V2, args, "BTRFS_IOC_SNAP_DESTROY");
  }
  return gone;
}

/** Nothing in it can be changed any more; it can be deleted. */
export function setReadOnly(path: string): Promise<void> {
  const flags = Buffer.alloc(8);
  flags.writeBigUInt64LE(BigInt(RDONLY));
  return within(path, (fd) => ioctlAsync(fd, IOC.SUBVOL_SETFLAGS, flags, "BTRFS_IOC_SUBVOL_SETFLAGS"));
}
function setFlags(fd: number, wanted: number): void {
  const flags = Buffer.alloc(8);
  ioctl(fd, IOC.SUBVOL_GETFLAGS, flags, "BTRFS_IOC_SUBVOL_GETFLAGS");
  if (flags.readUInt32LE() === wanted) return;
  flags.writeBigUInt64LE(BigInt(wanted));
  ioctl(fd, IOC.SUBVOL_SETFLAGS, flags, "BTRFS_IOC_SUBVOL_SETFLAGS");
}

/** Those of them that the kernel has not freed yet: it does so in the background, and waits for whoever has a file of them open. */
export function notYetFreed(anyPath: string, ids: Iterable<number>): Promise<number[]> {
  return within(anyPath, async (fd) => {
    const still: number[] = [];
    for (const id of ids) if (await exists(fd, TREE.root, id, KEY.root)) still.push(id);
    return still;
  });
}
/** Commits, and lets the kernel begin to free what was deleted. */
export function startFreeing(anyPath: string): Promise<void> { return within(anyPath, (fd) => ioctlAsync(fd, IOC.SYNC, Buffer.alloc(8), "BTRFS_IOC_SYNC")); }

/**
 * What a subvolume takes beyond what it had when it was made: data written since (compressed as on disk) and inodes
 * made since. Its own tree tells by the generations of its items; parts of it that did not change since are not read.
 * Subvolumes nested in it count. Data still in memory does not.
 */
export function ownUsage(path: string): Promise<Usage> { return within(path, usageOf); }

async function usageOf(fd: number): Promise<Usage> {
  const { made, isSnapshot } = infoOf(fd);
  // What its source wrote within the transaction of the snapshot is the source's.
  const since = isSnapshot ? made + 1 : made;
  const extents = new Set<number>();
  let bytes = 0, inodes = 0;
  await search(fd, { tree: 0, objects: [256n, MAX - 256n], types: [KEY.inode, KEY.extent], since }, (item) => {
    const { data } = item;
    if (item.type === KEY.inode && u64(data, 0) >= since) inodes++;
    if (item.type !== KEY.extent || u64(data, 0) < since) return;
    if (data[20] === 0) { bytes += data.length - 21; return; }
    const at = u64(data, 21);
    if (at === 0 || extents.has(at)) return;
    extents.add(at);
    bytes += u64(data, 29);
  });
  for (const child of await nestedIn(fd)) {
    const usage = await inside(fd, child.path, usageOf);
    bytes += usage.bytes;
    inodes += usage.inodes;
  }
  return { bytes, inodes };
}

/**
 * Limits what a subvolume holds for itself alone, in bytes; undefined lifts the limit. Turns the file system's quotas on
 * where they are off, and waits for its first count, `patienceMs` at most: limits hold from then on. False when it still counts.
 */
export function limitSubvolume(path: string, bytes: number | undefined, patienceMs: number): Promise<boolean> {
  return within(path, async (fd) => {
    const counted = await enableQuota(fd, patienceMs);
    const MAX_EXCL = 1n << 1n;
    const args = Buffer.alloc(48);
    args.writeBigUInt64LE(BigInt(infoOf(fd).id), 0);
    args.writeBigUInt64LE(MAX_EXCL, 8);
    args.writeBigUInt64LE(bytes === undefined ? MAX : BigInt(bytes), 24);
    await ioctlAsync(fd, IOC.QGROUP_LIMIT, args, "BTRFS_IOC_QGROUP_LIMIT");
    return counted;
  });
}
async function enableQuota(fd: number, patienceMs: number): Promise<boolean> {
  if (!await quotaOn(fd)) {
    const args = Buffer.alloc(16);
    args.writeUInt32LE(1);
    await ioctlAsync(fd, IOC.QUOTA_CTL, args, "BTRFS_IOC_QUOTA_CTL");
  }
  for (const end = Date.now() + patienceMs; ; await pause(20)) {
    const status = Buffer.alloc(64);
    ioctl(fd, IOC.QUOTA_RESCAN_STATUS, status, "BTRFS_IOC_QUOTA_RESCAN_STATUS");
    if (status.readUInt32LE() === 0) return true;
    if (Date.now() > end) return false;
  }
}
const quotaOn = (fd: number): Promise<boolean> => exists(fd, TREE.quota, 0, KEY.qgroupStatus);
export function quotaEnabled(anyPath: string): Promise<boolean> { return within(anyPath, quotaOn); }

/** What the quotas count for a subvolume, in bytes: all that it holds, and what nobody shares with it. Undefined where quotas are off. */
export function countedBytes(path: string): Promise<{ readonly referenced: number; readonly exclusive: number } | undefined> {
  return within(path, async (fd) => {
    let found: { referenced: number; exclusive: number } | undefined;
    await searchQuota(fd, KEY.qgroup, infoOf(fd).id, (data) => { found = { referenced: u64(data, 8), exclusive: u64(data, 24) }; });
    return found;
  });
}

/** Drops the counters and limits of subvolumes that are gone (newer kernels do it themselves). Those that there still are stay. */
export function dropCounters(anyPath: string, ids: Iterable<number>): Promise<void> {
  return within(anyPath, async (fd) => {
    if (!await quotaOn(fd)) return;
    for (const id of ids) {
      const args = Buffer.alloc(16);
      args.writeBigUInt64LE(BigInt(id), 8);
      try { await ioctlAsync(fd, IOC.QGROUP_CREATE, args, "BTRFS_IOC_QGROUP_CREATE"); }
      catch (error) { if (!["ENOENT", "EBUSY", "ENOTCONN"].includes(errnoOf(error) ?? "")) throw error; }
    }
  });
}

interface Info { readonly id: number; /** The transaction that made it. */ readonly made: number; readonly isSnapshot: boolean }
function infoOf(fd: number): Info {
  // Of a directory in a subvolume the kernel would tell of that subvolume.
  if (fstatSync(fd).ino !== ROOT_INODE) throw new Error("not a subvolume of btrfs");
  const info = Buffer.alloc(504);
  ioctl(fd, IOC.GET_SUBVOL_INFO, info, "BTRFS_IOC_GET_SUBVOL_INFO");
  return { id: u64(info, 0), made: u64(info, 352), isSnapshot: info.subarray(312, 328).some((byte) => byte !== 0) };
}

/** Subvolumes whose place is in this one, with their paths inside it. */
async function nestedIn(fd: number): Promise<{ readonly id: number; readonly path: string }[]> {
  const { id } = infoOf(fd);
  const found: { id: number; dir: bigint; name: string }[] = [];
  await search(fd, { tree: TREE.root, objects: [BigInt(id), BigInt(id)], types: [KEY.child, KEY.child], since: 0 }, ({ type, offset, data }) => {
    if (type === KEY.child) found.push({ id: offset, dir: data.readBigUInt64LE(0), name: data.toString("utf8", 18, 18 + data.readUInt16LE(16)) });
  });
  return found.map((child) => {
    const args = Buffer.alloc(4096);
    args.writeBigUInt64LE(BigInt(id), 0);
    args.writeBigUInt64LE(child.dir, 8);
    ioctl(fd, IOC.INO_LOOKUP, args, "BTRFS_IOC_INO_LOOKUP");
    return { id: child.id, path: `${args.toString("utf8", 16, args.indexOf(0, 16))}${child.name}` };
  });
}

interface Item { readonly object: number; readonly type: number; readonly offset: number; readonly data: Buffer }
interface Range {
  /** 0: that of the subvolume itself. */
  readonly tree: number;
  readonly objects: readonly [bigint, bigint];
  readonly types: readonly [number, number];
  readonly offsets?: readonly [bigint, bigint];
  /** Leaves of the tree that did not change since this transaction are left out. */
  readonly since: number;
}

/** Calls for every item from the first key to the last; keys are ordered by object, type, offset, so other types lie between. */
async function search(fd: number, { tree, objects, types, offsets = [0n, MAX], since }: Range, each: (item: Item) => void): Promise<void> {
  const args = Buffer.alloc(112 + PAGE);
  let [object] = objects, [type] = types, [offset] = offsets;
  for (;;) {
    args.fill(0, 0, 112);
    for (const [i, value] of [BigInt(tree), object, objects[1], offset, offsets[1], BigInt(since), MAX].entries()) args.writeBigUInt64LE(value, i * 8);
    args.writeUInt32LE(type, 56);
    args.writeUInt32LE(types[1], 60);
    args.writeUInt32LE(0xffffffff, 64);
    args.writeBigUInt64LE(BigInt(PAGE), 104);
    await ioctlAsync(fd, IOC.TREE_SEARCH_V2, args, "BTRFS_IOC_TREE_SEARCH_V2");
    const count = args.readUInt32LE(64);
    if (count === 0) return;
    let at = 112, last = 0;
    for (let n = 0; n < count; n++) {
      const length = args.readUInt32LE(at + 28);
      last = at;
      each({ object: u64(args, at + 8), offset: u64(args, at + 16), type: args.readUInt32LE(at + 24), data: args.subarray(at + 32, at + 32 + length) });
      at += 32 + length;
    }
    object = args.readBigUInt64LE(last + 8);
    offset = args.readBigUInt64LE(last + 16);
    type = args.readUInt32LE(last + 24);
    if (offset < MAX) offset++;
    else if (type < 255) { type++; offset = 0n; }
    else if (object < objects[1]) { object++; type = 0; offset = 0n; }
    else return;
  }
}

async function exists(fd: number, tree: number, id: number, type: number): Promise<boolean> {
  let found = false;
  try { await search(fd, { tree, objects: [BigInt(id), BigInt(id)], types: [type, type], since: 0 }, (item) => { found ||= item.object === id && item.type === type; }); }
  catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
  return found;
}
async function searchQuota(fd: number, type: number, id: number, each: (data: Buffer) => void): Promise<void> {
  try { await search(fd, { tree: TREE.quota, objects: [0n, 0n], types: [type, type], offsets: [BigInt(id), BigInt(id)], since: 0 }, (item) => each(item.data)); }
  catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
}

/** btrfs_ioctl_vol_args_v2. */
function volume(name: string, fd = 0): Buffer {
  const args = Buffer.alloc(4096);
  args.writeBigInt64LE(BigInt(fd), 0);
  if (args.write(name, 56, 4039) < Buffer.byteLength(name)) throw new Error(`the name of a subvolume is too long: ${name}`);
  return args;
}
const u64 = (buffer: Buffer, at: number): number => buffer.readUInt32LE(at + 4) * 2 ** 32 + buffer.readUInt32LE(at);

/** Opens what lies at just this path: no symlink, no mount. */
async function inside<T>(dir: number, path: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openStraight(dir, path, O_RDONLY | O_DIRECTORY);
  try { return await use(fd); } finally { close(fd); }
}
async function within<T>(directory: string, use: (fd: number) => Promise<T>): Promise<T> {
  const fd = openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try { return await use(fd); } finally { close(fd); }
}
