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

/** Runs jest; resolves with its report, or undefined when it died without one. */
async function jest({ scope, args }, filters, folder, deadline) {
  const report = join(folder, `${scope.replace(/\W+/g, "-")}.json`);
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
    const report = await jest(run, filters, folder, deadline);
    if (!report) { count.failed++; continue; }
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
