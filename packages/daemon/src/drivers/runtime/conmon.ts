import { closeSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import { Child } from "../../kernel/child.js";
import { openPipe } from "../../kernel/posix-spawn.js";

/** conmon's command line, option by option (conmon(8), API version 1). */
export interface ConmonOptions {
  readonly program: string;
  readonly runtime: string;
  readonly runtimeArgs: readonly string[];
  /** The runtime's name for the container. */
  readonly container: string;
  /** A name of its own for each conmon. */
  readonly unit: string;
  /** Where attach, ctl and winsz are made; also its working directory, where it leaves `oom`. */
  readonly bundle: string;
  readonly pidFile: string;
  /** `k8s-file:PATH` or `none:`. */
  readonly log: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly leaveStdinOpen: boolean;
  readonly exitDir?: string;
  /** A runtime-spec process: run it in the container instead of creating one. */
  readonly execSpec?: string;
  /** conmon loads meanwhile and calls the runtime when this resolves; when it rejects, never. */
  readonly ready?: Promise<void>;
}

/** A started conmon. It forks and outlives this process; what remains here is its message pipe. */
export interface Conmon {
  /** Of the container's first process; rejects with the runtime's message. */
  readonly pid: Promise<number>;
  /** Exit code of an exec; rejects when conmon went away without telling. */
  readonly exitCode: Promise<number>;
  /** Drops the message pipe. */
  close(): void;
}

interface Message { readonly data: number; readonly message?: string }

const SYNC = 3, START = 4;

export function launchConmon(o: ConmonOptions): Conmon {
  const args = [
    "--api-version", "1", "-c", o.container, "-u", o.unit, "-r", o.runtime, "-b", o.bundle, "-p", o.pidFile,
    "-l", o.log, "--full-attach", "--no-sync-log", "--log-level", "error",
    ...o.runtimeArgs.flatMap((arg) => ["--runtime-arg", arg]),
    ...(o.exitDir === undefined ? [] : ["--exit-dir", o.exitDir]),
    ...(o.execSpec === undefined ? [] : ["--exec", "--exec-process-spec", o.execSpec]),
    ...(o.tty ? ["-t"] : []),
    ...(o.stdin ? ["-i"] : []),
    ...(o.leaveStdinOpen ? ["--leave-stdin-open"] : []),
  ];
  const gate = o.ready === undefined ? undefined : openPipe();
  const child = new Child(o.program, args, {
    cwd: o.bundle,
    stdio: ["null", "null", "pipe", "pipe", ...(gate === undefined ? [] : [gate.read])],
    env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", _OCI_SYNCPIPE: String(SYNC), ...(gate === undefined ? {} : { _OCI_STARTPIPE: String(START) }) },
  });
  const stderr = child.pipes[2]!, sync = child.pipes[SYNC]!;
  const words: Buffer[] = [];
  stderr.on("data", (chunk: Buffer) => words.push(chunk));
  stderr.on("error", () => undefined);
  // The process that was started forks and ends; its child, which is conmon, lets go of stderr.
  stderr.once("close", () => { child.ended().catch(() => undefined); });
  const messages = new Messages(sync);
  child.pid.catch((e: Error) => messages.fail(e));
  sync.on("close", () => messages.fail(new Error(Buffer.concat(words).toString().trim() || `${o.program} ended without a word`)));
  if (gate !== undefined) void open(gate, child, o.ready!, messages);
  const pid = messages.next().then((m) => {
    if (m.data > 0) return m.data;
    throw new Error(m.message?.trim() || `${o.runtime} failed`);
  });
  const exitCode = pid.then(() => messages.next()).then((m) => m.data);
  exitCode.catch(() => undefined);
  return { pid, exitCode, close: () => { stderr.destroy(); sync.destroy(); } };
}

/** Lets conmon go on, or ends it. It takes the end of the pipe for a start, so the pipe is closed after it is gone. */
async function open(gate: { read: number; write: number }, child: Child, ready: Promise<void>, messages: Messages): Promise<void> {
  try {
    await child.pid;
    await ready;
    writeSync(gate.write, ".");
  } catch (e) {
    messages.fail(e as Error);
    child.kill("SIGKILL");
    await child.ended().catch(() => undefined);
  } finally {
    closeSync(gate.read);
    closeSync(gate.write);
  }
}

/** JSON lines from the message pipe, each taken once. */
class Messages {
  #text = "";
  readonly #ready: Message[] = [];
  readonly #waiting: { resolve(m: Message): void; reject(e: Error): void }[] = [];
  #error: Error | undefined;

  constructor(pipe: Readable) {
    pipe.setEncoding("utf8");
    pipe.on("error", () => undefined);
    pipe.on("data", (text: string) => {
      this.#text += text;
      for (let end; (end = this.#text.indexOf("\n")) >= 0; this.#text = this.#text.slice(end + 1)) this.#take(this.#text.slice(0, end));
    });
  }

  next(): Promise<Message> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  fail(error: Error): void {
    this.#error ??= error;
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#error);
  }

  #take(line: string): void {
    const message = JSON.parse(line) as Message;
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#ready.push(message);
    else waiter.resolve(message);
  }
}
