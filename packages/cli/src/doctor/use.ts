import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { mountPointsBelow } from "./measure.js";

/** Whether a daemon works with the root. */
export interface Use {
  readonly running: boolean;
  /** How that is known. */
  readonly signs: readonly string[];
  readonly pids: readonly number[];
  /** When the daemon began, in milliseconds since the epoch; absent where that cannot be told. */
  readonly since?: number;
  /** Mount points in the root: of containers that run, or that were left so. */
  readonly mounts: number;
}

/** Databases that a daemon holds open and locked for as long as it runs. */
export const DATABASES = ["volumes/metadata.db", "network/files/local-kv.db", "buildkit/snapshots.db", "buildkit/metadata_v2.db", "buildkit/metadata.db", "buildkit/cache.db", "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"];
/** What the kernel counts processes' times in, a second. */
const TICKS = 100;

/** Looks from outside: at locks, at open files, at command lines. Takes no lock and opens nothing that is the daemon's. */
export function findUse(root: string): Use {
  const databases = DATABASES.flatMap((path) => identityOf(join(root, path)) ?? []);
  const signs: string[] = [], pids = new Set<number>();
  for (const { pid, lock } of heldLocks()) {
    if (!databases.some((database) => database.lock === lock)) continue;
    signs.push(`process ${pid} has a database of it locked`);
    if (pid > 0) pids.add(pid);
  }
  const files = new Set(databases.map(({ file }) => file));
  for (const pid of processes()) {
    const holds = holdsOneOf(pid, files), serves = !holds && servesRoot(pid, root);
    if (!holds && !serves) continue;
    if (!pids.has(pid)) signs.push(holds ? `process ${pid} has a database of it open` : `dockerd (process ${pid}) was started with it`);
    pids.add(pid);
  }
  const starts = [...pids].map(startOf);
  const known = starts.length > 0 && starts.every((start) => start !== undefined);
  return { running: signs.length > 0, signs, pids: [...pids], ...(known ? { since: Math.min(...starts) } : {}), mounts: mountPointsBelow(root).length };
}

/** A file as /proc/locks names it, and as two stats agree on it. */
function identityOf(path: string): { lock: string; file: string } | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn), minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    return { lock: `${major.toString(16).padStart(2, "0")}:${minor.toString(16).padStart(2, "0")}:${ino}`, file: `${dev}:${ino}` };
  } catch {
    return undefined;
  }
}

/** `1: FLOCK  ADVISORY  WRITE 1234 fe:00:131 0 EOF` */
function heldLocks(): { pid: number; lock: string }[] {
  return read("/proc/locks").split("\n").map((line) => line.trim().split(/\s+/)).filter((words) => words[1] === "FLOCK").map((words) => ({ pid: Number(words[4]), lock: words[5] ?? "" }));
}

function processes(): number[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => pid !== process.pid);
}

function holdsOneOf(pid: number, files: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const path = `/proc/${pid}/fd/${fd}`;
      return readlink(path).endsWith(".db") && files.has(identityOf(path)?.file ?? "");
    });
  } catch {
    return false; // ended meanwhile, or another user's
  }
}

function servesRoot(pid: number, root: string): boolean {
  const [program = "", ...words] = read(`/proc/${pid}/cmdline`).split("\0");
  if (basename(program) !== "dockerd") return false;
  const at = words.findIndex((word) => /^(--data-root|--graph|-g)(=|$)/.test(word));
  const given = at < 0 ? "/var/lib/docker" : words[at]!.includes("=") ? words[at]!.slice(words[at]!.indexOf("=") + 1) : words[at + 1] ?? "";
  const from = readlink(`/proc/${pid}/cwd`);
  return resolve(from === "" ? "/" : from, given) === root;
}

function startOf(pid: number): number | undefined {
  const ticks = Number(read(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ")[19]);
  const boot = Number(/^btime (\d+)$/m.exec(read("/proc/stat"))?.[1]);
  const start = (boot + ticks / TICKS) * 1000;
  return Number.isFinite(start) && ticks > 0 ? start : undefined;
}

function read(path: string): string {
  try { return readFileSync(path, "utf8"); } catch { return ""; }
}
function readlink(path: string): string {
  try { return readlinkSync(path); } catch { return ""; }
}
