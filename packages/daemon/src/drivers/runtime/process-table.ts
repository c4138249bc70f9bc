import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { ProcessInfo, ProcessTable } from "../../core/index.js";

/** USER_HZ: fixed at 100 on every Linux that Node runs on. */
const TICKS = 100;
const PAGE = 4096;

/** Processes from /proc (proc(5)). */
export class ProcProcesses implements ProcessTable {
  readonly memory = totalmem();

  async of(pid: number): Promise<readonly ProcessInfo[]> {
    const [pids, names, boot] = await Promise.all([pidsBeside(pid), userNames(), bootTime()]);
    const found = await Promise.all(pids.map((p) => read(p, names, boot)));
    return found.filter((p) => p !== undefined);
  }
}

/** Everything in the cgroup of `pid`, in whichever hierarchy can be read; at least itself. */
async function pidsBeside(pid: number): Promise<number[]> {
  const own = (await text(`/proc/${pid}/cgroup`)).split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((m) => m !== null);
  const mounts = (await text("/proc/self/mounts")).split("\n").map((line) => line.split(" "));
  for (const [, target = "", type = "", options = ""] of mounts) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const match = own.find(([, controllers]) => (type === "cgroup2" ? controllers === "" : controllers !== "" && controllers!.split(",").every((c) => options.split(",").includes(c))));
    if (match === undefined || match[2] === "/") continue;
    const pids = await processesIn(join(target, match[2]!));
    if (pids.includes(pid)) return pids.sort((a, b) => a - b);
  }
  return [pid];
}

async function processesIn(cgroup: string): Promise<number[]> {
  return (await text(join(cgroup, "cgroup.procs"))).split("\n").filter(Boolean).map(Number);
}

async function read(pid: number, names: ReadonlyMap<number, string>, boot: number): Promise<ProcessInfo | undefined> {
  const [stat, status, cmdline] = await Promise.all([text(`/proc/${pid}/stat`), text(`/proc/${pid}/status`), text(`/proc/${pid}/cmdline`)]);
  const open = stat.indexOf("("), close = stat.lastIndexOf(")");
  if (open < 0 || close < 0) return undefined;
  const name = stat.slice(open + 1, close);
  // The fields after the name, the state being the third of all.
  const f = stat.slice(close + 2).trim().split(" ");
  const n = (field: number): number => Number(f[field - 3]);
  const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  return {
    pid, ppid: n(4), pgid: n(5), sid: n(6), uid, user: names.get(uid) ?? String(uid), state: f[0]!, tty: terminal(n(7)), nice: n(19), threads: n(20),
    startedAt: boot + (n(22) * 1000) / TICKS, cpu: (n(14) + n(15)) / TICKS, virtual: n(23), resident: n(24) * PAGE, name,
    command: cmdline === "" ? `[${name}]` : cmdline.replace(/\0+$/, "").replaceAll("\0", " "),
  };
}

/** Device number of a controlling terminal, as the kernel encodes it in stat. */
function terminal(device: number): string {
  if (device <= 0) return "?";
  const major = (device >> 8) & 0xfff, minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  return major === 4 ? `tty${minor}` : major === 5 && minor === 1 ? "console" : "?";
}

async function userNames(): Promise<Map<number, string>> {
  const lines = (await text("/etc/passwd")).split("\n").map((line) => line.split(":"));
  return new Map(lines.filter((f) => f.length > 2).map((f) => [Number(f[2]), f[0]!]));
}

/** Milliseconds since the epoch. */
async function bootTime(): Promise<number> {
  return Number(/^btime (\d+)/m.exec(await text("/proc/stat"))?.[1] ?? 0) * 1000;
}

/** Empty for what is not there (any more). */
async function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
