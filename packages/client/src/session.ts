import type { Socket } from "node:net";
import { finished, PassThrough, Writable, type Readable } from "node:stream";
import { Demux } from "./demux.js";
import { explainLost } from "./errors.js";
import { readText } from "./transport.js";

/** Terminal size in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/**
 * What a process writes. Without a tty the daemon sends both streams in one connection, so both must be read (or
 * `resume()`d): one that is left full holds back the other. With a tty everything is on `stdout` and `stderr` is empty.
 */
export class Output {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the output is complete; rejects when the connection broke or was aborted. Need not be awaited. */
  readonly done: Promise<void>;
  readonly #source: Readable;
  #left = false;

  constructor(source: Readable, tty: boolean) {
    this.#source = source;
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    this.stdout = stdout;
    this.stderr = stderr;
    this.done = new Promise<void>((resolve, reject) => {
      const over = (error?: Error | null): void => {
        if (!error || this.#left) {
          stdout.end();
          stderr.end();
          return resolve();
        }
        const reason = explainLost(error);
        stdout.destroy(reason);
        stderr.destroy(reason);
        reject(reason);
      };
      if (tty) {
        stderr.end();
        source.pipe(stdout, { end: false });
        finished(source, { writable: false }, over);
      } else {
        const demux = new Demux(stdout, stderr);
        source.pipe(demux);
        finished(source, { writable: false }, (error) => { if (error) demux.destroy(error); });
        finished(demux, (error) => {
          if (error) source.destroy();
          over(error);
        });
      }
    });
    // `done` reports failures; neither it nor the streams may take the process down when nobody looks.
    this.done.catch(() => undefined);
    stdout.on("error", () => undefined);
    stderr.on("error", () => undefined);
  }

  /** Gathers everything as text. */
  async text(): Promise<{ stdout: string; stderr: string }> {
    const [stdout, stderr] = await Promise.all([readText(this.stdout), readText(this.stderr)]);
    await this.done;
    return { stdout, stderr };
  }

  /** Copies the output to two streams, which stay open. Resolves as `done` does. */
  async pipe(stdout: Writable, stderr: Writable): Promise<void> {
    this.stdout.pipe(stdout, { end: false });
    this.stderr.pipe(stderr, { end: false });
    await this.done;
    await Promise.all([drained(this.stdout), drained(this.stderr)]);
  }

  /** Leaves: the connection is closed, the process runs on. */
  close(): void {
    this.#left = true;
    this.#source.destroy();
  }
}

/** An attached process: its output, its input, its terminal. */
export class Session extends Output {
  /** Bytes for the process. Ending it half-closes the connection: the process sees end-of-file, its output goes on. */
  readonly stdin: Writable;
  readonly #resize: (size: TerminalSize) => Promise<void>;

  constructor(socket: Socket, head: Buffer, tty: boolean, resize: (size: TerminalSize) => Promise<void>) {
    if (head.length > 0) socket.unshift(head);
    super(socket, tty);
    this.#resize = resize;
    // Nobody is left on the other side once the output has ended; without this a TLS connection would stay half open.
    const drop = (): void => { socket.destroy(); };
    this.done.then(drop, drop);
    this.stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        // A process that is gone reads nothing: what comes late is dropped, as a pipe to it would drop it.
        if (socket.destroyed || socket.readableEnded || socket.writableEnded) return done();
        socket.write(chunk, () => { done(); });
      },
      final: (done) => {
        if (socket.destroyed || socket.writableEnded) return done();
        socket.end(done);
      },
    });
    this.stdin.on("error", () => undefined);
  }

  closeStdin(): void {
    this.stdin.end();
  }

  resize(size: TerminalSize): Promise<void> {
    return this.#resize(size);
  }
}

function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.readableEnded || stream.destroyed) return resolve();
    stream.once("end", () => { resolve(); });
    stream.once("close", () => { resolve(); });
  });
}
