import { spawn, type SpawnOptions, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { Child } from "./child.js";
import { killGroup } from "./kill-group.js";

export interface RunResult { readonly code: number; readonly stdout: string; readonly stderr: string }
export interface RunOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
  readonly allow?: readonly number[];
  /** Ends it, with all that it started where it has a `group` of its own. */
  readonly signal?: AbortSignal;
  readonly group?: boolean;
}

/** Runs a program to its end. Rejects on a status not in `allow` (default 0), with the program's own words. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = new Child(program, args, { stdio: ["pipe", "pipe", "pipe"], ...(options.env ? { env: options.env } : {}), newSession: options.group ?? false });
  const [stdin, stdout, stderr] = child.pipes;
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGTERM"), options.timeoutMs);
  const stop = (): void => { if (options.group === true) child.pid.then(killGroup).catch(() => undefined); else child.kill("SIGKILL"); };
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    stdin!.on("error", () => undefined);
    stdin!.end(options.input ?? "");
    const [out, err] = await Promise.all([textOf(stdout!), textOf(stderr!), child.pid]);
    const result = { code: await child.ended(), stdout: out, stderr: err };
    if ((options.allow ?? [0]).includes(result.code)) return result;
    const why = result.stderr.trim() || (result.code > 128 ? `killed by signal ${result.code - 128}` : `exit status ${result.code}`);
    throw Object.assign(new Error(`${program}: ${why}`), result);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

function textOf(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => undefined);
    stream.once("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** Starts a program that Node looks after. For those with streams of any kind; others are started cheaper as a Child. */
export function start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(program, args, options);
}

/** Where distributions put programs, and the helpers of daemons, whatever PATH says. */
const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/libexec/podman", "/usr/lib/podman"];

/** Absolute path of a program, undefined when there is none. */
export function findProgram(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  for (const folder of [...path.split(delimiter), ...FOLDERS]) {
    if (folder === "") continue;
    const file = join(folder, name);
    try { accessSync(file, constants.X_OK); return file; } catch { /* the next one */ }
  }
  return undefined;
}
