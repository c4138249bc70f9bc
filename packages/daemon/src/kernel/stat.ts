import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, statx } from "./libc.js";
import { cPath, type ByteString } from "./byte-path.js";

export const S_IFMT = 0o170000, S_IFSOCK = 0o140000, S_IFLNK = 0o120000, S_IFREG = 0o100000, S_IFBLK = 0o060000, S_IFDIR = 0o040000, S_IFCHR = 0o020000, S_IFIFO = 0o010000;
export const S_ISUID = 0o4000, S_ISGID = 0o2000, S_ISVTX = 0o1000;

const STATX_BASIC_STATS = 0x7ff, STATX_ATTR_MOUNT_ROOT = 0x2000;

/** What lstat(2) tells, with whole nanoseconds; numbers only, cheap to make by the ten thousand. */
export interface Stat {
  /** With type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** On disk, in bytes. */
  readonly allocated: number;
  readonly nlink: number;
  readonly dev: number;
  /** The inode number's halves: overlayfs uses all 64 bits. */
  readonly inoHigh: number;
  readonly inoLow: number;
  readonly mtimeSec: number;
  readonly mtimeNs: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Something is mounted here (told by kernels from 5.8 on). */
  readonly mountRoot: boolean;
}

/** Reads with one buffer over and over: make one for each walk. */
export class Stater {
  private readonly buffer = Buffer.alloc(256);

  /** The entry `name` of an open directory, symlinks not followed; undefined when there is none. */
  at(dir: number, name: ByteString): Stat | undefined {
    return statx(dir, cPath(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, this.buffer) ? this.decode() : undefined;
  }
  /** An open file. */
  of(fd: number): Stat {
    statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, this.buffer);
    return this.decode();
  }

  private decode(): Stat {
    const b = this.buffer;
    return {
      nlink: b.readUInt32LE(16),
      uid: b.readUInt32LE(20),
      gid: b.readUInt32LE(24),
      mode: b.readUInt16LE(28),
      inoLow: b.readUInt32LE(32),
      inoHigh: b.readUInt32LE(36),
      size: b.readUInt32LE(44) * 2 ** 32 + b.readUInt32LE(40),
      allocated: (b.readUInt32LE(52) * 2 ** 32 + b.readUInt32LE(48)) * 512,
      mtimeSec: b.readInt32LE(116) * 2 ** 32 + b.readUInt32LE(112),
      mtimeNs: b.readUInt32LE(120),
      rdevMajor: b.readUInt32LE(128),
      rdevMinor: b.readUInt32LE(132),
      dev: b.readUInt32LE(136) * 2 ** 20 + b.readUInt32LE(140),
      mountRoot: (b.readUInt32LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0,
    };
  }
}

/** One key for device and inode, for maps of hard links. */
export const inodeKey = (stat: Stat): string => `${stat.dev}:${stat.inoHigh}:${stat.inoLow}`;
export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const isRegular = (mode: number): boolean => (mode & S_IFMT) === S_IFREG;
export const isSymlink = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;
/** overlayfs's whiteout: a character device 0:0. */
export const isWhiteout = (stat: Stat): boolean => (stat.mode & S_IFMT) === S_IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0;
