import { rfc3339Nano, type GcPlan, type GcRunView, type Shortfall } from "../../core/index.js";
import type { components } from "../generated/openapi.js";

type Schemas = components["schemas"];

const encodeShortfall = ({ policy, target, missingBytes, holders }: Shortfall): Schemas["GcShortfall"] => ({
  Policy: policy, Target: target, Missing: missingBytes, Holders: holders.map(({ name, bytes, why }) => ({ Name: name, Bytes: bytes, Why: why })),
});

export function encodePlan({ id, createdAt, trigger, policies, items, bytes, shortfalls }: GcPlan): Schemas["GcPlan"] {
  return {
    Id: id, Created: rfc3339Nano(createdAt), Trigger: trigger, Policies: [...policies], Bytes: bytes,
    Items: items.map((i) => ({ Kind: i.kind, Key: i.key, Name: i.name, Bytes: i.bytes, Reason: i.reason, Policy: i.policy })), Shortfalls: shortfalls.map(encodeShortfall),
  };
}

export function encodeRun(run: GcRunView): Schemas["GcRun"] {
  const { id, plan, trigger, policies, startedAt, finishedAt, state, error, freed, trashed, undoUntil, disk, items, shortfalls } = run;
  return {
    Id: id, Plan: plan, Trigger: trigger, Policies: [...policies], Started: rfc3339Nano(startedAt), Finished: finishedAt === null ? null : rfc3339Nano(finishedAt), State: state, Error: error ?? "",
    Freed: freed, Trashed: trashed, UndoUntil: undoUntil === null ? null : rfc3339Nano(undoUntil), FreeBefore: disk?.before ?? null, FreeAfter: disk?.after ?? null,
    Items: items.map((i) => ({ Kind: i.kind, Key: i.key, Name: i.name, Bytes: i.bytes, Reason: i.reason, Policy: i.policy, Outcome: i.outcome, Freed: i.freed, Why: i.why ?? "" })), Shortfalls: shortfalls.map(encodeShortfall),
  };
}
