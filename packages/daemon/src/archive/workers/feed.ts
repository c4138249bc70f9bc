import { createHash } from "node:crypto";
import { InvalidArgument } from "../../core/errors.js";
import { close, read, setPipeSize } from "../../kernel/libc.js";
import { openPipe, posixSpawn, reap } from "../../kernel/posix-spawn.js";
import { canRead, pour } from "../../kernel/pour.js";
import type { Consumer, FileSource, Steps } from "./protocol.js";

export interface Fed<Result> {
  readonly result: Result;
  readonly sha256: string;
  readonly length: number;
}

/** What the sender has said so far. */
export interface Told<Last> {
  /** How far a file that grows can be read. */
  readonly length: number;
  /** What the consumer's end needs; a file that grows is whole then. */
  readonly last: { readonly value: Last } | undefined;
}

const CHUNK = 1 << 20;

/**
 * Reads a file, as far as it has grown, through its filter if it has one, hashes it and feeds it to a consumer, which
 * ends when the sender says so. InvalidArgument when the filter finds the file corrupt.
 */
export function* feed<Result, Last>(consumer: Consumer<Result, Last>, { fd, filter, grows }: FileSource, told: Told<Last>): Steps<Fed<Result>> {
  let done = false;
  const source = filter === null ? new Plain(fd) : new Filter(fd, filter, grows);
  const reach = (): number => (grows && told.last === undefined ? told.length : Infinity);
  try {
    while (!source.started()) yield undefined;
    const hash = createHash("sha256"), buffer = Buffer.allocUnsafeSlow(CHUNK);
    let length = 0;
    for (;;) {
      const n = source.take(buffer, reach());
      if (n === undefined) { yield null; continue; }
      if (n === 0) break;
      const bytes = buffer.subarray(0, n);
      hash.update(bytes);
      length += n;
      consumer.write(bytes);
      yield undefined;
    }
    yield* source.finish();
    while (told.last === undefined) yield null;
    const result = consumer.end(told.last.value);
    done = true;
    return { result, sha256: hash.digest("hex"), length };
  } finally {
    source.abandon();
    if (!done) consumer.abort();
  }
}

/** Where bytes come from. */
interface Source {
  started(): boolean;
  /** How many bytes there are now, of those that lie before `reach`; 0 at the end, undefined when more must come first. */
  take(into: Buffer, reach: number): number | undefined;
  /** After the end: was it a proper one? */
  finish(): Steps<void>;
  abandon(): void;
}

class Plain implements Source {
  private at = 0;

  constructor(private readonly fd: number) {}

  started(): boolean { return true; }
  take(into: Buffer, reach: number): number | undefined {
    const most = Math.min(into.length, reach - this.at);
    const n = most > 0 ? read(this.fd, into.subarray(0, most)) : 0;
    this.at += n;
    return n === 0 && reach !== Infinity ? undefined : n;
  }
  *finish(): Steps<void> { /* As long as the file is. */ }
  abandon(): void { /* The descriptor is the sender's. */ }
}

/** A program between the file and us. It has the file itself as its standard input; a pipe, which is filled here, when the file grows. */
class Filter implements Source {
  private readonly output: number;
  private readonly errors: number;
  /** Our end of the pipe. */
  private input: number | undefined;
  private poured = 0;
  private pid: number | undefined;
  private failure: Error | undefined;
  private ended = false;
  private abandoned = false;

  constructor(private readonly fd: number, private readonly filter: readonly [program: string, ...args: string[]], grows: boolean) {
    const [program, ...args] = filter;
    const out = openPipe(), err = openPipe(), into = grows ? openPipe() : undefined;
    this.output = out.read;
    this.errors = err.read;
    this.input = into?.write;
    setPipeSize(out.read, CHUNK);
    posixSpawn(program, { args, env: process.env, fds: [into?.read ?? fd, out.write, err.write] }).then(
      (pid) => { this.pid = pid; if (this.abandoned) this.kill(); },
      (error: unknown) => { this.failure = error as Error; },
    ).finally(() => { for (const end of [out.write, err.write, into?.read]) if (end !== undefined) close(end); });
  }

  started(): boolean {
    if (this.failure) throw this.failure;
    return this.pid !== undefined;
  }

  take(into: Buffer, reach: number): number | undefined {
    while (this.input !== undefined) {
      const room = this.pour(this.input, reach);
      // With its pipe full, the program will either take of it or give something: that is worth waiting for.
      if (canRead(this.output, room ? undefined : this.input)) break;
      if (room && reach !== Infinity) return undefined;
    }
    return read(this.output, into);
  }

  /** Fills the pipe, and closes it behind the end of the file; false when it is full. */
  private pour(pipe: number, reach: number): boolean {
    while (this.poured < reach) {
      const n = pour(this.fd, pipe, Math.min(CHUNK, reach - this.poured));
      if (n === "full") return false;
      if (n === "closed" || (n === 0 && reach === Infinity)) {
        close(pipe);
        this.input = undefined;
      }
      if (n === "closed" || n === 0) break;
      this.poured += n;
    }
    return true;
  }

  /** Its output has ended: how did it end itself? */
  *finish(): Steps<void> {
    let code: number | undefined;
    while ((code = reap(this.pid!)) === undefined) yield undefined;
    this.ended = true;
    if (code === 0) return;
    const text = Buffer.alloc(1000);
    const said = text.toString("latin1", 0, read(this.errors, text)).trim();
    throw new InvalidArgument(`corrupt layer: ${this.filter[0].replace(/^.*\//, "")}: ${said || (code > 128 ? `killed by signal ${code - 128}` : `exit status ${code}`)}`);
  }

  abandon(): void {
    this.abandoned = true;
    for (const end of [this.output, this.errors, this.input]) if (end !== undefined) close(end);
    if (this.pid !== undefined && !this.ended) this.kill();
  }
  private kill(): void {
    const pid = this.pid!;
    process.kill(pid, "SIGKILL");
    const bury = (): void => { if (reap(pid) === undefined) setTimeout(bury, 1); };
    bury();
  }
}
