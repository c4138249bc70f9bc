// npm run check: types, lint, the architecture test, and generated code against openapi.yaml.
import { join } from "node:path";
import { root, run, say, script } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";

const node = (file, ...args) => run(process.execPath, [join(root, file), ...args], { env: { ...process.env, STRATA_TEST_SCOPE: "test" } });

/** Each step: what it holds, and its exit status. */
const steps = [
  ["types", () => node("node_modules/typescript/bin/tsc", "-b")],
  ["lint", () => node("node_modules/eslint/bin/eslint.js", "--cache", "--cache-location", join(root, "node_modules/.cache/eslint"), "--max-warnings=0", ".")],
  ["architecture", () => node("node_modules/jest/bin/jest.js", "--silent", "test/dist/architecture")],
  ["generated code", () => node("scripts/generate.mjs", "--check")],
];

await script(() => {
  ensureDependencies();
  const failed = [];
  for (const [name, step] of steps) {
    const started = Date.now();
    const status = step();
    say(`${name}: ${status === 0 ? "holds" : "BROKEN"} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    if (status !== 0) failed.push(name);
  }
  return failed.length > 0 ? 1 : 0;
});
