// npm run soak -- [--minutes 30] [--seed N]: the long form of test/crash/soak.test.ts.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "./lib/build.mjs";
import { root, script, SetupError } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";

await script(async () => {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "30" }, seed: { type: "string" } } });
  for (const [name, value] of Object.entries(values)) if (!(Number(value) > 0)) throw new SetupError(`--${name}: "${value}" is not a number above zero`);
  ensureDependencies();
  ensureBuilt("all");
  const child = spawn(process.execPath, [join(root, "node_modules/jest/bin/jest.js"), "--forceExit", "test/dist/crash/soak.test.js"], {
    cwd: root, stdio: "inherit",
    env: { ...process.env, STRATA_TEST_SCOPE: "test", STRATA_SOAK_MINUTES: values.minutes, ...(values.seed === undefined ? {} : { STRATA_SOAK_SEED: values.seed }) },
  });
  return new Promise((resolve, reject) => child.on("error", reject).on("exit", (code) => resolve(code ?? 1)));
});
