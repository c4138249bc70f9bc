import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";

export interface Result {
  /** Exit code; 128 when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Killed after this long (default 120 s): a hang becomes a failure that shows its output. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end; any exit code is an answer. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const child = spawn(program, args, { stdio: "pipe", ...(options.env && { env: options.env }), ...(options.cwd && { cwd: options.cwd }) });
  const out: Buffer[] = [], err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.on("error", () => undefined);
  if (options.input !== undefined) child.stdin.end(options.input);
  else child.stdin.end();
  const limit = setTimeout(() => {
    err.push(Buffer.from(`\n(killed after ${options.timeoutMs ?? 120_000} ms)`));
    child.kill("SIGKILL");
  }, options.timeoutMs ?? 120_000);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    return { code: code ?? 128, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  } finally {
    clearTimeout(limit);
  }
}

/** As `run`, but any exit code other than 0 throws with the program's words. Gives stdout without its last newline. */
export async function ok(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(program, args, options);
  if (result.code !== 0) throw new Error(`${program} ${args.join(" ")}: exit ${result.code}\n${result.stderr}${result.stdout}`.trim());
  return result.stdout.replace(/\n$/, "");
}

/** Starts a program that goes on; what it prints is kept for failure messages and waits. */
export class Background {
  readonly child: ChildProcess;
  /** Exit code, or 128 when a signal ended it. */
  readonly exit: Promise<number>;
  output = "";
  ended = false;

  constructor(program: string, args: readonly string[], options: SpawnOptions = {}) {
    this.child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], ...options });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on("data", (chunk: Buffer) => { this.output += chunk.toString(); });
    this.child.stdin?.on("error", () => undefined);
    this.exit = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("close", (code) => { this.ended = true; resolve(code ?? 128); });
    });
    this.exit.catch(() => undefined);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error("it did not start");
    return this.child.pid;
  }
  kill(signal: NodeJS.Signals): void { if (!this.ended) this.child.kill(signal); }

  /** Resolves with the match once the output holds it. */
  waitFor(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    return until(() => pattern.exec(this.output) ?? undefined, timeoutMs, () => `${String(pattern)} in the output:\n${this.output}`, () => this.ended);
  }
}

/** Asks again and again until there is an answer. `over` tells that none will come any more. */
export async function until<T>(ask: () => T | undefined | Promise<T | undefined>, timeoutMs: number, what: string | (() => string), over: () => boolean = () => false): Promise<T> {
  const describe = (): string => (typeof what === "string" ? what : what());
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const last = over();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (last) throw new Error(`it ended without ${describe()}`);
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${describe()}`);
    await sleep(20);
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });
