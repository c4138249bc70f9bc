import type { CheckRun, CheckRuns } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { flag, parseFrozen } from "./rows.js";

interface Row { started_at: number; finished_at: number; deep: number; repair: number; scheduled: number; found: number; repaired: number; findings: string; unchecked: string }

/** Runs that are kept. */
const KEPT = 30;
/** Findings of one run that are kept: a root that was wiped has as many as it had layers. */
const FINDINGS = 1000;

/** The last checks, in the ledger. */
export class LedgerCheckRuns implements CheckRuns {
  constructor(private readonly ledger: Ledger) {}

  add(run: CheckRun): void {
    this.ledger.transaction(() => {
      this.ledger.sql<[number, number, number, number, number, number, number, string, string]>("INSERT INTO check_run (started_at, finished_at, deep, repair, scheduled, found, repaired, findings, unchecked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run(run.startedAt, run.finishedAt, flag(run.deep), flag(run.repair), flag(run.scheduled), run.found, run.repaired, JSON.stringify(run.findings.slice(0, FINDINGS)), JSON.stringify(run.unchecked));
      this.ledger.sql<[number]>("DELETE FROM check_run WHERE id <= (SELECT max(id) FROM check_run) - ?").run(KEPT);
    }, { durable: false });
  }

  list(): readonly CheckRun[] {
    return this.ledger.sql<[], Row>("SELECT * FROM check_run ORDER BY id DESC").all().map((row) => ({
      startedAt: row.started_at, finishedAt: row.finished_at, deep: row.deep === 1, repair: row.repair === 1, scheduled: row.scheduled === 1, found: row.found, repaired: row.repaired,
      findings: parseFrozen<CheckRun["findings"]>(row.findings), unchecked: parseFrozen<readonly string[]>(row.unchecked),
    }));
  }
}
