import { closeSync, mkdirSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../core/errors.js";
import { cPath, type ByteString } from "../kernel/byte-path.js";
import { copyFile } from "../kernel/copy-file.js";
import { withFd } from "../kernel/directory.js";
import { AT_FDCWD, O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY, openat, renameat } from "../kernel/libc.js";
import { Stater } from "../kernel/stat.js";
import { readSplit } from "./split-reader.js";
import { SplitWriter } from "./split-writer.js";

/**
 * Files that the archive itself replaces or deletes again. Their content cannot be found in the tree when the tar is
 * put together, so they are moved aside, and at the end their bytes go into the split file.
 */
export class KeptFiles {
  /** Number of the reference in the split file that a path of the tree answers now. */
  private readonly live = new Map<ByteString, number>();
  private readonly kept = new Set<number>();
  private references = 0;
  private folder = false;

  /** `directory` is made when it is needed; files are moved there, or copied when it does not lie on the tree's own file system. */
  constructor(private readonly directory: string) {}

  /** A reference to `path` was just written. */
  refer(path: ByteString): void { this.live.set(path, this.references++); }

  /** Keeps an entry that is about to be removed, if the split file refers to it; true when it is out of the tree then. */
  take(dir: number, name: ByteString, path: ByteString): boolean {
    const reference = this.live.get(path);
    if (reference === undefined) return false;
    if (!this.folder) mkdirSync(this.directory, { mode: 0o700 });
    this.folder = true;
    const moved = moveOrCopy(dir, name, join(this.directory, String(reference)));
    this.live.delete(path);
    this.kept.add(reference);
    return moved;
  }

  /** Writes the kept bytes into a finished split file in place of their references. */
  settle(split: string): void {
    if (this.kept.size > 0) {
      const next = `${split}.next`;
      const writer = new SplitWriter(next);
      let reference = 0;
      for (const record of readSplit(split)) {
        if (Buffer.isBuffer(record)) writer.raw(record);
        else if (this.kept.has(reference++)) copyInto(writer, join(this.directory, String(reference - 1)));
        else writer.file(record.path, record.size);
      }
      writer.close();
      renameSync(next, split);
    }
    if (this.folder) rmSync(this.directory, { recursive: true });
  }
}

/** False when it was copied. */
function moveOrCopy(dir: number, name: ByteString, to: string): boolean {
  try { renameat(dir, cPath(name), AT_FDCWD, to); return true; }
  catch (error) { if (errnoOf(error) !== "EXDEV") throw error; }
  withFd(openat(dir, cPath(name), O_RDONLY | O_NOFOLLOW), (source) => {
    withFd(openat(AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL, 0o600), (target) => copyFile(source, target, new Stater().of(source).size));
  });
  return false;
}

function copyInto(writer: SplitWriter, file: string): void {
  const fd = openSync(file, "r");
  const buffer = Buffer.allocUnsafe(1 << 18);
  try { for (let n = readSync(fd, buffer); n > 0; n = readSync(fd, buffer)) writer.raw(buffer.subarray(0, n)); }
  finally { closeSync(fd); }
}
