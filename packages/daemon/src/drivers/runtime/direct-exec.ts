import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { type Exit, type Output, type Process, type ProcessIo, rfc3339Nano } from "../../core/index.js";
import { start } from "../../kernel/spawn.js";
import { OutputQueue } from "./output-queue.js";
import { loggedError } from "./runtime-log.js";

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
  readonly #child: ChildProcess;
  #pid = 0;
  /** Words on stderr from before the program was known to run: the runtime's complaint, or the program's first. */
  #suspect: Output[] = [];

  constructor(private readonly options: DirectExecOptions) {
    const child = start(options.runtime, options.args, { stdio: [options.io.stdin ? "pipe" : "ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stdin?.on("error", () => undefined);
    this.#read(child.stdout!, "stdout");
    this.#read(child.stderr!, "stderr");
    this.exit = new Promise((resolve, reject) => {
      child.on("error", (e) => {
        this.output.end();
        reject(e);
      });
      child.on("close", (code, signal) => {
        const failure = code === 0 ? undefined : loggedError(options.log);
        if (failure === undefined) this.#release();
        this.output.end();
        if (failure !== undefined) reject(new Error(failure));
        else resolve({ code: code ?? 128 + (signal === "SIGKILL" ? 9 : 15), oomKilled: false, at: Date.now() });
      });
    });
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
    const { stdin } = this.#child;
    return new Promise((resolve, reject) => {
      if (stdin === null) reject(new Error("stdin is not open"));
      else stdin.write(data, (e) => (e ? reject(e) : resolve()));
    });
  }

  closeStdin(): void {
    this.#child.stdin?.end();
  }

  /** No terminal, no size. */
  async resize(): Promise<void> {}

  #read(source: Readable, stream: Output["stream"]): void {
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
  }

  #look(): void {
    if (this.#suspect.length === 0 || this.#child.exitCode !== null) return;
    if (this.pid !== 0) this.#release();
    else setTimeout(() => this.#look(), LOOK_MS);
  }

  #release(): void {
    this.output.push(this.#suspect);
    this.#suspect = [];
  }
}
