// node test/dist/vm/inside/runner.js REPORT FILE…: runs test files as jest would, without its command line, whose start takes 18 s in a guest.
import { createRequire } from "node:module";
import { appendFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Circus } from "@jest/types";
import { expect } from "expect";
import * as circus from "jest-circus";

const load = createRequire(__filename);

/** Everything takes several times as long here. */
const TIMEOUT_MS = 300_000;

/** One test, as the host counts it: a line of the report. */
export interface Outcome { readonly name: string; readonly status: "passed" | "failed" | "skipped"; readonly ms: number; readonly failure?: string }

async function main([report, ...files]: readonly string[]): Promise<void> {
  // Files may ask for more time than usual; they all have it here.
  Object.assign(globalThis, circus.default, { expect, jest: { setTimeout: () => undefined } });
  circus.setState({ ...circus.getState(), testTimeout: TIMEOUT_MS });
  const tell = (outcome: Outcome): void => { appendFileSync(report!, `${JSON.stringify(outcome)}\n`); };
  circus.addEventHandler((event) => {
    if (event.name !== "test_done" && event.name !== "test_skip") return;
    const { test } = event, failure = test.errors.flat().filter(Boolean).map((error: unknown) => (error instanceof Error ? error.stack ?? error.message : String(error))).join("\n");
    const outcome: Outcome = { name: nameOf(test), status: event.name === "test_skip" ? "skipped" : failure !== "" ? "failed" : "passed", ms: test.duration ?? 0, ...(failure !== "" && { failure }) };
    tell(outcome);
    process.stdout.write(`${outcome.status} ${outcome.ms} ms: ${outcome.name}\n`);
  });
  // A group for each: what a file wants done before and after its tests is no other's affair.
  for (const file of files) circus.describe(basename(file, ".test.js"), () => { load(resolve(file)); });
  const { unhandledErrors } = await circus.run();
  for (const error of unhandledErrors) tell({ name: "outside of any test", status: "failed", ms: 0, failure: error });
}

/** A test's name behind those of the groups that it is in. */
function nameOf(test: Circus.TestEntry): string {
  const names = [test.name];
  for (let block: Circus.DescribeBlock | undefined = test.parent; block?.parent !== undefined; block = block.parent) names.unshift(block.name);
  return names.join(" ");
}

main(process.argv.slice(2)).then(() => process.exit(0), (error: unknown) => {
  console.error(error);
  process.exit(1);
});
