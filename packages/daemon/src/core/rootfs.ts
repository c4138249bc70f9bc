import type { Readable } from "node:stream";

/** Looks into a container's tree: no symlink or `..` inside leads out of it. */
export interface RootFiles {
  /** A regular file's content; null when there is none. */
  read(root: string, path: string): Promise<Buffer | null>;
  /** Permission bits of a directory; null when there is none. */
  directoryMode(root: string, path: string): Promise<number | null>;
  /** Mounts what is there on `target`, which is made for it: a directory, or a file. False when nothing is there. */
  bind(root: string, path: string, target: string): Promise<boolean>;
  /** Makes a directory (mode 755) and those on the way to it. What is there stays, whatever it is. */
  makeDirectory(root: string, path: string): Promise<void>;
}

/** Fills a new volume with what the image has at the place where it will be mounted. */
export interface TreeCopier {
  /**
   * Copies the directory `path` of the tree `root` into the empty directory `to`: owners, modes, times, xattrs, hard
   * links and special files, and the directory's own owner and mode. Does nothing when `path` is no directory.
   */
  copy(root: string, path: string, to: string): Promise<void>;
}

/** Whole trees for `docker export`. */
export interface TreeArchiver {
  /** A tree as a tar. */
  tar(root: string): Readable;
}

/** A container's tree with what is mounted in it. */
export interface TreeView {
  readonly root: string;
  readonly writable: boolean;
  /** Outer ones first. */
  readonly mounts: readonly ViewMount[];
}
export interface ViewMount {
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
  /** With what is mounted below the source. */
  readonly recursive: boolean;
}

/** A path of a container, its last part not followed. */
export interface PathStat {
  /** Last part of the path as it was given: `/` for the root, `.` where that is how it ends. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** As lstat(2) has it, with type bits. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  /** Where a symlink leads in the container, absolute; else "". */
  readonly linkTarget: string;
}

export interface WriteOptions {
  /** InvalidArgument when a directory would be replaced by something else, or the other way round. */
  readonly keepKinds: boolean;
  /** Owner of all that is written; without it the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Files in and out of containers. Paths are resolved as a process of the container would, and never leave its tree;
 * NotFound when there is nothing. A path that ends in `/` or `/.` is followed to its end.
 */
export interface TreePorter {
  stat(view: TreeView, path: string): Promise<PathStat>;
  /** What is at `path` as a tar whose names begin with the path's last part. */
  read(view: TreeView, path: string): Readable;
  /**
   * Unpacks a tar, compressed or not, into the directory `path`. PermissionDenied where that is read-only,
   * InvalidArgument where it is no directory or the archive is none.
   */
  write(view: TreeView, path: string, tar: Readable, options: WriteOptions): Promise<void>;
}
