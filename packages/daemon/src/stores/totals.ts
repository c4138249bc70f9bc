import type { Ledger } from "../db/ledger.js";

/** How many rows of a kind there are, and what they occupy as far as the ledger knows. */
export interface LedgerTotal {
  readonly kind: string;
  readonly count: number;
  readonly bytes?: number;
}

/** One aggregate for each kind; kept until anything changes. */
export function ledgerTotals(ledger: Ledger): readonly LedgerTotal[] {
  return ledger.cached("totals", () => {
    const rows = ledger.sql<[], { kind: string; count: number; bytes: number | null }>(TOTALS).all();
    return rows.map(({ kind, count, bytes }): LedgerTotal => ({ kind, count, ...(bytes === null ? {} : { bytes }) }));
  });
}

const TOTALS = `
SELECT 'layers' AS kind, COUNT(*) AS count, COALESCE(SUM(bytes), 0) AS bytes FROM snapshot WHERE kind = 'layer'
UNION ALL SELECT 'content', COUNT(*), COALESCE(SUM(size), 0) FROM blob
UNION ALL SELECT 'images', COUNT(*), NULL FROM image
UNION ALL SELECT 'containers', COUNT(*), NULL FROM container
UNION ALL SELECT 'volumes', COUNT(*), NULL FROM volume
UNION ALL SELECT 'build-cache', COUNT(*), NULL FROM build_record`;

/** Containers by what Docker counts them as. */
export function containerStates(ledger: Ledger): { running: number; paused: number; stopped: number } {
  const states = { running: 0, paused: 0, stopped: 0 };
  for (const { status, count } of ledger.sql<[], { status: string; count: number }>("SELECT status, COUNT(*) AS count FROM container GROUP BY status").all()) {
    states[status === "paused" ? "paused" : status === "running" || status === "restarting" ? "running" : "stopped"] += count;
  }
  return states;
}
