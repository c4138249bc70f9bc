import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { mkfifo, setPipeSize } from "../../kernel/libc.js";
import { OutputQueue } from "./output-queue.js";
import { RecordParser } from "./records.js";

/** What a container may write ahead while nobody reads: the most an unprivileged pipe may hold. */
const CAPACITY = 1 << 20;

/** Name of the FIFO inside a bundle. */
export const OUTPUT = "out";

/**
 * The FIFO that conmon takes for its log file. It carries both streams with their times, pushes back when it is full,
 * and keeps what was written while no daemon reads (as long as a Holder has it open).
 */
export class LogPipe {
  readonly output = new OutputQueue();
  /** Settles when every writer has closed and all was read. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;

  private constructor(fd: number) {
    const parser = new RecordParser();
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.output.feedFrom(this.#socket);
    this.#socket.on("data", (chunk: Buffer) => this.output.push(parser.push(chunk)));
    this.ended = new Promise((resolve) => {
      this.#socket.on("error", () => undefined);
      this.#socket.on("close", () => resolve());
    });
  }

  /** Makes the FIFO in a bundle and opens it. */
  static create(bundle: string): LogPipe {
    const path = join(bundle, OUTPUT);
    mkfifo(path, 0o600);
    return LogPipe.#open(path);
  }

  /**
   * Opens a FIFO that a former daemon made; throws ENOENT when there is none. A FIFO tells the end only to readers
   * that saw a writer: we are one for a moment, in case the last has gone already.
   */
  static reopen(bundle: string): LogPipe {
    const path = join(bundle, OUTPUT);
    const pipe = LogPipe.#open(path);
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return pipe;
  }

  static #open(path: string): LogPipe {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      setPipeSize(fd, CAPACITY);
      return new LogPipe(fd);
    } catch (e) {
      closeSync(fd);
      throw e;
    }
  }

  /** Stops reading; what is unread is lost unless somebody else holds the FIFO. */
  destroy(): void {
    this.#socket.destroy();
  }
}
