import { type Clock, type GcRecords, newId, type PruneJournal } from "../../core/index.js";

/** Docker's prunes in the history of runs. */
export class PruneHistory implements PruneJournal {
  constructor(private readonly records: Pick<GcRecords, "putRun" | "putItem">, private readonly clock: Clock) {}

  /** A prune that took nothing is none. */
  pruned(what: string, items: Parameters<PruneJournal["pruned"]>[1]): void {
    if (items.length === 0) return;
    const now = this.clock.now(), id = newId<string>(), command = `${what} prune`;
    this.records.putRun({ id, plan: null, trigger: "prune", policies: [command], startedAt: now, finishedAt: now, state: "done", undoUntil: null, disk: null, shortfalls: [] });
    items.forEach((item, i) => this.records.putItem(id, i, { ...item, policy: command, reason: "it was asked for", outcome: "freed", freed: item.bytes }));
  }
}
