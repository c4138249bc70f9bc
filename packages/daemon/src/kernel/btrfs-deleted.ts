import { setTimeout as pause } from "node:timers/promises";
import { dropCounters, notYetFreed, quotaEnabled, startFreeing } from "./btrfs.js";

/** Between looks at what the kernel frees, in milliseconds: first, then doubled, up to the most; and how long to look. */
const SOON = 20, MOST = 1000, PATIENCE = 30_000;

/**
 * Subvolumes that were deleted. Where quotas count, their counters outlive them (older kernels never drop them) and can
 * go only when the subvolumes are freed: that is done here, in the background.
 */
export class DeletedSubvolumes {
  private readonly ids = new Set<number>();
  private running: Promise<void> | null = null;

  /** `directory`: any of the file system. `failed` is told what went wrong in the background. */
  constructor(private readonly directory: string, private readonly failed: (error: unknown) => void) {}

  async add(ids: Iterable<number>): Promise<void> {
    for (const id of ids) this.ids.add(id);
    if (this.ids.size > 0 && await quotaEnabled(this.directory)) void this.settle();
  }

  /** Resolves when all are freed and forgotten, or nothing came of waiting for those that somebody uses. */
  async drain(): Promise<void> {
    await this.running;
    if (this.ids.size > 0) await this.settle();
  }

  private settle(): Promise<void> {
    return (this.running ??= this.work().catch(this.failed).finally(() => { this.running = null; }));
  }
  private async work(): Promise<void> {
    await startFreeing(this.directory);
    for (let wait = SOON, waited = 0; ; wait = Math.min(2 * wait, MOST)) {
      const still = new Set(await notYetFreed(this.directory, this.ids));
      const freed = [...this.ids].filter((id) => !still.has(id));
      await dropCounters(this.directory, freed);
      for (const id of freed) this.ids.delete(id);
      if (this.ids.size === 0 || waited > PATIENCE) return;
      await pause(wait, undefined, { ref: false });
      waited += wait;
    }
  }
}
