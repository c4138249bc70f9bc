import type { Ledger } from "../../db/ledger.js";

/** Whose figures go stale. Layers and blobs never change. */
export type FigureKind = "snapshot" | "volume" | "container";

const MARK: Readonly<Record<FigureKind, string>> = {
  snapshot: "UPDATE snapshot SET stale = 1 WHERE id = ? AND stale = 0",
  volume: "UPDATE volume SET stale = 1 WHERE name = ? AND stale = 0",
  container: "UPDATE container_usage SET stale = 1 WHERE container = ? AND stale = 0",
};
/** What ran when the power went may have changed although its mark is lost. */
const RAN = "SELECT id FROM container WHERE status IN ('running', 'paused', 'restarting')";
const DISTRUST = [
  `UPDATE snapshot SET stale = 1 WHERE stale = 0 AND id IN (SELECT snapshot FROM writable WHERE owner IN (${RAN}))`,
  `UPDATE volume SET stale = 1 WHERE stale = 0 AND name IN (SELECT volume FROM volume_use WHERE owner IN (${RAN}))`,
  `UPDATE container_usage SET stale = 1 WHERE stale = 0 AND container IN (${RAN})`,
];

/** A moment to which a measurement can be compared. */
export interface Mark { readonly name: string; readonly at: number }

/**
 * Which figures may be out of date. The mark is in the ledger before the change, so that a daemon that is killed finds
 * it; it goes with a measurement during which nothing changed.
 */
export class Figures {
  /** Changes since the figure was settled: the number of the last. */
  private readonly changes = new Map<string, number>();
  private readonly listeners: (() => void)[] = [];
  private count = 0;

  constructor(private readonly ledger: Ledger) {
    ledger.transaction(() => { for (const statement of DISTRUST) ledger.sql(statement).run(); }, { durable: false });
  }

  onChange(listener: () => void): void { this.listeners.push(listener); }

  /** It begins to change, or it has changed. */
  changed(kind: FigureKind, key: string): void {
    const name = `${kind} ${key}`, known = this.changes.has(name);
    this.changes.set(name, ++this.count);
    if (!known) this.ledger.transaction(() => this.ledger.sql<[string]>(MARK[kind]).run(key), { durable: false });
    for (const listener of this.listeners) listener();
  }

  /** Before a measurement. */
  mark(kind: FigureKind, key: string): Mark {
    const name = `${kind} ${key}`;
    return { name, at: this.changes.get(name) ?? 0 };
  }
  /** After it: whether nothing changed meanwhile. The caller writes so into the row. */
  settled({ name, at }: Mark): boolean {
    if ((this.changes.get(name) ?? 0) !== at) return false;
    this.changes.delete(name);
    return true;
  }

  /** Its row is gone. */
  forget(kind: FigureKind, key: string): void { this.changes.delete(`${kind} ${key}`); }
}
