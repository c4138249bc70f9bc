import { type GcPlan, type GcRecords, type GcRun, type GcRunView, type GcSettings, InvalidArgument, NotFound, type RunItem } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { afterPrefix } from "./rows.js";

/** How many are kept. */
const PLANS = 50, RUNS = 200;

interface RunRow { id: string; document: string; freed: number | null; trashed: number | null }
const RUN = `SELECT id, document, (SELECT sum(freed) FROM gc_run_item WHERE run = id) AS freed,
  (SELECT sum(bytes) FROM gc_run_item WHERE run = id AND outcome = 'trashed') AS trashed FROM gc_run`;

/** Plans and runs of collection by policy, in the ledger. */
export class LedgerGcRecords implements GcRecords {
  constructor(private readonly ledger: Ledger) {}

  addPlan(plan: GcPlan): void {
    this.ledger.transaction(() => {
      this.ledger.sql<[string, number, string]>("INSERT INTO gc_plan (id, created_at, document) VALUES (?, ?, ?)").run(plan.id, plan.createdAt, JSON.stringify(plan));
      this.ledger.sql<[number]>("DELETE FROM gc_plan WHERE id NOT IN (SELECT id FROM gc_plan ORDER BY created_at DESC LIMIT ?)").run(PLANS);
    }, { durable: false });
  }

  plan(id: string): GcPlan {
    return JSON.parse(this.find<{ document: string }>("plan", "SELECT document FROM gc_plan", id).document) as GcPlan;
  }

  latestPlan(): GcPlan | undefined {
    const row = this.ledger.cached("latest plan", () => this.ledger.sql<[], { document: string }>("SELECT document FROM gc_plan ORDER BY created_at DESC LIMIT 1").get(), ["gc_plan"]);
    return row === undefined ? undefined : JSON.parse(row.document) as GcPlan;
  }

  putRun(run: GcRun): void {
    this.ledger.transaction(() => {
      this.ledger.sql<[string, number, string, string]>("INSERT INTO gc_run (id, started_at, state, document) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state, document = excluded.document")
        .run(run.id, run.startedAt, run.state, JSON.stringify(run));
      this.ledger.sql<[number]>("DELETE FROM gc_run WHERE state <> 'running' AND id NOT IN (SELECT id FROM gc_run ORDER BY started_at DESC LIMIT ?) AND id NOT IN (SELECT run FROM trashed_image)").run(RUNS);
    }, { durable: false });
  }

  putItem(run: string, position: number, item: RunItem): void {
    this.ledger.transaction(() => this.ledger.sql<[string, number, string, number, number, string]>(
      "INSERT INTO gc_run_item (run, position, outcome, bytes, freed, document) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET outcome = excluded.outcome, bytes = excluded.bytes, freed = excluded.freed, document = excluded.document",
    ).run(run, position, item.outcome, item.bytes, item.freed, JSON.stringify(item)), { durable: false });
  }

  item(run: string, position: number): RunItem | undefined {
    const row = this.ledger.sql<[string, number], { document: string }>("SELECT document FROM gc_run_item WHERE run = ? AND position = ?").get(run, position);
    return row === undefined ? undefined : JSON.parse(row.document) as RunItem;
  }

  run(id: string): GcRunView {
    const row = this.find<RunRow>("run", RUN, id);
    const items = this.ledger.sql<[string], { document: string }>("SELECT document FROM gc_run_item WHERE run = ? ORDER BY position").all(row.id).map(({ document }) => JSON.parse(document) as RunItem);
    return viewOf(row, items);
  }

  runs(): GcRunView[] {
    return this.ledger.sql<[], RunRow>(`${RUN} ORDER BY started_at DESC`).all().map((row) => viewOf(row, []));
  }

  expired(runs: readonly string[]): void {
    for (const id of new Set(runs)) {
      const row = this.ledger.sql<[string], { document: string }>("SELECT document FROM gc_run WHERE id = ? AND id NOT IN (SELECT run FROM trashed_image)").get(id);
      if (row !== undefined) this.putRun({ ...JSON.parse(row.document) as GcRun, undoUntil: null });
    }
  }

  interrupt(now: number): string[] {
    const left = this.ledger.sql<[], RunRow>(`${RUN} WHERE state = 'running'`).all();
    for (const { document } of left) this.putRun({ ...JSON.parse(document) as GcRun, state: "interrupted", finishedAt: now });
    return left.map(({ id }) => id);
  }

  settings(): GcSettings["given"] | undefined {
    const row = this.ledger.sql<[], { document: string }>("SELECT document FROM gc_settings").get();
    return row === undefined ? undefined : JSON.parse(row.document) as GcSettings["given"];
  }

  setSettings(given: GcSettings["given"] | null): void {
    if (given === null) this.ledger.transaction(() => this.ledger.sql("DELETE FROM gc_settings").run());
    else this.ledger.transaction(() => this.ledger.sql<[string]>("INSERT INTO gc_settings (only, document) VALUES (1, ?) ON CONFLICT DO UPDATE SET document = excluded.document").run(JSON.stringify(given)));
  }

  private find<R>(what: "plan" | "run", select: string, id: string): R {
    if (!/^[0-9a-f]+$/.test(id)) throw new NotFound(`No such ${what}: ${id}`);
    const found = this.ledger.sql<[string, string], R>(`${select} WHERE id >= ? AND id < ? LIMIT 2`).all(id, afterPrefix(id));
    if (found.length > 1) throw new InvalidArgument(`Multiple IDs found with provided prefix: ${id}`);
    if (found[0] === undefined) throw new NotFound(`No such ${what}: ${id}`);
    return found[0];
  }
}

function viewOf({ document, freed, trashed }: RunRow, items: readonly RunItem[]): GcRunView {
  return { ...JSON.parse(document) as GcRun, items, freed: freed ?? 0, trashed: trashed ?? 0 };
}
