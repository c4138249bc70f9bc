import { closeSync, createReadStream, createWriteStream, openSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { rename, rm, unlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { errnoOf, newId } from "../../core/index.js";

const PACKED = ".gz";
const FORMS = ["", PACKED] as const;

/** `n` 0 is the current file, 1 the one before. Those before may be packed. */
export function rotated(file: string, n: number): string {
  return n === 0 ? file : `${file}.${n}`;
}

/** Makes room for a new current file, `maxFiles` in all. Synchronous, so that no reader in this process sees half of it. */
export function rotate(file: string, maxFiles: number): void {
  const last = rotated(file, maxFiles - 1);
  for (const form of FORMS) rmSync(`${last}${form}`, { force: true });
  for (let n = maxFiles - 2; n >= 0; n--) for (const form of FORMS) move(`${rotated(file, n)}${form}`, `${rotated(file, n + 1)}${form}`);
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (e) {
    if (errnoOf(e) !== "ENOENT") throw e;
  }
}

/** Packs a file that nobody writes any more. Readers find it in one form or the other at every moment. */
export async function pack(path: string): Promise<void> {
  const making = `${path}.packing`;
  try {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(making, { mode: 0o640 }));
    await rename(making, `${path}${PACKED}`);
    await unlink(path);
  } catch (e) {
    await rm(making, { force: true });
    throw e;
  }
}

/** A file of a log that is open for reading, whatever its name is by now. */
export class LogFile {
  private constructor(private readonly path: string, private fd: number, private packed: boolean) {}

  /** Null when there is none. */
  static open(file: string, n: number): LogFile | null {
    for (const form of FORMS) {
      try {
        return new LogFile(file, openSync(`${rotated(file, n)}${form}`, "r"), form === PACKED);
      } catch (e) {
        if (errnoOf(e) !== "ENOENT") throw e;
      }
    }
    return null;
  }

  /** All files that exist, oldest first. Synchronous: the writer cannot rotate in between. */
  static all(file: string): LogFile[] {
    const files: LogFile[] = [];
    for (let n = 0; ; n++) {
      const next = LogFile.open(file, n);
      if (next === null) return files.reverse();
      files.push(next);
    }
  }

  /** A descriptor of the lines; a packed file is unpacked the first time. */
  async lines(): Promise<number> {
    if (!this.packed) return this.fd;
    const scratch = `${this.path}.${newId<string>().slice(0, 12)}`;
    const lines = openSync(scratch, "wx+", 0o600);
    unlinkSync(scratch);
    try {
      await pipeline(createReadStream("", { fd: this.fd, autoClose: false, start: 0 }), createGunzip(), createWriteStream("", { fd: lines, autoClose: false, start: 0 }));
    } catch (e) {
      closeSync(lines);
      throw e;
    }
    closeSync(this.fd);
    this.fd = lines;
    this.packed = false;
    return lines;
  }

  close(): void {
    closeSync(this.fd);
  }
}
