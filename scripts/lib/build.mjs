// The build: tsc -b, skipped when no source changed since the last one.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, root, run, say } from "./common.mjs";

const packages = readdirSync(join(root, "packages")).sort().map((name) => `packages/${name}`);

/** What is built, by the command that needs it. */
const targets = {
  start: ["packages/daemon", "packages/cli"],
  all: [...packages, "test"],
};

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "dist" || entry.name === "node_modules") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.(ts|tsx|json)$/.test(entry.name)) yield path;
  }
}

/** Changes with any source's name, size or time, and with the compiler. */
function fingerprint(folders) {
  const hash = createHash("sha256");
  const configs = ["tsconfig.json", "tsconfig.base.json", "package-lock.json"].map((name) => join(root, name));
  for (const path of [...configs, ...folders.flatMap((folder) => [...sources(join(root, folder))]).sort()]) {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/** Builds what `target` ("start" or "all") needs. */
export function ensureBuilt(target) {
  const folders = target === "start" ? packages : targets[target];
  const stamp = join(root, "node_modules", ".cache", `strata-build-${target}`);
  const outputs = targets[target].map((folder) => join(root, folder, "dist", ".tsbuildinfo"));
  const now = fingerprint(folders);
  if (outputs.every((path) => existsSync(path)) && existsSync(stamp) && readFileSync(stamp, "utf8") === now) return;
  say("building");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  if (run(process.execPath, [tsc, "-b", ...targets[target]]) !== 0) throw new SetupError("the build failed; see the messages above");
  mkdirSync(join(root, "node_modules", ".cache"), { recursive: true });
  writeFileSync(stamp, now);
}
