import { readFileSync } from "node:fs";
import { rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../core/index.js";

/**
 * Takes the kernel's lock on thread groups once, ahead of the runtime. The first process that moves between cgroups
 * after a pause waits some 10 ms for an RCU grace period inside that lock; those that follow within as many
 * milliseconds do not. Writing our own number into the cgroup where we are takes the same path and changes nothing,
 * so the wait runs beside the runtime's start instead of in it.
 */
export class CgroupWarmer {
  readonly #file: string | null;

  constructor(mounts = readFileSync("/proc/self/mounts", "utf8"), own = readFileSync("/proc/self/cgroup", "utf8")) {
    this.#file = ownProcs(mounts, own);
  }

  warm(): void {
    if (this.#file !== null) writeFile(this.#file, String(process.pid)).catch(() => undefined);
  }
}

/** `cgroup.procs` of the cgroup this process is in, in any hierarchy; null when none is mounted. */
export function ownProcs(mounts: string, own: string): string | null {
  const path = new Map(own.trim().split("\n").map((line) => {
    const [, controllers = "", where = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return [controllers, where];
  }));
  for (const line of mounts.split("\n")) {
    const [, target = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2" && path.has("")) return `${target}${slashed(path.get("")!)}cgroup.procs`;
    if (type !== "cgroup") continue;
    for (const [controllers, where] of path) {
      if (controllers !== "" && controllers.split(",").every((c) => options.split(",").includes(c))) return `${target}${slashed(where)}cgroup.procs`;
    }
  }
  return null;
}

function slashed(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

/** Where the cgroup hierarchies are mounted, as /proc/self/mounts lists them. */
export function cgroupMounts(mounts: string): string[] {
  return mounts.split("\n").map((line) => line.split(" ")).filter(([, , type]) => type === "cgroup" || type === "cgroup2").map(([, target]) => target!);
}

/**
 * The cgroups that a runtime's state of one container names: runc's state.json lists them, crun's `status` has their
 * path in every hierarchy. Null when there is neither, or it cannot be read: then only the runtime can tell.
 */
export function cgroupsOf(state: string, mounts = (): string => readFileSync("/proc/self/mounts", "utf8")): string[] | null {
  const runc = readJson(join(state, "state.json"))?.["cgroup_paths"];
  if (typeof runc === "object" && runc !== null) return Object.values(runc).filter((path): path is string => typeof path === "string");
  const crun = readJson(join(state, "status"));
  const path = crun?.["cgroup-path"];
  if (typeof path !== "string" || !/^\/./.test(path) || crun!["systemd-cgroup"] !== false) return null;
  return cgroupMounts(mounts()).map((target) => join(target, path));
}

function readJson(path: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Removes empty cgroups; false when one is still in use or has children. */
export async function removeCgroups(paths: readonly string[]): Promise<boolean> {
  const results = await Promise.all(paths.map((path) => rmdir(path).then(() => true, (e: unknown) => errnoOf(e) === "ENOENT")));
  return results.every(Boolean);
}

/** Whether the kernel killed a process in one of these cgroups for want of memory (cgroup v1 `memory.oom_control`, v2 `memory.events`). */
export function killedForMemory(paths: readonly string[]): boolean {
  return paths.some((path) => ["memory.oom_control", "memory.events"].some((file) => /^oom_kill [1-9]/m.test(textOf(join(path, file)))));
}

/** Whether the processes in one of these cgroups stand still, or are about to (cgroup v1 `freezer.state`, v2 `cgroup.freeze`). */
export function isFrozen(paths: readonly string[]): boolean {
  return paths.some((path) => ["freezer.state", "cgroup.freeze"].some((file) => /^(FROZEN|FREEZING|1)$/.test(textOf(join(path, file)).trim())));
}

/** Nothing where there is no such file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (e) {
    if (["ENOENT", "ENODEV"].includes(errnoOf(e) ?? "")) return "";
    throw e;
  }
}
