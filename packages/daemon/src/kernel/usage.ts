import { readdirSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../core/errors.js";
import type { ByteString } from "./byte-path.js";
import { AT_FDCWD, close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat } from "./libc.js";
import { readDirectory, openDirectoryAt } from "./directory.js";
import { inodeKey, isDirectory, Stater } from "./stat.js";

/**
 * Bytes on disk and inodes of a tree, hard links once; `size` is the sum of the lengths of what is no directory. What is
 * mounted in it is not entered: a mount point counts as `path` itself does, for what it covers is an empty directory.
 * Files that the tree `besides` has, too, by hard links, do not count. Absent is nothing.
 */
export function* measureTree(path: string, besides?: string): Generator<undefined, { bytes: number; inodes: number; size: number }> {
  const stater = new Stater();
  const buffer = Buffer.allocUnsafeSlow(65536);
  const linked = new Set<string>();
  if (besides !== undefined) yield* collectLinked(besides, linked);
  let bytes = 0, inodes = 0, size = 0;
  const top = stater.at(AT_FDCWD, Buffer.from(path).toString("latin1"));
  if (!top) return { bytes, inodes, size };
  bytes += top.allocated;
  inodes++;
  if (!isDirectory(top.mode)) return { bytes, inodes, size: top.size };

  function* walk(fd: number): Generator<undefined, void> {
    for (const { name } of readDirectory(fd, buffer)) {
      const stat = stater.at(fd, name);
      if (!stat) continue;
      if (stat.nlink > 1 && !isDirectory(stat.mode)) {
        const key = inodeKey(stat);
        if (linked.has(key)) continue;
        linked.add(key);
      }
      const foreign = stat.mountRoot || stat.dev !== top!.dev;
      bytes += foreign ? top!.allocated : stat.allocated;
      if (!isDirectory(stat.mode) && !foreign) size += stat.size;
      if (++inodes % 1024 === 0) yield;
      if (!isDirectory(stat.mode) || foreign) continue;
      const child = openLive(fd, name);
      if (child === undefined) continue;
      try { yield* walk(child); } finally { close(child); }
    }
  }
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try { yield* walk(fd); } finally { close(fd); }
  return { bytes, inodes, size };
}

/** A directory of a tree that may be in use; undefined when it went meanwhile. */
function openLive(dir: number, name: ByteString): number | undefined {
  try { return openDirectoryAt(dir, name); }
  catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Adds the inodes of a tree that have several names. */
function* collectLinked(path: string, linked: Set<string>): Generator<undefined, void> {
  const stater = new Stater();
  const buffer = Buffer.allocUnsafeSlow(65536);
  let seen = 0;
  function* walk(fd: number): Generator<undefined, void> {
    for (const { name } of readDirectory(fd, buffer)) {
      if (++seen % 1024 === 0) yield;
      const stat = stater.at(fd, name);
      if (!stat) continue;
      if (!isDirectory(stat.mode)) { if (stat.nlink > 1) linked.add(inodeKey(stat)); continue; }
      const child = openLive(fd, name);
      if (child === undefined) continue;
      try { yield* walk(child); } finally { close(child); }
    }
  }
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try { yield* walk(fd); } finally { close(fd); }
}

/** Entries of a directory by their names, each with what it takes as a tree; its own takes are not among them. Absent is nothing. */
export function* measureEntries(path: string): Generator<undefined, Record<string, { bytes: number; inodes: number }>> {
  const entries: Record<string, { bytes: number; inodes: number }> = {};
  let names: string[];
  try { names = readdirSync(path); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return entries;
    throw error;
  }
  for (const name of names) {
    const { bytes, inodes } = yield* measureTree(join(path, name));
    if (inodes > 0) entries[name] = { bytes, inodes };
  }
  return entries;
}

/** What files and directories themselves take, not what is in them. Those that are absent take nothing. */
export async function allocatedTo(paths: readonly string[]): Promise<{ bytes: number; inodes: number }> {
  const found = await Promise.all(paths.map(async (path) => {
    try { return (await lstat(path)).blocks * 512; }
    catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }));
  const there = found.filter((bytes) => bytes !== undefined);
  return { bytes: there.reduce((sum, bytes) => sum + bytes, 0), inodes: there.length };
}
