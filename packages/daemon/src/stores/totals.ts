import { setImmediate } from "node:timers/promises";
import type { Ledger } from "../db/ledger.js";

/** How many rows of a kind there are, and what they occupy as far as the ledger knows. */
export interface LedgerTotal {
  readonly kind: string;
  readonly count: number;
  readonly bytes?: number;
}

/** An aggregate for each kind, kept until anything changes. Other work has its turn after each. */
export async function ledgerTotals(ledger: Ledger): Promise<LedgerTotal[]> {
  const totals: LedgerTotal[] = [];
  for (const [kind, text] of Object.entries(TOTALS)) {
    const { count, bytes } = ledger.cached(`totals of ${kind}`, () => ledger.sql<[], { count: number; bytes: number | null }>(text).get()!);
    totals.push({ kind, count, ...(bytes === null ? {} : { bytes }) });
    await setImmediate();
  }
  return totals;
}

const TOTALS: Readonly<Record<string, string>> = {
  layers: "SELECT COUNT(*) AS count, COALESCE(SUM(bytes), 0) AS bytes FROM snapshot WHERE kind = 'layer'",
  content: "SELECT COUNT(*) AS count, COALESCE(SUM(size), 0) AS bytes FROM blob",
  images: "SELECT COUNT(*) AS count, NULL AS bytes FROM image",
  containers: "SELECT COUNT(*) AS count, NULL AS bytes FROM container",
  volumes: "SELECT COUNT(*) AS count, NULL AS bytes FROM volume",
  "build-cache": "SELECT COUNT(*) AS count, NULL AS bytes FROM build_record",
};

/** Containers by what Docker counts them as. */
export function containerStates(ledger: Ledger): { running: number; paused: number; stopped: number } {
  const states = { running: 0, paused: 0, stopped: 0 };
  for (const { status, count } of ledger.sql<[], { status: string; count: number }>("SELECT status, COUNT(*) AS count FROM container GROUP BY status").all()) {
    states[status === "paused" ? "paused" : status === "running" || status === "restarting" ? "running" : "stopped"] += count;
  }
  return states;
}
