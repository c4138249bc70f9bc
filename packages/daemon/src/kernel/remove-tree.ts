import { basename, dirname } from "node:path";
import { errnoOf } from "../core/errors.js";
import { AT_FDCWD, AT_REMOVEDIR, close, O_DIRECTORY, O_RDONLY, openat, openStraight, unlinkat } from "./libc.js";
import { cPath, toByteString, type ByteString } from "./byte-path.js";
import { readDirectory, type DirectoryEntry } from "./directory.js";
import { Stater } from "./stat.js";

/** Descriptors a removal keeps open at most; a deeper tree is climbed by `..`. */
const MAX_OPEN = 128;
const TURN = 256;

export interface RemoveOptions {
  /** Called before an entry that is no directory goes; true when the callee has moved it away itself. `path` is below `name`. */
  readonly before?: (dir: number, name: ByteString, path: ByteString) => boolean;
}

interface Level {
  fd: number;
  readonly inode: string;
  readonly name: ByteString;
  readonly entries: DirectoryEntry[];
  next: number;
}

/**
 * Removes the entry `name` of an open directory with all that is below it. Follows no symlink and enters no mount
 * (then EXDEV). Nothing there is success. Yields after some hundred entries, for whoever has other work as well.
 */
export function* removeTree(dir: number, name: ByteString, options: RemoveOptions = {}): Generator<undefined, void> {
  const stater = new Stater();
  const buffer = Buffer.allocUnsafeSlow(65536);
  const levels: Level[] = [];
  let handled = 0;
  const identity = (fd: number): string => { const stat = stater.of(fd); return `${stat.dev}:${stat.inoHigh}:${stat.inoLow}`; };
  const below = (): ByteString => levels.map((level) => level.name).join("/");
  const enter = (parent: number, entry: ByteString): boolean => {
    let fd: number;
    try { fd = openStraight(parent, cPath(entry), O_RDONLY | O_DIRECTORY); }
    catch (error) { if (errnoOf(error) === "ENOENT") return false; throw error; }
    levels.push({ fd, inode: identity(fd), name: entry, entries: readDirectory(fd, buffer), next: 0 });
    const far = levels[levels.length - 1 - MAX_OPEN];
    if (far && far.fd >= 0) { close(far.fd); far.fd = -1; }
    return true;
  };
  const leave = (): void => {
    const level = levels.pop()!;
    const parent = levels.at(-1);
    try {
      if (parent && parent.fd < 0) {
        parent.fd = openat(level.fd, "..", O_RDONLY | O_DIRECTORY);
        if (identity(parent.fd) !== parent.inode) throw new Error(`a directory was moved while it was being removed: ${level.name}`);
      }
    } finally { close(level.fd); }
    unlinkDirectory(parent?.fd ?? dir, level.name);
  };

  try {
    if (!removePlain(dir, name, "", options)) enter(dir, name);
    while (levels.length > 0) {
      const level = levels[levels.length - 1]!;
      const entry = level.entries[level.next++];
      if (entry === undefined) leave();
      else if (!removePlain(level.fd, entry.name, options.before ? `${below()}/${entry.name}` : "", options)) enter(level.fd, entry.name);
      if (++handled % TURN === 0) yield;
    }
  } finally {
    for (const level of levels) if (level.fd >= 0) close(level.fd);
  }
}

/** All at once. */
export function removeTreeSync(dir: number, name: ByteString, options: RemoveOptions = {}): void {
  const steps = removeTree(dir, name, options);
  while (!steps.next().done);
}

/** False when it is a directory. */
function removePlain(dir: number, name: ByteString, path: ByteString, options: RemoveOptions): boolean {
  if (path !== "" && options.before?.(dir, name, path)) return true;
  try { unlinkat(dir, cPath(name)); return true; }
  catch (error) {
    if (errnoOf(error) === "EISDIR") return false;
    if (errnoOf(error) === "ENOENT") return true;
    throw error;
  }
}
function unlinkDirectory(dir: number, name: ByteString): void {
  try { unlinkat(dir, cPath(name), AT_REMOVEDIR); }
  catch (error) { if (errnoOf(error) !== "ENOENT") throw error; }
}

/** removeTree of an absolute path of ours: its parents are followed as they are. */
export function* removePath(path: string): Generator<undefined, void> {
  let parent: number;
  try { parent = openat(AT_FDCWD, dirname(path), O_RDONLY | O_DIRECTORY); }
  catch (error) { if (errnoOf(error) === "ENOENT") return; throw error; }
  try { yield* removeTree(parent, toByteString(basename(path))); }
  finally { close(parent); }
}
