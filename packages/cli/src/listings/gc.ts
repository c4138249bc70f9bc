import type { GcPlan, GcRun } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { ago, ellipsis, humanSize, shortId } from "../format/units.js";

type PlanItem = GcPlan["Items"][number];
type RunItem = GcRun["Items"][number];

const itemColumns = {
  Kind: { header: "KIND", value: ({ Kind }: PlanItem) => Kind },
  Name: { header: "NAME", value: ({ Name }: PlanItem, { noTrunc }: { noTrunc: boolean }) => (noTrunc ? Name : ellipsis(Name, 48)) },
  Key: { header: "KEY", value: ({ Key }: PlanItem, { noTrunc }: { noTrunc: boolean }) => (noTrunc ? Key : shortId(Key)) },
  Bytes: { header: "SIZE", value: ({ Bytes }: PlanItem) => humanSize(Bytes) },
  Policy: { header: "POLICY", value: ({ Policy }: PlanItem) => Policy },
  Reason: { header: "REASON", value: ({ Reason }: PlanItem) => Reason },
};
export const planListing: Listing<PlanItem> = { name: "Item", columns: itemColumns };

export const runItemListing: Listing<RunItem> = {
  name: "Item",
  columns: {
    ...itemColumns,
    Outcome: { header: "OUTCOME", value: ({ Outcome }) => Outcome },
    Freed: { header: "FREED", value: ({ Freed }) => humanSize(Freed) },
    Why: { header: "WHY", value: ({ Why }) => Why },
  },
};

export const runListing: Listing<GcRun> = {
  name: "Run",
  columns: {
    ID: { header: "RUN ID", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    Plan: { header: "PLAN", value: ({ Plan }, { noTrunc }) => (Plan === null ? "" : noTrunc ? Plan : shortId(Plan)) },
    Trigger: { header: "TRIGGER", value: ({ Trigger }) => Trigger },
    Policies: { header: "POLICIES", value: ({ Policies }) => Policies.join(", ") },
    Started: { header: "STARTED", value: ({ Started }, { now }) => ago(Date.parse(Started) / 1000, now) },
    StartedAt: { header: "STARTED AT", value: ({ Started }) => Started },
    State: { header: "STATE", value: ({ State }) => State },
    Freed: { header: "FREED", value: ({ Freed }) => humanSize(Freed) },
    Trashed: { header: "IN TRASH", value: ({ Trashed }) => humanSize(Trashed) },
    UndoUntil: { header: "UNDO UNTIL", value: ({ UndoUntil }) => UndoUntil ?? "" },
  },
};

/** What keeps policies from their targets, a line each. */
export function shortfallLines(shortfalls: GcPlan["Shortfalls"]): string[] {
  return shortfalls.flatMap(({ Policy, Target, Missing, Holders }) => [
    `${Policy} cannot reach its target (${Target}): ${humanSize(Missing)} more are held by`, ...Holders.map(({ Name, Bytes, Why }) => `  ${humanSize(Bytes)}  ${Name}: ${Why}`),
  ]);
}
