import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import type { Moment, Output } from "../../core/index.js";

/** Room for a time and a count. */
const SIZE = 64;

/**
 * Which records a daemon took from a container's FIFO, for the daemon after it: in a few bytes of a file that need to
 * outlive the process, not the machine.
 */
export class Taken {
  /** What stood there when it was opened. */
  readonly before: Moment | undefined;
  #last: Moment | undefined;
  readonly #fd: number;
  readonly #text = Buffer.alloc(SIZE, " ");

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const [time, count] = this.#text.toString("latin1", 0, readSync(this.#fd, this.#text, 0, SIZE, 0)).trim().split(" ");
    if (time && count) this.before = this.#last = { time, count: Number(count) };
  }

  note(batch: readonly Output[]): void {
    const last = batch.at(-1);
    if (last === undefined) return;
    let count = 0;
    while (batch[batch.length - 1 - count]?.time === last.time) count++;
    if (count === batch.length && this.#last?.time === last.time) count += this.#last.count;
    this.#last = { time: last.time, count };
    this.#text.fill(" ");
    this.#text.write(`${last.time} ${count}`, "latin1");
    writeSync(this.#fd, this.#text, 0, SIZE, 0);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
