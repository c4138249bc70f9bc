import { setTimeout as pause } from "node:timers/promises";
import { messageOf, NotFound } from "../../../core/errors.js";
import type { Logger } from "../../../core/logger.js";
import { MARK, type ZfsHome } from "./home.js";
import type { Dataset, Zfs } from "./zfs.js";

const datasetOf = (snapshot: string): string => snapshot.split("@")[0]!;
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
  /** Which dataset a clone is one of, as far as this process knows: to ask ZFS takes it long where there are many. */
  private readonly origins = new Map<string, string>();

  constructor(private readonly zfs: Zfs, private readonly home: ZfsHome, private readonly logger: Logger) {}

  get pending(): boolean { return this.waiting.size > 0; }

  made(clone: string, origin: string): void { this.origins.set(clone, origin); }

  /** Absent is success. */
  async take(dataset: string): Promise<void> {
    // It goes with the last of them.
    if ([...this.origins.values()].includes(dataset)) return this.mark(dataset);
    try { await this.destroy(dataset); }
    catch (error) {
      await this.mark(dataset);
      if (hasClones(error)) return;
    }
    if (this.pending) void this.reap();
  }
  private async mark(dataset: string): Promise<void> {
    this.waiting.add(dataset);
    try { await this.zfs.set(dataset, MARK, this.home.removedMark); }
    catch (error) {
      this.waiting.delete(dataset);
      if (!(error instanceof NotFound)) throw error;
    }
    // The last of them may have gone meanwhile.
    if (![...this.origins.values()].includes(dataset)) void this.reap();
  }
  private async destroy(dataset: string): Promise<void> {
    await this.zfs.destroy(dataset);
    this.origins.delete(dataset);
    this.waiting.delete(dataset);
  }

  /** What a former process left marked. */
  takeUp(found: readonly Dataset[]): void {
    for (const { name, mark, origin } of found) {
      if (mark === this.home.removedMark) this.waiting.add(name);
      if (origin !== undefined) this.origins.set(name, datasetOf(origin));
    }
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
        try { await this.destroy(name); } catch { busy = true; }
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
      if (dataset.origin === undefined) continue;
      const origin = datasetOf(dataset.origin);
      clones.set(origin, [...clones.get(origin) ?? [], dataset]);
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
