import { closeSync, fstatSync, ftruncateSync, openSync, readSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import type { LogWriter, Output } from "../../core/index.js";
import { encodeLine } from "./json-line.js";
import { pack, rotate, rotated } from "./log-file.js";
import type { RotationOptions } from "./options.js";

const writeFd = promisify(write);
/** Bytes that are written at once, on the main thread: less than a turn of the thread pool costs. */
const AT_ONCE = 16 * 1024;

/**
 * Appends to a json-file log and rotates it. Readers in this process learn of progress through `changed`, and find
 * their place across rotations by `generation`, the number of rotations so far.
 */
export class JsonFileWriter implements LogWriter {
  generation = 0;
  /** Bytes in the current file. */
  size: number;
  closed = false;
  #fd: number;
  readonly #listeners = new Set<() => void>();
  #queue: Promise<void> = Promise.resolve();
  /** The file before the current one is being packed. */
  #packing: Promise<void> = Promise.resolve();
  /** Bytes of a character that a partial record cut, by stream. */
  readonly #cut: Record<Output["stream"], Buffer | null> = { stdout: null, stderr: null };

  /** `attributes`: as `encodeAttributes` gives them, for every line. `fresh`: what of the first batch the file does not have yet; null when it cannot have any of it. */
  constructor(readonly file: string, private readonly options: RotationOptions, private readonly attributes: string, private fresh: ((batch: readonly Output[]) => readonly Output[]) | null, private readonly onClose: () => void) {
    this.#fd = openSync(file, "a+", 0o640);
    this.size = fstatSync(this.#fd).size;
    const last = Buffer.from("\n");
    // What a crash left of a line must not swallow the next one.
    if (this.size > 0 && readSync(this.#fd, last, 0, 1, this.size - 1) === 1 && last[0] !== 0x0a) this.size += writeSync(this.#fd, "\n");
  }

  write(records: readonly Output[]): Promise<void> {
    const written = this.#queue.then(() => this.#write(records));
    this.#queue = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#packing;
    if (this.closed) return;
    this.closed = true;
    closeSync(this.#fd);
    this.onClose();
    this.#notify();
  }

  /** Resolves at the next write, rotation or close, or when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#listeners.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener("abort", done);
      if (signal.aborted || this.closed) done();
    });
  }

  async #write(records: readonly Output[]): Promise<void> {
    let pending = "";
    let bytes = 0;
    const fresh = this.fresh?.(records) ?? records;
    this.fresh = null;
    for (const record of fresh) {
      const text = this.#text(record);
      if (text === "") continue;
      const line = encodeLine(text, record.stream, record.time, this.attributes);
      const length = Buffer.byteLength(line);
      if (this.size + bytes + length > this.options.maxSize && this.size + bytes > 0) {
        await this.#append(pending);
        await this.#packing;
        this.#rotate();
        pending = "";
        bytes = 0;
      }
      pending += line;
      bytes += length;
    }
    await this.#append(pending);
    this.#notify();
  }

  /** Text of a record; a character that the record's end cuts waits for the rest of the line. */
  #text({ stream, data, partial }: Output): string {
    const cut = this.#cut[stream];
    const whole = cut === null ? data : Buffer.concat([cut, data]);
    const keep = partial ? incompleteTail(whole) : 0;
    this.#cut[stream] = keep === 0 ? null : Buffer.from(whole.subarray(whole.length - keep));
    return whole.toString("utf8", 0, whole.length - keep);
  }

  async #append(text: string): Promise<void> {
    const data = Buffer.from(text);
    try {
      for (let at = 0; at < data.length;) {
        const left = data.length - at;
        at += left <= AT_ONCE ? writeSync(this.#fd, data, at, left) : (await writeFd(this.#fd, data, at, left)).bytesWritten;
      }
    } catch (e) {
      ftruncateSync(this.#fd, this.size); // no half line stays
      throw e;
    }
    this.size += data.length;
  }

  #rotate(): void {
    closeSync(this.#fd);
    rotate(this.file, this.options.maxFiles);
    // What cannot be packed is read as it is.
    if (this.options.compress) this.#packing = pack(rotated(this.file, 1)).catch(() => undefined);
    this.#fd = openSync(this.file, "a", 0o640);
    this.size = 0;
    this.generation++;
    this.#notify();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** How many bytes at the end begin a UTF-8 character without finishing it: 0 to 3. */
export function incompleteTail(data: Buffer): number {
  for (let back = 1; back <= Math.min(3, data.length); back++) {
    const byte = data[data.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? back : 0;
    }
  }
  return 0;
}
