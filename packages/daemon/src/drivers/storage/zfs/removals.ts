import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "../../../core/errors.js";
import type { Logger } from "../../../core/logger.js";
import { MARK, type ZfsHome } from "./home.js";
import type { Dataset, Zfs } from "./zfs.js";

const hasClones = (error: unknown): boolean => /dependent clones/.test(messageOf(error));

/** Between attempts, in milliseconds: first, then doubled; and all in all. */
const SOON = 20, PATIENCE = 2000;

/**
 * Takes datasets away. One that is busy (a mount that others still have open), or that others are clones of, is marked
 * as removed and goes later: in the background, with whatever is removed next, or at the next start.
 */
export class Removals {
  private readonly waiting = new Set<string>();
  private running: Promise<void> | null = null;
  private again = false;

  constructor(private readonly zfs: Zfs, private readonly home: ZfsHome, private readonly logger: Logger) {}

  get pending(): boolean { return this.waiting.size > 0; }

  /** Absent is success. */
  async take(dataset: string): Promise<void> {
    try { await this.zfs.destroy(dataset); }
    catch (error) {
      await this.zfs.set(dataset, MARK, this.home.removedMark);
      this.waiting.add(dataset);
      // It goes with the last of them.
      if (hasClones(error)) return;
    }
    if (this.pending) void this.reap();
  }

  /** What a former process left marked. */
  takeUp(found: readonly Dataset[]): void {
    for (const { name, mark } of found) if (mark === this.home.removedMark) this.waiting.add(name);
    if (this.pending) void this.reap();
  }

  /** Resolves when everything is gone but what must wait for others. */
  async drain(): Promise<void> { if (this.pending) await this.reap(); }

  private reap(): Promise<void> {
    this.again = true;
    return (this.running ??= this.work().catch((err: unknown) => this.logger.warn({ err }, "zfs: cannot destroy removed datasets; the next removal tries again")).finally(() => {
      this.running = null;
      if (!this.pending) this.home.forget();
    }));
  }

  private async work(): Promise<void> {
    for (let wait = SOON, waited = 0; this.pending && (this.again || waited < PATIENCE); wait *= 2) {
      if (this.again) waited = 0;
      this.again = false;
      const free = this.free(await this.zfs.below(this.home.fsname, MARK));
      if (free.length === 0) {
        if (this.again) continue;
        return;
      }
      let busy = false;
      for (const name of free) {
        try { await this.zfs.destroy(name); this.waiting.delete(name); }
        catch { busy = true; }
      }
      if (!busy) continue;
      await pause(wait, undefined, { ref: false });
      waited += wait;
    }
  }

  /** Those that nothing but removed ones are clones of: clones before their origins. */
  private free(all: readonly Dataset[]): string[] {
    const clones = new Map<string, Dataset[]>();
    for (const dataset of all) {
      const origin = dataset.origin?.split("@")[0];
      if (origin !== undefined) clones.set(origin, [...clones.get(origin) ?? [], dataset]);
    }
    const known = new Map(all.map((dataset) => [dataset.name, dataset]));
    for (const name of this.waiting) if (!known.has(name)) this.waiting.delete(name);
    const order: string[] = [], verdicts = new Map<string, boolean>();
    const canGo = (dataset: Dataset): boolean => {
      const verdict = verdicts.get(dataset.name);
      if (verdict !== undefined) return verdict;
      // Every clone is asked, so that those which can go do.
      const alone = (clones.get(dataset.name) ?? []).map(canGo).every(Boolean);
      const goes = alone && dataset.mark === this.home.removedMark;
      verdicts.set(dataset.name, goes);
      if (goes) order.push(dataset.name);
      return goes;
    };
    for (const dataset of all) canGo(dataset);
    return order;
  }
}
