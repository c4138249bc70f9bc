import type { ByteString } from "../kernel/byte-path.js";

export type EntryType = "file" | "link" | "symlink" | "char" | "block" | "directory" | "fifo";

/** A time as tar has it: whole seconds, rounded down (they may be negative), and 0..999999999 ns. */
export interface TarTime {
  readonly seconds: number;
  readonly nanos: number;
}
export const EPOCH: TarTime = { seconds: 0, nanos: 0 };

/** A run of data in a sparse file; everything between runs reads as zeros. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** One member of a tar, every extension applied. Names are bytes, as they stand in the archive (not cleaned). */
export interface TarEntry {
  readonly type: EntryType;
  readonly name: ByteString;
  /** Target of a link or symlink, else "". */
  readonly linkName: ByteString;
  /** Permission bits with setuid, setgid and sticky; no type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of the file as a reader sees it; 0 for everything but files. */
  readonly size: number;
  readonly mtime: TarTime;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
  /** Present for sparse files: the runs that the payload holds one behind the other. */
  readonly sparse?: readonly Segment[] | undefined;
}
export const noXattrs: ReadonlyMap<ByteString, Buffer> = new Map();
