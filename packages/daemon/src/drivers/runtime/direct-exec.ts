import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { type Exit, type Output, type Process, type ProcessIo, rfc3339Nano } from "../../core/index.js";
import { Child } from "../../kernel/child.js";
import { killGroup } from "../../kernel/kill-group.js";
import { OutputQueue } from "./output-queue.js";
import { loggedError, plainWords } from "./runtime-log.js";

/** How often to look whether the program runs, while its first words wait. */
const LOOK_MS = 5;

export interface DirectExecOptions {
  readonly runtime: string;
  readonly args: readonly string[];
  readonly pidFile: string;
  /** The runtime's log in JSON lines: tells its failures from the program's. */
  readonly log: string;
  readonly io: ProcessIo;
}

/** A process in a container, run as a child of the daemon with plain pipes: no monitor, no terminal. */
export class DirectExec implements Process {
  readonly output: OutputQueue = new OutputQueue();
  readonly exit: Promise<Exit>;
  readonly #child: Child;
  #pid = 0;
  /** Words on stderr from before the program was known to run: the runtime's complaint, or the program's first. */
  #suspect: Output[] = [];
  #over = false;

  constructor(private readonly options: DirectExecOptions) {
    const child = new Child(options.runtime, options.args, { stdio: [options.io.stdin ? "pipe" : "null", "pipe", "pipe"] });
    this.#child = child;
    child.pipes[0]?.on("error", () => undefined);
    const closed = [this.#read(child.pipes[1]!, "stdout"), this.#read(child.pipes[2]!, "stderr")];
    this.exit = this.#finish(child, Promise.all(closed));
    this.exit.catch(() => undefined);
  }

  async #finish(child: Child, closed: Promise<unknown>): Promise<Exit> {
    try {
      await Promise.all([child.pid, closed]);
      const code = await child.ended();
      this.#over = true;
      const failure = code === 0 ? undefined : loggedError(this.options.log);
      if (failure !== undefined) throw new Error(plainWords(failure));
      this.#release();
      return { code, oomKilled: false, at: Date.now() };
    } finally {
      this.#over = true;
      this.output.end();
    }
  }

  /** Zero until the runtime has started it. */
  get pid(): number {
    if (this.#pid === 0) {
      try {
        this.#pid = Number.parseInt(readFileSync(this.options.pidFile, "utf8"), 10) || 0;
      } catch {
        return 0;
      }
    }
    return this.#pid;
  }

  write(data: Uint8Array): Promise<void> {
    const stdin = this.#child.pipes[0];
    return new Promise((resolve, reject) => {
      if (stdin === undefined) reject(new Error("stdin is not open"));
      else stdin.write(data, (e) => (e ? reject(e) : resolve()));
    });
  }

  closeStdin(): void {
    this.#child.pipes[0]?.end();
  }

  /** No terminal, no size. */
  async resize(): Promise<void> {}

  /** With what it has started. */
  kill(): void {
    if (this.#over) return;
    if (this.pid === 0) setTimeout(() => this.kill(), LOOK_MS);
    else killGroup(this.pid);
  }

  #read(source: Readable, stream: Output["stream"]): Promise<void> {
    this.output.feedFrom(source);
    source.on("error", () => undefined);
    source.on("data", (data: Buffer) => {
      const record: Output = { stream, data, time: rfc3339Nano(Date.now()), partial: data[data.length - 1] !== 0x0a };
      if (stream === "stderr" && this.pid === 0) {
        this.#suspect.push(record);
        this.#look();
        return;
      }
      this.#release();
      this.output.push([record]);
    });
    return new Promise((resolve) => source.once("close", () => resolve()));
  }

  #look(): void {
    if (this.#suspect.length === 0 || this.#over) return;
    if (this.pid !== 0) this.#release();
    else setTimeout(() => this.#look(), LOOK_MS);
  }

  #release(): void {
    this.output.push(this.#suspect);
    this.#suspect = [];
  }
}
