// npm run test:vm [-- FILTER…]: runs in virtual machines what this machine's kernel cannot. Last line: N passed, N failed, N skipped.
import { ensureBuilt } from "./lib/build.mjs";
import { script } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { runReported } from "./lib/outcomes.mjs";

await script(() => {
  ensureDependencies();
  ensureBuilt("all");
  return runReported("test/dist/vm/main.js", process.argv.slice(2), "the tests in guests");
});
