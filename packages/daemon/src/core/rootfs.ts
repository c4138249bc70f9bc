import type { Readable } from "node:stream";

/** Looks into a container's tree: no symlink or `..` inside leads out of it. */
export interface RootFiles {
  /** A regular file's content; null when there is none. */
  read(root: string, path: string): Promise<Buffer | null>;
  /** Mounts what is there on `target`, which is made for it: a directory, or a file. False when nothing is there. */
  bind(root: string, path: string, target: string): Promise<boolean>;
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
