import { readSync } from "node:fs";
import { makePipe, setPipeSize, tee } from "./libc.js";

/** Pipes that are looked into may hold this much; so must the one that receives the look. */
const CAPACITY = 1 << 20;

/**
 * Looks at what is in a pipe without taking it, by tee(2) into a pipe of our own. What was only looked at is still
 * there for the next reader, should this process die. Synchronous: the pipes must be non-blocking.
 */
export class PipePeek {
  #own: { readonly read: number; readonly write: number } | null = null;
  readonly #waste = Buffer.allocUnsafe(1 << 17);

  /** At most `max` bytes from the beginning; none when the pipe is empty. */
  look(fd: number, max: number): Buffer {
    const { read, write } = this.#own ??= ownPipe();
    const size = tee(fd, write, max);
    const data = Buffer.allocUnsafe(size);
    for (let at = 0; at < size;) at += readSync(read, data, at, size - at, null);
    return data;
  }

  /** Takes bytes that were looked at before. */
  take(fd: number, count: number): void {
    for (let left = count; left > 0;) left -= readSync(fd, this.#waste, 0, Math.min(left, this.#waste.length), null);
  }
}

function ownPipe(): { read: number; write: number } {
  const pipe = makePipe();
  setPipeSize(pipe.write, CAPACITY);
  return pipe;
}
