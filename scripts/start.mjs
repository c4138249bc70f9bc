// npm start [-- FLAGS]: from a fresh clone to a running daemon in the foreground. FLAGS are the daemon's.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ensureBuilt } from "./lib/build.mjs";
import { root, script } from "./lib/common.mjs";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { ensureSystemPackages, requireRoot } from "./lib/system.mjs";

/** Runs the daemon in the foreground; resolves with its exit status. */
function foreground(flags) {
  const daemon = spawn(process.execPath, [join(root, "packages/daemon/bin/stratad.js"), ...flags], { stdio: "inherit" });
  // A terminal sends its signals to the whole foreground group, the daemon included; what others send comes to us alone.
  const ofTerminal = process.stdin.isTTY ? ["SIGINT", "SIGQUIT"] : [];
  for (const signal of ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
    process.on(signal, () => { if (!ofTerminal.includes(signal)) daemon.kill(signal); });
  }
  return new Promise((resolve, reject) => {
    daemon.on("error", reject);
    daemon.on("exit", (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}

await script(async () => {
  const flags = process.argv.slice(2);
  // Questions that need no root and change nothing.
  const asks = flags.some((flag) => ["--version", "--help", "-h", "-v", "--validate"].includes(flag));
  if (!asks) {
    requireRoot(flags);
    ensureSystemPackages();
  }
  ensureDependencies();
  ensureBuilt("start");
  return foreground(flags);
});
