import { closeSync, constants, openSync } from "node:fs";
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Moment, Output, Process } from "../../core/index.js";
import { mkfifo, setPipeSize } from "../../kernel/libc.js";
import type { PipePeek } from "../../kernel/pipe-peek.js";
import { RecordParser, restoreYear } from "./records.js";
import { Taken } from "./taken.js";

/** What a container may write ahead while nobody reads: the most an unprivileged pipe may hold. */
const CAPACITY = 1 << 20;
/** What is passed on at a time. */
const BATCH = 128 << 10;
const NEWLINE = 0x0a;
/** How long the end of a line may be awaited before its beginning is taken as it is. Milliseconds. */
const PATIENCE = 100;

/** Names inside a bundle: the FIFO, and what was taken from it. */
export const OUTPUT = "out", TAKEN = "taken";

/**
 * The FIFO that conmon takes for its log file. It carries both streams with their times, pushes back when it is full,
 * and keeps what was written while no daemon reads (as long as a Holder has it open).
 *
 * Records stay in the FIFO until their reader asks for the next ones, so a daemon that is killed before it has written
 * them down loses none: its successor gets them, perhaps once more. Only the first byte of a record is taken ahead of
 * that, which is how Node tells that there is something to read; it is a digit of the year and can be restored.
 */
export class LogPipe {
  readonly output: Process["output"];
  /** What a former daemon took, of a FIFO that was opened again. */
  readonly taken: Moment | undefined;
  /** Settles when every writer has closed and all was read, or `destroy` was called. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #taken: Taken;
  readonly #parser = new RecordParser();
  readonly #first = Buffer.alloc(1);
  #over = false;
  #paused = false;
  /** Woken by a first byte, by the end, and by `resume`. */
  #wake: () => void = () => undefined;
  /** The first byte of what is in the pipe was read already. */
  #begun = false;

  private constructor(private readonly fd: number, bundle: string, private readonly peek: PipePeek, private restored: boolean) {
    this.#taken = new Taken(join(bundle, TAKEN));
    this.taken = this.#taken.before;
    const options: SocketConstructorOpts & { onread: OnReadOpts } = { fd, readable: true, writable: false, onread: { buffer: this.#first, callback: () => this.#onFirstByte() } };
    this.#socket = new Socket(options);
    this.output = {
      [Symbol.asyncIterator]: () => this.#batches(),
      pause: () => { this.#paused = true; },
      resume: () => { this.#paused = false; this.#wake(); },
    };
    this.ended = new Promise((resolve) => {
      this.#socket.on("error", () => undefined);
      this.#socket.on("close", () => {
        this.#over = true;
        this.#taken.close();
        this.#wake();
        resolve();
      });
    });
  }

  /** Makes the FIFO in a bundle and opens it. */
  static create(bundle: string, peek: PipePeek): LogPipe {
    mkfifo(join(bundle, OUTPUT), 0o600);
    return LogPipe.#open(bundle, peek, false);
  }

  /**
   * Opens a FIFO that a former daemon made; throws ENOENT when there is none. A FIFO tells the end only to readers
   * that saw a writer: we are one for a moment, in case the last has gone already.
   */
  static reopen(bundle: string, peek: PipePeek): LogPipe {
    const pipe = LogPipe.#open(bundle, peek, true);
    closeSync(openSync(join(bundle, OUTPUT), constants.O_WRONLY | constants.O_NONBLOCK));
    return pipe;
  }

  static #open(bundle: string, peek: PipePeek, restored: boolean): LogPipe {
    const fd = openSync(join(bundle, OUTPUT), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      setPipeSize(fd, CAPACITY);
      return new LogPipe(fd, bundle, peek, restored);
    } catch (e) {
      closeSync(fd);
      throw e;
    }
  }

  /** Stops reading; what is unread is lost unless somebody else holds the FIFO. */
  destroy(): void {
    this.#socket.destroy();
  }

  #onFirstByte(): boolean {
    this.#begun = true;
    this.#wake();
    return false;
  }

  async *#batches(): AsyncGenerator<readonly Output[]> {
    for (let waited = 0; await this.#begins();) {
      const seen = this.peek.look(this.fd, BATCH);
      let data: Buffer = Buffer.concat([this.#first, seen]);
      const end = data.lastIndexOf(NEWLINE) + 1;
      if (end === 0 && waited < PATIENCE) {
        await sleep(1);
        waited++;
        continue;
      }
      waited = 0;
      const taken = end === 0 ? data.length : end;
      data = data.subarray(0, taken);
      if (this.restored) data = restoreYear(data, new Date());
      this.restored = false;
      const records = this.#parser.push(data);
      if (records.length > 0) yield records;
      if (this.#over) return;
      this.peek.take(this.fd, taken - this.#first.length);
      this.#taken.note(records);
      this.#begun = false;
    }
  }

  /** Resolves to true when the pipe holds something and the reader wants it, to false at its end. */
  async #begins(): Promise<boolean> {
    for (;;) {
      if (this.#begun && !this.#paused) return !this.#socket.destroyed;
      if (this.#over) return false;
      const woken = new Promise<void>((resolve) => { this.#wake = resolve; });
      if (!this.#begun) this.#socket.resume();
      await woken;
    }
  }
}
