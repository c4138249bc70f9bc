// npm run test:clients [-- FILTER…]: docker-py's and dockerode's own suites against a daemon of ours. Last line: N passed, N failed, N skipped.
import { ensureBuilt } from "./lib/build.mjs";
import { script } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { runReported } from "./lib/outcomes.mjs";

await script(() => {
  ensureDependencies();
  ensureBuilt("all");
  return runReported("test/dist/clients/main.js", process.argv.slice(2), "clients' own suites");
});
