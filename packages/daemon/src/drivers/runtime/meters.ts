import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { CpuUsage, IoFigure, IoUsage, MemoryUsage, NetworkUsage, ResourceMeters, ResourceUsage, TrafficUsage } from "../../core/index.js";

const NS_OF_TICK = 10_000_000, NS_OF_US = 1000;
/** The kernel's: a limit that high is none. */
const PID_MAX_LIMIT = 2 ** 22;

/** Where a process's cgroups are: by controller (v1), and `""` for v2. */
export type CgroupFolders = ReadonlyMap<string, string>;

/** Reads the kernel's own counts: cgroup v1, v2 or both side by side (Linux, Documentation/admin-guide/cgroup-v1, cgroup-v2.rst), and /proc/net/dev of the container's network namespace. */
export class CgroupMeters implements ResourceMeters {
  async open(pid: number): Promise<() => Promise<ResourceUsage>> {
    const folders = foldersOf(await text(`/proc/${pid}/cgroup`), await text("/proc/self/mounts"));
    return () => this.#read(pid, folders);
  }

  async #read(pid: number, folders: CgroupFolders): Promise<ResourceUsage> {
    const [cpu, memory, io, pids, networks] = await Promise.all([cpuOf(folders), memoryOf(folders), ioOf(folders), pidsOf(folders), text(`/proc/${pid}/net/dev`)]);
    return { at: Date.now(), cpu, memory, io, pids, networks: parseInterfaces(networks) };
  }
}

/** `cgroup` is /proc/<pid>/cgroup, `mounts` what this process has mounted. */
export function foldersOf(cgroup: string, mounts: string): CgroupFolders {
  const own = cgroup.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line)).filter((m) => m !== null).map((m) => ({ controllers: m[1]!.split(","), path: m[2]! }));
  const folders = new Map<string, string>();
  for (const [, target = "", type = "", options = ""] of mounts.split("\n").map((line) => line.split(" "))) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    const words = options.split(",");
    for (const { controllers, path } of own) {
      const v2 = controllers[0] === "";
      if (v2 !== (type === "cgroup2") || (!v2 && !controllers.every((c) => words.includes(c)))) continue;
      for (const controller of controllers) if (!folders.has(controller)) folders.set(controller, join(target, path));
    }
  }
  return folders;
}

async function cpuOf(folders: CgroupFolders): Promise<CpuUsage> {
  const machine = parseMachine(await text("/proc/stat"));
  const acct = folders.get("cpuacct"), v2 = folders.get("") ?? "";
  if (acct === undefined) {
    const stat = table(await text(join(v2, "cpu.stat")));
    return {
      total: n(stat["usage_usec"]) * NS_OF_US, user: n(stat["user_usec"]) * NS_OF_US, system: n(stat["system_usec"]) * NS_OF_US, ...machine,
      throttling: { periods: n(stat["nr_periods"]), throttledPeriods: n(stat["nr_throttled"]), throttledTime: n(stat["throttled_usec"]) * NS_OF_US },
    };
  }
  const [total, perCpu, split, limits] = await Promise.all(["cpuacct.usage", "cpuacct.usage_percpu", "cpuacct.stat"].map((file) => text(join(acct, file))).concat(text(join(folders.get("cpu") ?? acct, "cpu.stat"))));
  const stat = table(split!), throttled = table(limits!);
  return {
    total: n(Number(total)), user: n(stat["user"]) * NS_OF_TICK, system: n(stat["system"]) * NS_OF_TICK, perCpu: perCpu!.trim().split(/\s+/).filter(Boolean).map(Number), ...machine,
    throttling: { periods: n(throttled["nr_periods"]), throttledPeriods: n(throttled["nr_throttled"]), throttledTime: n(throttled["throttled_time"]) },
  };
}

/** Of /proc/stat: the time of all processors without what guests had (it is in `user`), and how many there are. */
export function parseMachine(stat: string): { machine: number; processors: number } {
  const ticks = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(" ").slice(0, 8).reduce((sum, word) => sum + Number(word), 0) ?? 0;
  return { machine: ticks * NS_OF_TICK, processors: stat.match(/^cpu\d+ /gm)?.length ?? 0 };
}

async function memoryOf(folders: CgroupFolders): Promise<MemoryUsage> {
  const v1 = folders.get("memory");
  const at = v1 ?? folders.get("") ?? "";
  const read = (file: string): Promise<string> => text(join(at, file));
  const [usage, limit, stats] = await Promise.all(v1 === undefined ? [read("memory.current"), read("memory.max"), read("memory.stat")] : [read("memory.usage_in_bytes"), read("memory.limit_in_bytes"), read("memory.stat")]);
  // `max` is no number, and what v1 has for "no limit" is more than any machine's.
  const known = { usage: n(Number(usage)), limit: Math.min(n(Number(limit)) || Infinity, totalmem()), stats: table(stats!) };
  if (v1 === undefined) return known;
  const [most, failures] = await Promise.all([read("memory.max_usage_in_bytes"), read("memory.failcnt")]);
  return { ...known, most: n(Number(most)), failures: n(Number(failures)) };
}

async function pidsOf(folders: CgroupFolders): Promise<ResourceUsage["pids"]> {
  const at = folders.get("pids") ?? folders.get("") ?? "";
  const [current, most] = await Promise.all(["pids.current", "pids.max"].map((file) => text(join(at, file))));
  const limit = n(Number(most));
  return { current: n(Number(current)), ...(limit > 0 && limit < PID_MAX_LIMIT ? { limit } : {}) };
}

async function ioOf(folders: CgroupFolders): Promise<IoUsage> {
  const v1 = folders.get("blkio");
  if (v1 === undefined) return { bytes: parseIoStat(await text(join(folders.get("") ?? "", "io.stat"))) };
  // BFQ counts for itself what it schedules; what others schedule is counted where it is throttled.
  const either = async (what: string): Promise<IoFigure[]> => {
    const own = parseBlkio(await text(join(v1, `blkio.bfq.${what}_recursive`)));
    return own.length > 0 ? own : parseBlkio(await text(join(v1, `blkio.throttle.${what}_recursive`)));
  };
  const [bytes, requests] = await Promise.all([either("io_service_bytes"), either("io_serviced")]);
  return { bytes, requests };
}

/** v1: `8:0 Read 4096` a line, then a `Total`. */
export function parseBlkio(lines: string): IoFigure[] {
  return [...lines.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op, value]) => ({ major: Number(major), minor: Number(minor), op: op!, value: Number(value) }));
}

/** v2: `8:0 rbytes=4096 wbytes=0 …` a line. */
export function parseIoStat(lines: string): IoFigure[] {
  return [...lines.matchAll(/^(\d+):(\d+) (.*)$/gm)].flatMap(([, major, minor, words]) => [["rbytes", "read"], ["wbytes", "write"]].map(([key, op]) => (
    { major: Number(major), minor: Number(minor), op: op!, value: Number(new RegExp(`\\b${key}=(\\d+)`).exec(words!)?.[1] ?? 0) })));
}

/** /proc/net/dev: only interfaces of networks, which are all called so. */
export function parseInterfaces(dev: string): Record<string, NetworkUsage> {
  return Object.fromEntries([...dev.matchAll(/^\s*(eth\d+):\s*(.*)$/gm)].map(([, name, rest]) => {
    const figures = rest!.trim().split(/\s+/).map(Number);
    const traffic = (at: number): TrafficUsage => ({ bytes: n(figures[at]), packets: n(figures[at + 1]), errors: n(figures[at + 2]), dropped: n(figures[at + 3]) });
    return [name!, { received: traffic(0), sent: traffic(8) }];
  }));
}

/** `key value` a line. */
function table(lines: string): Record<string, number> {
  return Object.fromEntries([...lines.matchAll(/^(\S+) (\d+)$/gm)].map(([, key, value]) => [key!, Number(value)]));
}

const n = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? 0 : value);

/** Empty for what is not there (any more). */
async function text(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
