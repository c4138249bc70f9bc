// node_modules: installed once per lock file and Node version.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SetupError, root, run, say } from "./common.mjs";
import { ensureCompiler } from "./system.mjs";

const modules = join(root, "node_modules");
const stamp = join(modules, ".strata-setup");
const lockFile = join(root, "package-lock.json");

const fingerprint = () =>
  createHash("sha256").update(readFileSync(lockFile)).update(`${process.versions.modules} ${process.arch}`).digest("hex");

/** Every package that the lock file wants is there, with that version in npm's own record of what it installed. */
function matchesLock() {
  try {
    const wanted = JSON.parse(readFileSync(lockFile, "utf8")).packages;
    const found = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")).packages;
    return Object.entries(wanted).every(([path, entry]) =>
      !path.includes("node_modules/") || entry.link || (entry.optional && !found[path]) ||
      (found[path]?.version === entry.version && existsSync(join(root, path, "package.json"))));
  } catch {
    return false;
  }
}

/** The compiled module loads under this Node; asked of a fresh process, since a failed load may stick. */
function nativeModulesLoad() {
  const program = 'new (require("better-sqlite3"))(":memory:").close()';
  return spawnSync(process.execPath, ["-e", program], { cwd: root, stdio: "ignore" }).status === 0;
}

function npmEnvironment() {
  const env = { ...process.env, npm_config_audit: "false", npm_config_fund: "false", npm_config_update_notifier: "false" };
  // With Node's own headers beside it node-gyp compiles without fetching them.
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const header = join(prefix, "include/node/node_version.h");
  const [major] = process.versions.node.split(".");
  if (existsSync(header) && readFileSync(header, "utf8").includes(`#define NODE_MAJOR_VERSION ${major}\n`)) env.npm_config_nodedir = prefix;
  return env;
}

/** Installs the dependencies when node_modules is absent or from another lock file or Node. */
export function ensureDependencies() {
  const wanted = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (!(matchesLock() && nativeModulesLoad())) {
    say("installing dependencies (better-sqlite3 is compiled where no binary can be fetched: about a minute)");
    const install = () => run("npm", ["ci", "--include=dev", "--no-progress"], { env: npmEnvironment() }) === 0 && nativeModulesLoad();
    if (!install() && !(ensureCompiler() && install())) throw new SetupError("npm ci failed; see its messages above");
  }
  writeFileSync(stamp, wanted);
}
