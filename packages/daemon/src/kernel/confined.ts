import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { RootFiles } from "../core/rootfs.js";
import { errnoOf, InvalidArgument } from "../core/errors.js";
import { AT_FDCWD, close, mount, MS, O_DIRECTORY, O_PATH, O_RDONLY, openat, openInRoot } from "./libc.js";
import { isDirectory, isRegular, Stater } from "./stat.js";
import { withFd } from "./directory.js";
import { makePoint } from "./view.js";

/** No file of a container that the daemon reads whole (passwd, group …) is larger. */
const LARGEST = 16 << 20;

/**
 * Runs with a descriptor of what `path` names inside the tree `root`: symlinks are followed as a process with that root
 * would follow them, so nothing outside can be reached. Undefined when there is nothing.
 */
export function openBelow<T>(root: string, path: string, flags: number, use: (fd: number) => T): T | undefined {
  const dir = openat(AT_FDCWD, root, O_PATH | O_DIRECTORY);
  let fd: number;
  try { fd = openInRoot(dir, path, flags); }
  catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "EACCES") return undefined;
    throw error;
  } finally { close(dir); }
  try { return use(fd); } finally { close(fd); }
}

/** The content of a regular file inside a tree; null when there is none (devices and pipes are not opened). */
export function readFileInRoot(root: string, path: string): Buffer | null {
  return openBelow(root, path, O_PATH, (handle) => {
    const { mode, size } = new Stater().of(handle);
    if (!isRegular(mode)) return null;
    if (size > LARGEST) throw new InvalidArgument(`${path} is larger than ${LARGEST >> 20} MiB`);
    const fd = openat(AT_FDCWD, `/proc/self/fd/${handle}`, O_RDONLY);
    try { return readFileSync(fd); } finally { close(fd); }
  }) ?? null;
}

function directoryModeInRoot(root: string, path: string): number | null {
  return openBelow(root, path, O_PATH, (fd) => {
    const { mode } = new Stater().of(fd);
    return isDirectory(mode) ? mode & 0o7777 : null;
  }) ?? null;
}

/** Binds what `path` names inside a tree onto a new `target`: by its descriptor, so that nobody can exchange it meanwhile. */
function bindFromRoot(root: string, path: string, target: string): boolean {
  return openBelow(root, path, O_PATH, (fd) => {
    if (isDirectory(new Stater().of(fd).mode)) mkdirSync(target, { mode: 0o700 });
    else writeFileSync(target, "", { flag: "wx", mode: 0o600 });
    mount(`/proc/self/fd/${fd}`, target, null, MS.BIND | MS.REC);
    return true;
  }) ?? false;
}

/** Looks into trees of containers and images. */
export class ConfinedFiles implements RootFiles {
  async read(root: string, path: string): Promise<Buffer | null> { return readFileInRoot(root, path); }
  async directoryMode(root: string, path: string): Promise<number | null> { return directoryModeInRoot(root, path); }
  async bind(root: string, path: string, target: string): Promise<boolean> { return bindFromRoot(root, path, target); }
  async makeDirectory(root: string, path: string): Promise<void> {
    try { withFd(openat(AT_FDCWD, root, O_PATH | O_DIRECTORY), (base) => makePoint(base, path, true)); }
    catch (error) { if (!["ENOTDIR", "ELOOP", "EEXIST"].includes(errnoOf(error) ?? "")) throw error; }
  }
}
