import { statSync } from "node:fs";
import { posix } from "node:path";
import { Conflict, errnoOf } from "../core/errors.js";
import type { TreeView } from "../core/rootfs.js";
import { withFd } from "./directory.js";
import {
  AT_FDCWD, CLONE_NEWNS, cloneMounts, close, mkdirat, mount, MS, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY, openat, openInRoot, setns, unshare,
} from "./libc.js";

/**
 * Opens a container's tree with what is mounted in it. The mounts are made in a namespace that is gone when this
 * returns, so that nobody sees them and nothing of them outlives the descriptor. Devices in it cannot be opened.
 * For worker threads: the calling one gets a working directory of its own.
 */
export function openView(view: TreeView): number {
  return withFd(openat(AT_FDCWD, "/proc/thread-self/ns/mnt", O_RDONLY), (home) => {
    unshare(CLONE_NEWNS);
    try { return assemble(view); } finally { setns(home, CLONE_NEWNS); }
  });
}

function assemble({ root, writable, mounts }: TreeView): number {
  mount("none", "/", null, MS.REC | MS.PRIVATE);
  mount(root, root, null, MS.BIND);
  return withFd(openat(AT_FDCWD, root, O_PATH | O_DIRECTORY), (base) => {
    for (const one of mounts) {
      makePoint(base, one.destination, isDirectory(one.source));
      at(base, one.destination, (place) => mount(one.source, place, null, MS.BIND | (one.recursive ? MS.REC : 0)));
      at(base, one.destination, (place) => confine(place, one.writable));
    }
    confine(root, writable);
    return cloneMounts(base);
  });
}

function confine(place: string, writable: boolean): void {
  mount("none", place, null, MS.REMOUNT | MS.BIND | MS.NODEV | (writable ? 0 : MS.RDONLY));
}

/** Symlinks on the way are followed inside the tree, as the runtime does. */
function at(base: number, destination: string, use: (place: string) => void): void {
  withFd(openInRoot(base, destination, O_PATH), (fd) => use(`/proc/thread-self/fd/${fd}`));
}

function isDirectory(source: string): boolean {
  try { return statSync(source).isDirectory(); }
  catch (cause) {
    if (errnoOf(cause) === "ENOENT") throw new Conflict(`bind source path does not exist: ${source}`, { cause });
    throw cause;
  }
}

/** Makes a mount point and the directories on the way to it, where they are not there. */
export function makePoint(base: number, path: string, directory: boolean): void {
  try { return close(openInRoot(base, path, O_PATH)); }
  catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
  const parent = posix.dirname(path), name = posix.basename(path);
  if (parent !== "/") makePoint(base, parent, true);
  withFd(openInRoot(base, parent, O_PATH | O_DIRECTORY), (dir) => {
    if (directory) mkdirat(dir, name, 0o755);
    else close(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644));
  });
}
