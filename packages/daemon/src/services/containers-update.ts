import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Conflict, type Container, type ContainerId, errnoOf, type HostConfig, messageOf, type Runtime } from "../core/index.js";
import { checkRestartPolicy } from "./containers-config.js";
import type { Launcher } from "./containers-launch.js";
import type { LiveContainers } from "./containers-live.js";
import type { Mirrors } from "./containers-mirror.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import { checkResources, resourcesOf, withoutUnknown } from "./spec/resources.js";

/** Limits that can change while a container runs. */
const RESOURCES = [
  "BlkioWeight", "CpuShares", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "NanoCpus", "CpusetCpus", "CpusetMems", "Memory", "MemoryReservation", "MemorySwap",
] as const;

/** More there cannot be (the kernel's PID_MAX_LIMIT). crun has no word for "no limit" here. */
const MOST_PROCESSES = 2 ** 22;

/** What a running container is about to get; in its bundle until it is in the ledger. */
interface Intent {
  readonly hostConfig: HostConfig;
  /** Processes are limited no more. */
  readonly lifted: boolean;
}

/** Gives containers other limits and policies: of a running one at once, and for its next starts. */
export class Updater {
  constructor(private readonly parts: ContainerParts, private readonly live: LiveContainers, private readonly launcher: Pick<Launcher, "bundle">, private readonly mirrors: Mirrors) {}

  /** Zero and absent leave things as they are. Nothing changes when anything is refused. */
  update(id: ContainerId, given: HostConfig): Promise<{ warnings: string[] }> {
    const { hostConfig: asked, warnings: discarded } = withoutUnknown(given, this.parts.host);
    const live = this.live.of(id);
    return live.mutex.run(async () => {
      const container = this.parts.containers.get(id);
      const { status } = container.state;
      if (status === "removing" || status === "dead") throw new Conflict(`Cannot update container ${id}: container is marked for removal and cannot be "update"`);
      if (asked.RestartPolicy?.Name) checkRestartPolicy(asked.RestartPolicy);
      const conflict = conflictOf(container.hostConfig, asked);
      if (conflict !== undefined) throw new Conflict(`Cannot update container ${id}: ${conflict}`);
      const hostConfig = merged(container.hostConfig, asked);
      const warnings = [...discarded, ...checkResources(hostConfig, this.parts.host)];
      const note = (): void => this.parts.containers.update({ ...this.parts.containers.get(id), hostConfig });
      if (live.run === null || !touchesResources(asked)) note();
      else await this.intended(id, { hostConfig, lifted: typeof asked.PidsLimit === "number" && asked.PidsLimit <= 0 }, live.run.runtime, note);
      this.mirrors.changed(id);
      emitContainer(this.parts, this.parts.containers.get(id), "update");
      return { warnings };
    });
  }

  /** Completes an update of a running container that a crash cut short: some of it may hold already. */
  async complete(container: Container, runtime: Runtime): Promise<void> {
    const intent = await readIntent(this.intentOf(container.id));
    if (intent !== undefined) {
      await this.apply(container.id, intent, runtime);
      this.parts.containers.update({ ...this.parts.containers.get(container.id), hostConfig: intent.hostConfig });
    }
    await rm(this.intentOf(container.id), { force: true });
  }

  private async intended(id: ContainerId, intent: Intent, runtime: Runtime, note: () => void): Promise<void> {
    await writeFile(this.intentOf(id), JSON.stringify(intent), { mode: 0o600 });
    try {
      await this.apply(id, intent, runtime);
      note();
    } finally {
      await rm(this.intentOf(id), { force: true });
    }
  }

  private async apply(id: ContainerId, { hostConfig, lifted }: Intent, runtime: Runtime): Promise<void> {
    const { devices: _, ...limits } = resourcesOf(hostConfig, []);
    try {
      await runtime.update(id, lifted ? { ...limits, pids: { limit: MOST_PROCESSES } } : limits);
    } catch (cause) {
      throw new Error(`Cannot update container ${id}: ${messageOf(cause)}`, { cause });
    }
  }

  private intentOf(id: ContainerId): string {
    return join(this.launcher.bundle(id), "update.json");
  }
}

/** Undefined when there is none, or it was not whole: then nothing of it was done. */
async function readIntent(path: string): Promise<Intent | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Intent;
  } catch (e) {
    if (errnoOf(e) === "ENOENT" || e instanceof SyntaxError) return undefined;
    throw e;
  }
}

const touchesResources = (asked: HostConfig): boolean => RESOURCES.some((key) => Boolean(asked[key])) || typeof asked.PidsLimit === "number";

/** Why the two do not go together, in Docker's words. */
function conflictOf(now: HostConfig, asked: HostConfig): string | undefined {
  if (asked.NanoCpus && now.CpuPeriod) return "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set";
  if (asked.NanoCpus && now.CpuQuota) return "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set";
  if (asked.CpuPeriod && now.NanoCpus) return "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set";
  if (asked.CpuQuota && now.NanoCpus) return "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set";
  if (asked.Memory && !asked.MemorySwap && now.MemorySwap && now.MemorySwap > 0 && asked.Memory > now.MemorySwap) {
    return "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
  }
  const policy = asked.RestartPolicy?.Name;
  if (policy && policy !== "no" && now.AutoRemove) return "Restart policy cannot be updated because AutoRemove is enabled for the container";
  return undefined;
}

function merged(now: HostConfig, asked: HostConfig): HostConfig {
  const next: HostConfig = { ...now };
  for (const key of RESOURCES) if (asked[key]) Object.assign(next, { [key]: asked[key] });
  if (typeof asked.PidsLimit === "number") next.PidsLimit = asked.PidsLimit > 0 ? asked.PidsLimit : null;
  const { Name, MaximumRetryCount = 0 } = asked.RestartPolicy ?? {};
  if (Name) next.RestartPolicy = { Name, MaximumRetryCount };
  return next;
}
