import type { ByteString } from "../../kernel/byte-path.js";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../kernel/stat.js";
import { noXattrs, type Segment, type TarTime } from "../tar-entry.js";

/** What an inode of any kind has. */
export interface Attributes {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime;
  readonly xattrs: ReadonlyMap<ByteString, Buffer>;
}

/** An inode of a layer that is being read. Layers have them by the ten thousand: few fields, no more. */
export class Node {
  mode: number;
  uid!: number;
  gid!: number;
  seconds!: number;
  nanos!: number;
  xattrs: ReadonlyMap<ByteString, Buffer> = noXattrs;
  /** Names that it has in the finished tree (directories: 2 and one for each below). */
  links = 0;
  /** Byte offset in the index. */
  at = 0;
  /** Its first block outside the inodes, counted from the first of its kind. */
  block = 0;
  /** What it holds (or the end of it) lies directly behind it. */
  inline = false;

  constructor(type: number, attributes: Attributes) {
    this.mode = type;
    this.become(attributes);
  }
  become({ mode, uid, gid, mtime, xattrs }: Attributes): void {
    this.mode = (this.mode & ~0o7777) | mode;
    this.uid = uid;
    this.gid = gid;
    this.seconds = mtime.seconds;
    this.nanos = mtime.nanos;
    this.xattrs = xattrs;
  }
}

/** A regular file: `size` bytes from `offset` in the tar. */
export class FileNode extends Node {
  constructor(attributes: Attributes, readonly size: number, readonly offset: number) { super(S_IFREG, attributes); }
}

/** A file with holes: its runs lie one behind the other from `offset` in the tar. */
export class SparseNode extends Node {
  constructor(attributes: Attributes, readonly size: number, readonly offset: number, readonly runs: readonly Segment[]) { super(S_IFREG, attributes); }
}

export class SymlinkNode extends Node {
  constructor(attributes: Attributes, readonly target: ByteString) { super(S_IFLNK, attributes); }
}

/** A device, pipe or whiteout. */
export class SpecialNode extends Node {
  constructor(type: number, attributes: Attributes, readonly major: number, readonly minor: number) { super(type, attributes); }
}

export class DirectoryNode extends Node {
  readonly entries = new Map<ByteString, Node>();
  /** All names with `.` and `..`, sorted: made when the tree is finished. */
  names: readonly ByteString[] = [];
  /** Bytes of its list of names. */
  size = 0;

  /** `parent` is null for the root; `path` is where it lies below it. */
  constructor(attributes: Attributes, readonly parent: DirectoryNode | null, readonly path: ByteString) { super(S_IFDIR, attributes); }
}
