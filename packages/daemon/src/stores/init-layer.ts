import { constants, fstatSync } from "node:fs";
import { errnoOf } from "../core/index.js";
import { AT_FDCWD, close, mkdirat, O_DIRECTORY, O_NOFOLLOW, O_PATH, openat, openInRoot, symlinkat, unlinkat } from "../kernel/libc.js";

/** What a runtime mounts over, or expects: made here so that it is not made in the container's own layer. */
const WANTED: readonly { readonly dir: string; readonly name: string; readonly kind: "dir" | "file" | "mtab" }[] = [
  { dir: "", name: "proc", kind: "dir" },
  { dir: "", name: "sys", kind: "dir" },
  { dir: "", name: ".dockerenv", kind: "file" },
  { dir: "dev", name: "pts", kind: "dir" },
  { dir: "dev", name: "shm", kind: "dir" },
  { dir: "dev", name: "console", kind: "file" },
  { dir: "etc", name: "hosts", kind: "file" },
  { dir: "etc", name: "hostname", kind: "file" },
  { dir: "etc", name: "resolv.conf", kind: "file" },
  { dir: "etc", name: "mtab", kind: "mtab" },
];

/**
 * Makes the mount points that are absent in a container's tree. What the image has stays, but for a symlink where a
 * mount point must be. Links in the image lead nowhere outside the tree. A few system calls, no waiting.
 */
export function makeMountPoints(tree: string): void {
  const root = openat(AT_FDCWD, tree, O_PATH | O_DIRECTORY);
  const opened = new Map<string, number | undefined>([["", root]]);
  try {
    for (const { dir, name, kind } of WANTED) {
      if (!opened.has(dir)) opened.set(dir, openDirectory(root, dir));
      const parent = opened.get(dir);
      if (parent === undefined) continue;
      if (make(parent, name, kind) || kind === "mtab" || !isSymlink(parent, name)) continue;
      unlinkat(parent, name);
      make(parent, name, kind);
    }
  } finally {
    for (const fd of opened.values()) if (fd !== undefined) close(fd);
  }
}

/** A directory below the root, made if absent. Undefined where the image has something else: then there is no place. */
function openDirectory(root: number, name: string): number | undefined {
  for (const attempt of ["find", "make"] as const) {
    try {
      if (attempt === "make") mkdirat(root, name, 0o755);
      return openInRoot(root, name, O_PATH | O_DIRECTORY);
    } catch (e) {
      const code = errnoOf(e);
      if (code === "ENOENT" && attempt === "find") continue;
      if (code === "ENOENT" || code === "ENOTDIR" || code === "EEXIST" || code === "ELOOP") return undefined;
      throw e;
    }
  }
  return undefined;
}

/** False when something of that name is there. */
function make(parent: number, name: string, kind: "dir" | "file" | "mtab"): boolean {
  try {
    if (kind === "dir") mkdirat(parent, name, 0o755);
    else if (kind === "mtab") symlinkat("/proc/mounts", parent, name);
    else close(openat(parent, name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | O_NOFOLLOW, 0o755));
    return true;
  } catch (e) {
    if (errnoOf(e) === "EEXIST") return false;
    throw e;
  }
}

function isSymlink(parent: number, name: string): boolean {
  const fd = openat(parent, name, O_PATH | O_NOFOLLOW);
  try {
    return fstatSync(fd).isSymbolicLink();
  } finally {
    close(fd);
  }
}
