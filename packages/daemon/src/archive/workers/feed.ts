import { createHash } from "node:crypto";
import { InvalidArgument } from "../../core/errors.js";
import { close, read, setPipeSize } from "../../kernel/libc.js";
import { openPipe, posixSpawn, reap } from "../../kernel/posix-spawn.js";
import type { Consumer, FileSource, Steps } from "./protocol.js";

export interface Fed<Result> {
  readonly result: Result;
  readonly sha256: string;
  readonly length: number;
}

const CHUNK = 1 << 20;

/**
 * Reads a file, through its filter if it has one, hashes it and feeds it to a consumer; `last` is asked for what the
 * consumer's end needs, and is undefined until that is known. InvalidArgument when the filter finds the file corrupt.
 */
export function* feed<Result, Last>(consumer: Consumer<Result, Last>, { fd, filter }: FileSource, last: () => { readonly value: Last } | undefined): Steps<Fed<Result>> {
  let done = false;
  const source = filter === null ? undefined : new Filter(fd, filter);
  try {
    if (source) while (!source.started()) yield undefined;
    const hash = createHash("sha256"), buffer = Buffer.allocUnsafeSlow(CHUNK);
    let length = 0;
    for (;;) {
      const n = read(source?.output ?? fd, buffer);
      if (n === 0) break;
      const bytes = buffer.subarray(0, n);
      hash.update(bytes);
      length += n;
      consumer.write(bytes);
      yield undefined;
    }
    if (source) yield* source.finish();
    let known: { readonly value: Last } | undefined;
    while ((known = last()) === undefined) yield null;
    const result = consumer.end(known.value);
    done = true;
    return { result, sha256: hash.digest("hex"), length };
  } finally {
    source?.abandon();
    if (!done) consumer.abort();
  }
}

/** A program between the file and us. */
class Filter {
  readonly output: number;
  private readonly errors: number;
  private pid: number | undefined;
  private failure: Error | undefined;
  private ended = false;
  private abandoned = false;

  constructor(fd: number, private readonly filter: readonly [program: string, ...args: string[]]) {
    const [program, ...args] = filter;
    const out = openPipe(), err = openPipe();
    this.output = out.read;
    this.errors = err.read;
    setPipeSize(out.read, CHUNK);
    posixSpawn(program, { args, env: process.env, fds: [fd, out.write, err.write] }).then(
      (pid) => { this.pid = pid; if (this.abandoned) this.kill(); },
      (error: unknown) => { this.failure = error as Error; },
    ).finally(() => { close(out.write); close(err.write); });
  }

  started(): boolean {
    if (this.failure) throw this.failure;
    return this.pid !== undefined;
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
    close(this.output);
    close(this.errors);
    if (this.pid !== undefined && !this.ended) this.kill();
  }
  private kill(): void {
    const pid = this.pid!;
    process.kill(pid, "SIGKILL");
    const bury = (): void => { if (reap(pid) === undefined) setTimeout(bury, 1); };
    bury();
  }
}
