// npm test [-- FILTER…]: sets up and runs every test this machine can run. Last line: N passed, N failed, N skipped.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ensureBuilt } from "./lib/build.mjs";
import { root, say, script } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { ensureSystemPackages } from "./lib/system.mjs";

/** Two at a time; black-box tests have network namespaces and data roots of their own, and one that fails may leave a client running. */
const runs = [
  { scope: "packages/oci,packages/daemon,packages/client,packages/cli", args: ["--maxWorkers=2"] },
  { scope: "test", args: ["--maxWorkers=2", "--forceExit"] },
];
const TIME_LIMIT_MS = 40 * 60_000;

/** So many files that fail are run again, by themselves: more, and the fault is not in how busy the machine was. */
const AGAIN = 4;

/** Runs jest; resolves with its report, or undefined when it died without one. */
async function jest({ scope, args }, filters, folder, deadline, name = scope) {
  const report = join(folder, `${name.replace(/\W+/g, "-")}.json`);
  const child = spawn(process.execPath, [join(root, "node_modules/jest/bin/jest.js"), ...args, "--passWithNoTests", "--json", `--outputFile=${report}`, ...filters], {
    cwd: root, env: { ...process.env, STRATA_TEST_SCOPE: scope }, stdio: ["ignore", "ignore", "inherit"],
  });
  const limit = setTimeout(() => { say(`the tests of ${scope} took too long`); child.kill("SIGKILL"); }, deadline - Date.now());
  await new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve));
  clearTimeout(limit);
  try { return JSON.parse(readFileSync(report, "utf8")); } catch { return undefined; }
}

/** A skipped test, or a group that it is in, states its reason in its name: "…(skipped: reason)". */
function describeSkip(file, test) {
  const start = test.fullName.indexOf("(skipped: ");
  let end = start, depth = 0;
  if (start >= 0) do { depth += { "(": 1, ")": -1 }[test.fullName[end++]] ?? 0; } while (depth > 0 && end < test.fullName.length);
  const reason = start < 0 ? "no reason stated" : test.fullName.slice(start + "(skipped: ".length, end - 1);
  const name = start < 0 ? test.fullName : `${test.fullName.slice(0, start).trim()} ${test.fullName.slice(end).trim()}`.trim();
  return `${relative(root, file).replace(/\/dist\//, "/").replace(/\.js$/, ".ts")} › ${name}: ${reason}`;
}

/**
 * Files of a report with a failure, run once more when they are few; the report with what came of that in their place. A
 * test that then passes has passed, and is told as one that failed at first: what depends on how busy a machine is, is a fault, too, but of another kind.
 */
async function again(run, report, folder, deadline) {
  const failed = report.testResults.filter(({ status }) => status === "failed");
  if (failed.length === 0 || failed.length > AGAIN) return { report, unsteady: [] };
  say(`once more: ${failed.map(({ name }) => relative(root, name)).join(", ")}`);
  const second = await jest({ ...run, args: ["--runInBand", "--forceExit", "--runTestsByPath"] }, failed.map(({ name }) => name), folder, deadline, `${run.scope} again`);
  if (!second) return { report, unsteady: [] };
  const unsteady = failed.filter(({ name }) => second.testResults.some((file) => file.name === name && file.status === "passed"))
    .flatMap((file) => [...file.assertionResults.filter(({ status }) => status === "failed").map((test) => test.fullName), ...(file.assertionResults.length === 0 ? ["the file"] : [])].map((name) => `${relative(root, file.name)} › ${name}`));
  const of = new Map(second.testResults.map((file) => [file.name, file]));
  return { report: { ...report, testResults: report.testResults.map((file) => of.get(file.name) ?? file) }, unsteady };
}

await script(async () => {
  if (process.getuid?.() === 0) ensureSystemPackages();
  ensureDependencies();
  ensureBuilt("all");

  const filters = process.argv.slice(2);
  const folder = mkdtempSync(join(tmpdir(), "strata-report-"));
  const deadline = Date.now() + TIME_LIMIT_MS;
  const count = { passed: 0, failed: 0 };
  const skips = [];
  for (const run of runs) {
    const first = await jest(run, filters, folder, deadline);
    if (!first) { count.failed++; continue; }
    const { report, unsteady } = await again(run, first, folder, deadline);
    for (const name of unsteady) console.log(`failed at first, passed when run again: ${name}`);
    for (const file of report.testResults) {
      if (file.status === "failed" && file.assertionResults.length === 0) count.failed++;
      for (const test of file.assertionResults) {
        if (test.status === "passed") count.passed++;
        else if (test.status === "failed") count.failed++;
        else skips.push(describeSkip(file.name, test));
      }
    }
  }
  rmSync(folder, { recursive: true, force: true });
  for (const skip of skips) console.log(`skipped: ${skip}`);
  console.log(`${count.passed} passed, ${count.failed} failed, ${skips.length} skipped`);
  return count.failed > 0 ? 1 : 0;
});
