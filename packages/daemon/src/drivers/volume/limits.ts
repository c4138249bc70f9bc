import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { WorkerPool } from "../../archive/workers/pool.js";
import { errnoOf, InvalidArgument, messageOf } from "../../core/errors.js";
import type { VolumeLimits } from "../../core/volumes.js";
import { mountOf } from "../../kernel/mount-table.js";
import { probeProjectQuotas, type ProjectQuotas } from "../../kernel/project-quota.js";
import { findProgram, run } from "../../kernel/spawn.js";

/** How volumes below `directory` are held to sizes: by project quotas of xfs and ext4, as subvolumes of btrfs, or not at all. */
export function openVolumeLimits(directory: string, workers: WorkerPool): VolumeLimits {
  if (mountOf(directory)?.type === "btrfs") {
    const program = findProgram("btrfs");
    return program === undefined ? new NoLimits("the program btrfs is not installed") : new SubvolumeLimits(program);
  }
  const probe = probeProjectQuotas(directory);
  return probe.ok ? new ProjectLimits(probe.quotas, workers) : new NoLimits(probe.reason);
}

class NoLimits implements VolumeLimits {
  constructor(private readonly reason: string) {}
  apply(): Promise<void> { return Promise.reject(new InvalidArgument(`size: a volume cannot be held to a size here: ${this.reason}`)); }
  async release(): Promise<void> {}
}

/** Directories with a project each. */
class ProjectLimits implements VolumeLimits {
  constructor(private readonly quotas: ProjectQuotas, private readonly workers: WorkerPool) {}

  async apply(directory: string, bytes: number): Promise<void> {
    await makeDirectory(directory);
    const project = this.quotas.projectFor(directory);
    // The limit comes last: where it is missing, this was not finished, or the directory had no limit so far.
    if (this.quotas.limitOf(directory) === undefined) await this.workers.run("assignProject", { path: directory, id: project });
    this.quotas.setLimit(project, bytes);
  }
  async release(directory: string): Promise<void> { this.quotas.release(directory); }
}

/** Inode of a subvolume's root (BTRFS_FIRST_FREE_OBJECTID). */
const SUBVOLUME_ROOT = 256;

/** Subvolumes with a limit on their quota group. They are removed as directories are (rmdir(2) of one works since Linux 4.18). */
class SubvolumeLimits implements VolumeLimits {
  constructor(private readonly program: string) {}

  async apply(directory: string, bytes: number): Promise<void> {
    if (existsSync(directory) && statSync(directory).ino !== SUBVOLUME_ROOT) throw new InvalidArgument("size: this volume was made without one, and on btrfs it cannot get one later");
    try {
      if (!existsSync(directory)) await run(this.program, ["subvolume", "create", directory]);
      await this.enable(directory);
      await run(this.program, ["qgroup", "limit", String(bytes), directory]);
    } catch (error) {
      throw new InvalidArgument(`size: a volume cannot be held to a size here: ${messageOf(error)}`, { cause: error });
    }
  }
  async release(): Promise<void> {}

  /** Counting is on as long as the file system lives; the first time what is there is counted. */
  private async enable(directory: string): Promise<void> {
    const { code } = await run(this.program, ["qgroup", "show", directory], { allow: [0, 1] });
    if (code === 0) return;
    await run(this.program, ["quota", "enable", directory]);
    await run(this.program, ["quota", "rescan", "-w", directory], { allow: [0, 1] });
  }
}

async function makeDirectory(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o755 }).catch((error: unknown) => { if (errnoOf(error) !== "EEXIST") throw error; });
}
