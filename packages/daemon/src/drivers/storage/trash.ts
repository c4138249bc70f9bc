import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import type { WorkerPool } from "../../archive/workers/pool.js";
import { errnoOf } from "../../core/errors.js";
import type { Logger } from "../../core/logger.js";

/** Removal in two steps: a rename that is over at once, then the work of it in the background. */
export class Trash {
  private readonly pending = new Set<Promise<void>>();

  /** What a former process left in `directory` is the start-up recovery's to empty (WorkerPool's `empty` job). */
  constructor(private readonly directory: string, private readonly workers: WorkerPool, private readonly logger: Logger) {}

  /** Moves a directory away and removes it later. Absent is success. */
  async take(path: string): Promise<void> {
    const doomed = join(this.directory, `${basename(path)}-${randomBytes(6).toString("hex")}`);
    try { this.move(path, doomed); }
    catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    const removal = this.workers.run("remove", { path: doomed })
      .catch((error: unknown) => this.logger.warn({ err: error, path: doomed }, "could not remove from the trash"))
      .finally(() => this.pending.delete(removal));
    this.pending.add(removal);
  }

  /** Resolves when nothing taken so far is left. */
  async drain(): Promise<void> {
    while (this.pending.size > 0) await Promise.all(this.pending);
  }

  private move(from: string, to: string): void {
    try { renameSync(from, to); }
    catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      renameSync(from, to);
    }
  }
}
