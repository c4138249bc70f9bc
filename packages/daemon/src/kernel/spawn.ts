import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { spawn, type SpawnOptions, type ChildProcess } from "node:child_process";

export interface RunResult { readonly code: number; readonly stdout: string; readonly stderr: string }
export interface RunOptions { readonly input?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number; readonly allow?: readonly number[] }

/** Runs a program to its end. Rejects on a status not in `allow` (default 0), with the program's own words. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], ...(options.env ? { env: options.env } : {}), ...(options.timeoutMs ? { timeout: options.timeoutMs } : {}) });
    const out: Buffer[] = [], err: Buffer[] = [];
    child.stdout.on("data", (d: Buffer) => out.push(d));
    child.stderr.on("data", (d: Buffer) => err.push(d));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const result = { code: code ?? 128, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
      if (code !== null && (options.allow ?? [0]).includes(code)) resolve(result);
      else reject(Object.assign(new Error(`${program}: ${result.stderr.trim() || (signal ? `killed by ${signal}` : `exit status ${code}`)}`), result));
    });
    child.stdin.end(options.input);
  });
}

/** Starts a program that outlives the call; only kernel/ may spawn. */
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
