import { existsSync, readFileSync, statfsSync } from "node:fs";
import { machine, release, hostname, totalmem, availableParallelism } from "node:os";
import { findProgram, run } from "./kernel/spawn.js";
import type { MachineLimits } from "./services/types.js";

/** What the machine is, as `info` tells it. */
export interface Machine {
  readonly kernel: string;
  /** As uname names it: x86_64. */
  readonly machine: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly hostname: string;
  readonly cgroups: "v1" | "hybrid" | "v2";
  /** Controllers that containers can be limited with. */
  readonly controllers: readonly string[];
  /** Processors and memory nodes that containers may be bound to, as lists (cpuset(7)). */
  readonly cpuset: { readonly cpus: string; readonly mems: string };
  /** Whether the kernel weighs block I/O. */
  readonly blockIoWeights: boolean;
  /** Capabilities this process may pass on, as bits (capabilities(7)). */
  readonly capabilities: bigint;
  readonly seccomp: boolean;
  /** Absolute path of an init for containers, if one is installed. */
  readonly init: string | undefined;
}

export function lookAtMachine(): Machine {
  const os = osRelease();
  const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
  const status = new Map(readFileSync("/proc/self/status", "utf8").split("\n").map((line) => line.split(":\t") as [string, string]));
  return {
    kernel: release(), machine: machine(), operatingSystem: os.get("PRETTY_NAME") ?? "Linux", osVersion: os.get("VERSION_ID") ?? "",
    cpus: availableParallelism(), memory: totalmem(), hostname: hostname(),
    cgroups: v2 ? "v2" : existsSync("/sys/fs/cgroup/unified/cgroup.controllers") ? "hybrid" : "v1",
    controllers: v2 ? readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ") : legacyControllers(),
    cpuset: { cpus: cpusetFile(v2, "cpus") ?? `0-${availableParallelism() - 1}`, mems: cpusetFile(v2, "mems") ?? "0" },
    blockIoWeights: v2 ? readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").split(/\s/).includes("io") : existsSync("/sys/fs/cgroup/blkio/blkio.weight"),
    capabilities: BigInt(`0x${status.get("CapBnd") ?? "0"}`),
    seccomp: status.has("Seccomp"),
    init: findProgram("docker-init") ?? findProgram("tini"),
  };
}

/** What containers can be held to here, and how packets are passed on; some of it may change at any time. */
export function limitsOf({ cgroups, controllers }: Machine): MachineLimits {
  const has = (controller: string): boolean => controllers.includes(controller);
  const on = (path: string): boolean => existsSync(path) && readFileSync(path, "utf8").trim() === "1";
  const swap = cgroups === "v2" ? existsSync("/proc/swaps") : existsSync("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
  return {
    memory: has("memory"), swap: has("memory") && swap, cpuShares: has("cpu"), cpuQuota: has("cpu"), cpuset: has("cpuset"), pids: has("pids"), oomKillDisable: cgroups !== "v2" && has("memory"),
    ipv4Forwarding: on("/proc/sys/net/ipv4/ip_forward"), bridgeFilter: on("/proc/sys/net/bridge/bridge-nf-call-iptables"), bridgeFilter6: on("/proc/sys/net/bridge/bridge-nf-call-ip6tables"),
  };
}

/** What `look` gives, looked at again when that is so many milliseconds old: for what is asked often and takes long. */
export function recent<T>(look: () => T, ms: number, now: () => number): () => T {
  let last: { readonly value: T; readonly at: number } | undefined;
  return () => (last === undefined || now() - last.at >= ms || now() < last.at ? (last = { value: look(), at: now() }) : last).value;
}

/** Undefined where there is no such controller. */
function cpusetFile(v2: boolean, name: string): string | undefined {
  const path = v2 ? `/sys/fs/cgroup/cpuset.${name}.effective` : `/sys/fs/cgroup/cpuset/cpuset.${name}`;
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** The enabled ones of /proc/cgroups. */
function legacyControllers(): string[] {
  return readFileSync("/proc/cgroups", "utf8").split("\n").map((line) => line.split("\t")).filter((f) => f.length === 4 && f[3] === "1").map((f) => f[0]!);
}

/** os-release(5). */
function osRelease(): ReadonlyMap<string, string> {
  for (const file of ["/etc/os-release", "/usr/lib/os-release"]) {
    try {
      return new Map(readFileSync(file, "utf8").split("\n").flatMap((line) => {
        const match = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line);
        return match === null ? [] : [[match[1]!, match[2] ?? match[3] ?? match[4] ?? ""] as const];
      }));
    } catch { /* the next one */ }
  }
  return new Map();
}

/** What a program says its version is; empty when it does not say. */
export async function versionOf(program: string): Promise<string> {
  const said = await run(program, ["--version"], { timeoutMs: 5000 }).catch(() => undefined);
  return /\d+\.\d+(?:\.\d+)?[^\s,]*/.exec(said?.stdout ?? "")?.[0] ?? "";
}

/** Bytes that what is built from may have, unpacked, in a folder: the limit that is set, and nine tenths of what is free at most. */
export function largestSource(folder: string, limit: number): number {
  const { bavail, bsize } = statfsSync(folder), room = Math.floor(bavail * bsize * 0.9);
  return limit === 0 ? room : Math.min(limit, room);
}
