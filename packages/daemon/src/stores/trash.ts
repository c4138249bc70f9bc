import { existsSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { WorkerPool } from "../archive/workers/pool.js";
import { errnoOf, type Logger, type Mounter, newId } from "../core/index.js";
import { namesIn } from "./names.js";
import { makeDirectories } from "../core/make-directories.js";

/**
 * Deletes by rename: what is discarded is out of the way at once, its files go in the background. Nothing that is
 * mounted below a discarded directory is ever emptied: mounts are taken down first, and where one stays, so does
 * the directory.
 */
export class Trash {
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly directory: string, private readonly mounter: Mounter, private readonly workers: WorkerPool, private readonly logger: Logger) {}

  /** Absent is success. */
  async discard(path: string): Promise<void> {
    await this.unmountBelow(path);
    const place = join(this.directory, newId());
    try {
      await rename(path, place);
    } catch (e) {
      if (errnoOf(e) === "ENOENT") return;
      throw e;
    }
    this.background(place);
  }

  /** Starts to remove what a former process left. */
  async empty(): Promise<void> {
    await makeDirectories(this.directory, 0o700);
    const left = await readdir(this.directory);
    if (left.length === 0) return;
    await this.unmountBelow(this.directory);
    for (const name of left) this.background(join(this.directory, name));
  }

  /** Removes one thing that was left in the trash. True when it is gone. */
  async removeLeft(name: string): Promise<boolean> {
    const path = join(this.directory, name);
    await this.unmountBelow(path);
    this.background(path);
    await this.settled();
    return !existsSync(path);
  }

  /** Names of what lies there and nobody is removing; `others` waits for those who have a trash of their own there. */
  async left(others: () => Promise<unknown>): Promise<string[]> {
    const before = new Set(await namesIn(this.directory));
    if (before.size === 0) return [];
    await Promise.all([this.settled(), others()]);
    return (await namesIn(this.directory)).filter((name) => before.has(name));
  }

  private async settled(): Promise<void> {
    await Promise.all(this.running);
  }

  /** Resolves when everything discarded so far is gone from disk. */
  async drain(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private async unmountBelow(path: string): Promise<void> {
    const targets = await this.mounter.under(path);
    if (targets.length === 0) return;
    for (const target of targets) await this.mounter.unmount(target);
    const stays = await this.mounter.under(path);
    if (stays.length > 0) throw new Error(`cannot remove ${path}: ${stays[0]} is mounted`);
  }

  private background(path: string): void {
    const task: Promise<void> = this.workers.run("remove", { path })
      .catch((e: unknown) => this.logger.warn({ err: e }, "cannot empty the trash; the next start tries again"))
      .finally(() => this.running.delete(task));
    this.running.add(task);
  }
}
