// Which processes belong to an engine, and how much memory they hold.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

const attempt = (fn) => { try { return fn(); } catch { return undefined; } };
const pids = () => readdirSync("/proc").filter((n) => /^\d+$/.test(n));
const stat = (pid) => attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" "));

function listener(socket) {
  const seen = new Set();
  for (const pid of pids()) {
    const ns = attempt(() => readlinkSync(`/proc/${pid}/ns/net`));
    if (!ns || seen.has(ns)) continue;
    seen.add(ns);
    const table = attempt(() => readFileSync(`/proc/${pid}/net/unix`, "latin1")) ?? "";
    for (const line of table.split("\n")) {
      const f = line.split(/\s+/);
      if (f[7] !== socket || f[3] !== "00010000") continue;
      const owner = pids().find((p) => attempt(() => readdirSync(`/proc/${p}/fd`).some((fd) => attempt(() => readlinkSync(`/proc/${p}/fd/${fd}`)) === `socket:[${f[6]}]`)));
      if (owner) return owner;
    }
  }
  throw new Error(`nobody listens on ${socket}`);
}

/**
 * The listener, its descendants and every process whose command line mentions
 * engine.dir; container payloads (another PID namespace) and this bench are left out.
 */
export function engineProcesses(engine) {
  const root = listener(engine.socket);
  const pidNs = readlinkSync(`/proc/${root}/ns/pid`);
  const parent = new Map(pids().map((p) => [p, stat(p)?.[1]]));
  const ours = new Set();
  for (let p = String(process.pid); p && p !== "0"; p = parent.get(p)) ours.add(p);
  const descends = (p, top) => { for (; p && p !== "0"; p = parent.get(p)) if (p === top) return true; return false; };
  return [...parent.keys()].filter((p) => {
    if (ours.has(p) || parent.get(p) === String(process.pid)) return false;
    if (attempt(() => readlinkSync(`/proc/${p}/ns/pid`)) !== pidNs) return false;
    return descends(p, root) || attempt(() => readFileSync(`/proc/${p}/cmdline`, "utf8").includes(engine.dir));
  });
}

/** Sums in MiB: RSS counts shared pages once per process, PSS shares them out. */
export function memory(engine) {
  const sum = { procs: 0, rss: 0, pss: 0 };
  for (const pid of engineProcesses(engine)) {
    const roll = attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
    if (!roll) continue;
    sum.procs++;
    sum.rss += Number(/^Rss:\s+(\d+)/m.exec(roll)?.[1] ?? 0) / 1024;
    sum.pss += Number(/^Pss:\s+(\d+)/m.exec(roll)?.[1] ?? 0) / 1024;
  }
  return sum;
}

/** CPU milliseconds used so far by the engine and its containers, or undefined when no cgroup was named. */
export function cpuMillis(engine) {
  if (!engine.cgroups.length) return undefined;
  const usage = (group) => Number(attempt(() => readFileSync(`/sys/fs/cgroup/cpuacct${group}/cpuacct.usage`, "latin1")) ?? 0);
  return engine.cgroups.reduce((sum, group) => sum + usage(group), 0) / 1e6;
}
