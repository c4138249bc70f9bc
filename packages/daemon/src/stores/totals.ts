import type { Ledger } from "../db/ledger.js";

/** Containers by what Docker counts them as. */
export function containerStates(ledger: Ledger): { running: number; paused: number; stopped: number } {
  const states = { running: 0, paused: 0, stopped: 0 };
  for (const { status, count } of ledger.sql<[], { status: string; count: number }>("SELECT status, COUNT(*) AS count FROM container GROUP BY status").all()) {
    states[status === "paused" ? "paused" : status === "running" || status === "restarting" ? "running" : "stopped"] += count;
  }
  return states;
}
