// node test/dist/vm/inside/runner.js REPORT FILE…: runs test files as jest would, without its command line, whose start takes 18 s in a guest.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "expect";
import * as circus from "jest-circus";

/** Everything takes several times as long here. */
const TIMEOUT_MS = 300_000;

/** One test, as the host counts it. */
export interface Outcome { readonly name: string; readonly status: "passed" | "failed" | "skipped"; readonly ms: number; readonly failure?: string }

async function main([report, ...files]: readonly string[]): Promise<void> {
  Object.assign(globalThis, circus.default, { expect });
  circus.setState({ ...circus.getState(), testTimeout: TIMEOUT_MS });
  circus.addEventHandler((event) => {
    if (event.name === "test_done") process.stdout.write(`${event.test.errors.length > 0 ? "FAILED" : "ok"} ${event.test.duration ?? 0} ms: ${event.test.name}\n`);
  });
  for (const file of files) require(resolve(file));
  const { testResults, unhandledErrors } = await circus.run();
  const outcomes: Outcome[] = testResults.map(({ testPath, status, errors, duration }) => ({
    name: testPath.slice(1).join(" "), status: errors.length > 0 ? "failed" : status === "done" ? "passed" : "skipped", ms: duration ?? 0,
    ...(errors.length > 0 && { failure: errors.join("\n") }),
  }));
  for (const error of unhandledErrors) outcomes.push({ name: "outside of any test", status: "failed", ms: 0, failure: String(error) });
  writeFileSync(report!, JSON.stringify(outcomes));
}

main(process.argv.slice(2)).then(() => process.exit(0), (error: unknown) => {
  console.error(error);
  process.exit(1);
});
