import { accessSync, constants } from "node:fs";
import { isAbsolute } from "node:path";
import type { Config } from "./config.js";
import { InvalidArgument, messageOf, Unavailable } from "./core/index.js";
import { claimIdleControllers } from "./drivers/runtime/idle-controllers.js";
import { probeRuntime } from "./drivers/runtime/probe.js";
import { findProgram, run } from "./kernel/spawn.js";
import { versionOf } from "./machine.js";

/** The programs that run containers. */
export interface Programs {
  readonly conmon: string;
  /** Name to absolute path; crun, runc and what was added. */
  readonly runtimes: ReadonlyMap<string, string>;
  readonly defaultRuntime: string;
  /** Runtimes that know the mount option rro, by name. */
  readonly recursiveReadOnly: ReadonlySet<string>;
  /** Of conmon and the runtimes, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Finds conmon and OCI runtimes. Unavailable, naming what to install, when one is missing; InvalidArgument for a runtime that was configured and is not there. */
export async function findPrograms(config: Config): Promise<Programs> {
  const conmon = findProgram("conmon");
  if (conmon === undefined) throw new Unavailable("conmon is not installed: it keeps containers running while the daemon is away (apt-get install conmon)");
  const runtimes = new Map<string, string>();
  for (const name of ["crun", "runc"]) {
    const path = findProgram(name);
    if (path !== undefined) runtimes.set(name, path);
  }
  for (const [name, given] of Object.entries(config.runtimes)) {
    const path = isAbsolute(given) ? given : findProgram(given);
    try {
      accessSync(path ?? "", constants.X_OK);
    } catch (cause) {
      throw new InvalidArgument(`runtime ${name}: ${given} is not a program`, { cause });
    }
    runtimes.set(name, path!);
  }
  if (config.defaultRuntime !== "" && !runtimes.has(config.defaultRuntime)) throw new InvalidArgument(`default-runtime: there is no runtime ${config.defaultRuntime}; known are ${[...runtimes.keys()].join(", ")}`);
  const defaultRuntime = config.defaultRuntime || (await firstThatRuns(runtimes));
  const named = [["conmon", conmon], ...runtimes] as const;
  const versions = Object.fromEntries(await Promise.all(named.map(async ([name, path]) => [name, await versionOf(path)] as const)));
  const knows = await Promise.all([...runtimes].map(async ([name, path]) => ({ name, known: await knowsRecursiveReadOnly(path) })));
  return { conmon, runtimes, defaultRuntime, versions, recursiveReadOnly: new Set(knows.filter(({ known }) => known).map(({ name }) => name)) };
}

/** As the runtime tells of itself (features of the runtime-spec). crun has the option since 1.4, and tells since 1.8.6. */
async function knowsRecursiveReadOnly(path: string): Promise<boolean> {
  try {
    const { mountOptions } = JSON.parse((await run(path, ["features"], { timeoutMs: 5000 })).stdout) as { readonly mountOptions?: readonly string[] };
    return mountOptions?.includes("rro") === true;
  } catch {
    const [, major, minor] = /^crun version (\d+)\.(\d+)/.exec((await run(path, ["--version"], { timeoutMs: 5000 }).catch(() => undefined))?.stdout ?? "") ?? [];
    return major !== undefined && (Number(major) > 1 || Number(minor) >= 4);
  }
}

/** In the order in which they are known. Being installed is not enough; crun may need the machine's cgroups arranged. */
async function firstThatRuns(runtimes: ReadonlyMap<string, string>): Promise<string> {
  const refused: string[] = [];
  for (const [name, path] of runtimes) {
    try {
      await probeRuntime(path).catch((e: unknown) => probeWithClaim(path, e));
      return name;
    } catch (e) {
      refused.push(messageOf(e));
    }
  }
  throw new Unavailable(refused.length === 0 ? "no OCI runtime is installed (apt-get install crun or runc)" : `no OCI runtime runs here: ${refused.join("; ")}`);
}

/** Tries again with the idle cgroup controllers out of the way. They stay there only if that helped. */
async function probeWithClaim(path: string, refusal: unknown): Promise<void> {
  const undo = claimIdleControllers();
  if (undo === null) throw refusal;
  try {
    await probeRuntime(path);
  } catch (e) {
    undo();
    throw e;
  }
}
