import { posix } from "node:path";
import type { HealthConfig, RunConfig } from "@strata/oci";
import { type ContainerConfig, type HostConfig, InvalidArgument } from "../core/index.js";
import { checkDevices } from "./spec/devices.js";
import { READONLY_PATHS } from "./spec/paths.js";
import { checkUlimits } from "./spec/ulimits.js";

const nameOf = (entry: string): string => entry.split("=", 1)[0]!;

/** An absolute path without what says nothing; any other text as it is. */
const cleanPath = (path: string): string => (posix.isAbsolute(path) ? posix.resolve(path) : path);

/** A user's config over an image's, by Docker's rules: what the user left out comes from the image. */
export function mergeConfig(user: ContainerConfig, image: RunConfig): ContainerConfig {
  const own = new Set((user.Env ?? []).map(nameOf));
  const merged: ContainerConfig = {
    ...user,
    User: user.User || image.User || "",
    Env: [...(user.Env ?? []), ...(image.Env ?? []).filter((entry) => !own.has(nameOf(entry)))],
    WorkingDir: cleanPath(user.WorkingDir || image.WorkingDir || ""),
    Labels: { ...image.Labels, ...user.Labels },
    ExposedPorts: union(image.ExposedPorts, user.ExposedPorts),
    Volumes: union(image.Volumes, user.Volumes),
    StopSignal: user.StopSignal || image.StopSignal,
    Healthcheck: mergeHealth(user.Healthcheck, image.Healthcheck),
    ...commandOf(user, image),
  };
  // `--entrypoint ""` takes the image's away.
  if (merged.Entrypoint?.length === 1 && merged.Entrypoint[0] === "") merged.Entrypoint = null;
  return merged;
}

/** The image's command belongs to the image's entrypoint: a new entrypoint drops it, a new command keeps it. */
function commandOf(user: ContainerConfig, image: RunConfig): Pick<ContainerConfig, "Cmd" | "Entrypoint"> {
  const hasEntrypoint = (user.Entrypoint ?? []).length > 0, hasCmd = (user.Cmd ?? []).length > 0;
  return {
    Cmd: hasEntrypoint || hasCmd ? user.Cmd ?? null : image.Cmd ?? null,
    Entrypoint: hasEntrypoint || Array.isArray(user.Entrypoint) ? user.Entrypoint : image.Entrypoint ?? null,
  };
}

function mergeHealth(user: HealthConfig | null | undefined, image: HealthConfig | null | undefined): HealthConfig | null | undefined {
  if (!user || !image) return user ?? image;
  return {
    Test: user.Test?.length ? user.Test : image.Test,
    Interval: user.Interval || image.Interval, Timeout: user.Timeout || image.Timeout, StartPeriod: user.StartPeriod || image.StartPeriod,
    StartInterval: user.StartInterval || image.StartInterval, Retries: user.Retries || image.Retries,
  };
}

function union(a: Record<string, object> | null | undefined, b: Record<string, object> | null | undefined): Record<string, object> | undefined {
  const all = { ...a, ...b };
  return Object.keys(all).length === 0 ? undefined : all;
}

/** What the first process runs: entrypoint, then command. */
export function commandLine(config: ContainerConfig): { path: string; args: string[] } {
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined) throw new InvalidArgument("no command specified");
  return { path, args };
}

/** Settings of the daemon that a container takes over when it is made. */
export interface HostDefaults {
  readonly runtime: string;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly init: boolean;
  readonly shmSize: number;
  readonly ulimits: NonNullable<HostConfig["Ulimits"]>;
  readonly cgroupVersion: 1 | 2;
  /** Kernel files that containers do not see. */
  readonly maskedPaths: readonly string[];
}

/** HostConfig with the daemon's defaults filled in, so that inspect tells what will be. */
export function withHostDefaults(given: HostConfig, defaults: HostDefaults): HostConfig {
  const log = given.LogConfig;
  const named = new Set((given.Ulimits ?? []).map((u) => u.Name));
  const ulimits = [...(given.Ulimits ?? []), ...defaults.ulimits.filter((u) => !named.has(u.Name))];
  return {
    ...given,
    LogConfig: log?.Type ? { Type: log.Type, Config: { ...(log.Type === defaults.logDriver ? defaults.logOptions : {}), ...log.Config } } : { Type: defaults.logDriver, Config: { ...defaults.logOptions, ...log?.Config } },
    NetworkMode: !given.NetworkMode || given.NetworkMode === "default" ? "bridge" : given.NetworkMode,
    RestartPolicy: { Name: given.RestartPolicy?.Name || "no", MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0 },
    IpcMode: given.IpcMode || "private",
    CgroupnsMode: given.CgroupnsMode || (given.Privileged || defaults.cgroupVersion === 1 ? "host" : "private"),
    Runtime: given.Runtime || defaults.runtime,
    ShmSize: given.ShmSize || defaults.shmSize,
    // As much swap as memory: inspect shows what holds.
    ...(given.Memory && given.Memory > 0 && !given.MemorySwap ? { MemorySwap: given.Memory * 2 } : {}),
    ...(given.Privileged ? {} : { MaskedPaths: given.MaskedPaths ?? [...defaults.maskedPaths], ReadonlyPaths: given.ReadonlyPaths ?? [...READONLY_PATHS] }),
    // The CLI sends these where nothing was asked for.
    ...(given.PidsLimit !== undefined && (given.PidsLimit ?? 0) <= 0 ? { PidsLimit: null } : {}),
    ...(given.MemorySwappiness === -1 ? { MemorySwappiness: null } : {}),
    ...(ulimits.length > 0 ? { Ulimits: ulimits } : {}),
    ...(given.Init === undefined || given.Init === null ? (defaults.init ? { Init: true } : {}) : { Init: given.Init }),
  };
}

const POLICIES = ["no", "always", "on-failure", "unless-stopped"];

/** Refuses a restart policy that there is not. */
export function checkRestartPolicy(policy: HostConfig["RestartPolicy"]): void {
  const name = policy?.Name ?? "no", retries = policy?.MaximumRetryCount ?? 0;
  if (!POLICIES.includes(name)) throw new InvalidArgument(`invalid restart policy: unknown policy '${name}'; use one of '${POLICIES.join("', '")}'`);
  if (retries < 0) throw new InvalidArgument("invalid restart policy: maximum retry count cannot be negative");
  if (retries > 0 && name !== "on-failure") throw new InvalidArgument("invalid restart policy: maximum retry count can only be used with 'on-failure'");
}

/** Refuses what cannot be, in Docker's words. */
export function checkHostConfig(h: HostConfig): void {
  checkRestartPolicy(h.RestartPolicy);
  if (h.AutoRemove && (h.RestartPolicy?.Name ?? "no") !== "no") throw new InvalidArgument("can't create 'AutoRemove' container with restart policy");
  if ((h.OomScoreAdj ?? 0) < -1000 || (h.OomScoreAdj ?? 0) > 1000) throw new InvalidArgument(`Invalid value ${h.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  if (h.IpcMode && !/^(none|private|shareable|host|container:.+)$/.test(h.IpcMode)) throw new InvalidArgument(`invalid IPC mode: ${h.IpcMode}`);
  if (h.PidMode && !/^(private|host|container:.+)$/.test(h.PidMode)) throw new InvalidArgument(`invalid PID mode: ${h.PidMode}`);
  if (h.NetworkMode === "container:") throw new InvalidArgument("invalid NetworkMode: invalid container format container:<name|id>");
  if (h.UTSMode && h.UTSMode !== "host") throw new InvalidArgument(`invalid UTS mode: ${h.UTSMode}`);
  if (h.CgroupnsMode && !/^(private|host)$/.test(h.CgroupnsMode)) throw new InvalidArgument(`invalid cgroup namespace mode: ${h.CgroupnsMode}`);
  if (h.UsernsMode && h.UsernsMode !== "host") throw new InvalidArgument(`invalid user namespace mode: ${h.UsernsMode}`);
  if (h.Isolation && h.Isolation !== "default") throw new InvalidArgument(`invalid isolation '${h.Isolation}' on linux`);
  for (const { Driver = "", Capabilities } of h.DeviceRequests ?? []) {
    throw new InvalidArgument(`could not select device driver "${Driver}" with capabilities: [${(Capabilities ?? []).map((all) => `[${all.join(" ")}]`).join(" ")}]`);
  }
  checkDevices(h);
  checkUlimits(h);
}
