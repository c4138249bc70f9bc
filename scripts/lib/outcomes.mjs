// Tests that a program of ours runs, instead of jest: it writes a report of {name, status, failure}, which is printed here.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run } from "./common.mjs";

/** Runs `program` with the report's place and `args`. Last line: N passed, N failed, N skipped. Returns the exit status. */
export function runReported(program, args, what) {
  const folder = mkdtempSync(join(tmpdir(), "strata-report-")), report = join(folder, "report.json");
  const status = run(process.execPath, [join(root, program), report, ...args]);
  const outcomes = status === 0 ? JSON.parse(readFileSync(report, "utf8")) : [{ name: what, status: "failed", failure: "died without a report" }];
  rmSync(folder, { recursive: true });
  const of = (wanted) => outcomes.filter((outcome) => outcome.status === wanted);
  for (const { name, failure } of of("failed")) console.log(`failed: ${name}\n  ${failure.replaceAll("\n", "\n  ")}`);
  // A skipped test states its reason at the end of its name, and a skipped group at the end of the group's.
  for (const { name } of of("skipped")) {
    const [, before, reason, after] = /^(.*?) \(skipped: (.*?)\)(?= |$)(.*)$/s.exec(name) ?? [undefined, name, "no reason stated", ""];
    console.log(`skipped: ${before}${after}: ${reason}`);
  }
  console.log(`${of("passed").length} passed, ${of("failed").length} failed, ${of("skipped").length} skipped`);
  return of("failed").length > 0 ? 1 : 0;
}
