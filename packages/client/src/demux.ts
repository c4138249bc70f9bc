import { Writable } from "node:stream";
import { StrataApiError } from "./errors.js";

const HEADER = 8;
/** Docker's stream numbers: 0 stdin, 1 stdout, 2 stderr, 3 an error of the daemon's. */
const STDERR = 2;
const SYSTEM_ERROR = 3;

/**
 * Takes Docker's multiplexed framing apart: each frame has an 8-byte header (stream number, three zero bytes, length as
 * big-endian uint32) and its payload. Payloads are passed on as they arrive, never gathered, so a frame may be of any
 * size; a slow destination holds back the source. A stream that ends within a frame is an error.
 */
export class Demux extends Writable {
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  readonly #header = Buffer.alloc(HEADER);
  #headerLength = 0;
  #remaining = 0;
  #stream = 0;
  #systemError: Buffer[] = [];

  constructor(stdout: Writable, stderr: Writable) {
    super();
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const waitFor = new Set<Writable>();
    let at = 0;
    while (at < chunk.length) {
      if (this.#remaining === 0) {
        const taken = chunk.copy(this.#header, this.#headerLength, at, at + HEADER - this.#headerLength);
        at += taken;
        this.#headerLength += taken;
        if (this.#headerLength < HEADER) break;
        this.#headerLength = 0;
        this.#stream = this.#header[0]!;
        this.#remaining = this.#header.readUInt32BE(4);
        if (this.#stream > SYSTEM_ERROR) return done(new StrataApiError(500, `unknown stream ${this.#stream} in the daemon's output`));
        continue;
      }
      const payload = chunk.subarray(at, at + this.#remaining);
      at += payload.length;
      this.#remaining -= payload.length;
      if (this.#stream === SYSTEM_ERROR) {
        this.#systemError.push(payload);
        if (this.#remaining === 0) return done(new StrataApiError(500, `error from daemon in stream: ${Buffer.concat(this.#systemError).toString("utf8")}`));
        continue;
      }
      const target = this.#stream === STDERR ? this.#stderr : this.#stdout;
      if (target.destroyed || target.writableEnded) continue;
      if (!target.write(payload)) waitFor.add(target);
    }
    if (waitFor.size === 0) return done();
    let left = waitFor.size;
    for (const target of waitFor) {
      const ready = (): void => {
        target.off("drain", ready);
        target.off("close", ready);
        if (--left === 0) done();
      };
      target.on("drain", ready);
      target.on("close", ready);
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    done(this.#headerLength > 0 || this.#remaining > 0 ? new StrataApiError(500, "the daemon's output ended within a frame") : null);
  }
}
