import { AT_FDCWD, close, fchmodat, getdents64, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, openat } from "./libc.js";
import { errnoOf } from "../core/errors.js";
import { cPath, type ByteString } from "./byte-path.js";

/** d_type of an entry; `unknown` where the file system does not tell. */
export const DT = { unknown: 0, fifo: 1, char: 2, dir: 4, block: 6, file: 8, symlink: 10, socket: 12 } as const;

export interface DirectoryEntry {
  readonly name: ByteString;
  /** One of DT. */
  readonly type: number;
}

/** Every entry of an open directory but `.` and `..`, sorted by name (bytes). Reads from where the descriptor stands. One that was removed has none. */
export function readDirectory(fd: number, buffer: Buffer = Buffer.allocUnsafeSlow(65536)): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let n = entriesInto(fd, buffer); n > 0; n = entriesInto(fd, buffer)) {
    for (let at = 0; at < n; at += buffer.readUInt16LE(at + 16)) {
      const end = buffer.indexOf(0, at + 19);
      const name = buffer.toString("latin1", at + 19, end);
      if (name !== "." && name !== "..") entries.push({ name, type: buffer[at + 18]! });
    }
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function entriesInto(fd: number, buffer: Buffer): number {
  try { return getdents64(fd, buffer); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return 0;
    throw error;
  }
}

/** Opens the entry `name` of an open directory, which must be a directory itself and no symlink. */
export function openDirectoryAt(dir: number, name: ByteString): number {
  return openat(dir, cPath(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}
/** Changes the mode of an entry and of nothing else, whatever takes its place meanwhile. */
export function chmodEntry(dir: number, name: ByteString, mode: number): void {
  withFd(openat(dir, cPath(name), O_PATH | O_NOFOLLOW), (fd) => fchmodat(AT_FDCWD, `/proc/self/fd/${fd}`, mode));
}
/** Runs with a descriptor that is closed afterwards. */
export function withFd<T>(fd: number, use: (fd: number) => T): T {
  try { return use(fd); } finally { close(fd); }
}
/** The same for work in steps. */
export function* withFdSteps<Y, T>(fd: number, use: (fd: number) => Generator<Y, T, void>): Generator<Y, T, void> {
  try { return yield* use(fd); } finally { close(fd); }
}
