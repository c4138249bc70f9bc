import { rfc3339Nano, type CheckRun } from "../core/index.js";
import type { CheckLine, CheckService } from "../services/check/types.js";
import { ok, type Routes } from "./context.js";
import type { components } from "./generated/openapi.js";
import { sendLines } from "./streams.js";

type Schemas = components["schemas"];

function encodeReport({ startedAt, finishedAt, findings, unchecked, ...rest }: CheckRun): Schemas["CheckReport"] {
  return { started: rfc3339Nano(startedAt), finished: rfc3339Nano(finishedAt), ...rest, findings: findings.map(encodeFinding), unchecked: [...unchecked] };
}
const encodeFinding = ({ images, ...rest }: CheckRun["findings"][number]): Schemas["CheckFinding"] => ({ ...rest, images: [...images] });

function encodeLine(line: CheckLine): Schemas["CheckLine"] {
  if ("report" in line) return { report: encodeReport(line.report) };
  return "finding" in line ? { finding: encodeFinding(line.finding) } : line;
}

export function checkRoutes(checks: CheckService): Pick<Routes, "graphCheck" | "graphCheckList"> {
  return {
    async graphCheck(c) {
      const { deep = false, repair = false, rate = 0 } = c.body ?? {};
      const lines = checks.begin({ deep, repair, rate, signal: c.signal });
      try {
        await sendLines(c, (async function* () { for await (const line of lines) yield encodeLine(line); })());
      } catch (e) {
        // Nobody is left to be told.
        if (!c.signal.aborted) throw e;
      }
      return undefined;
    },
    graphCheckList: () => ok(checks.history().map(encodeReport)),
  };
}
