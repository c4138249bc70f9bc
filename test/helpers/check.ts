import type { Call } from "./api.js";
import type { Daemon } from "./daemon.js";

export interface CheckFinding {
  readonly kind: string;
  readonly id: string;
  readonly problem: string;
  readonly detail: string;
  readonly images: readonly string[];
  readonly repaired: boolean;
}
export interface CheckReport {
  readonly found: number;
  readonly repaired: number;
  readonly findings: readonly CheckFinding[];
  readonly unchecked: readonly string[];
}
export interface CheckLine {
  readonly part?: string;
  readonly finding?: CheckFinding;
  readonly report?: CheckReport;
}

/** A check of a data root to its end. */
export async function checked(daemon: Daemon, options: { deep?: boolean; repair?: boolean; rate?: number } = {}, call: Pick<Call, "signal"> = {}): Promise<CheckReport> {
  const { status, text } = await daemon.api("POST", "/graph/check", { json: options, ...call });
  if (status !== 200) throw new Error(`the check was refused: ${status} ${text}`);
  const lines = text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as CheckLine);
  const report = lines.at(-1)?.report;
  if (report === undefined) throw new Error(`the check ended without a report: ${text.slice(-2000)}`);
  return report;
}

/** `orphan snapshot erofs/…`, sorted. */
export const findingNames = (report: CheckReport): string[] => report.findings.map(({ problem, kind, id }) => `${problem} ${kind} ${id}`).sort();
