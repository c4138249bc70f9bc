// What every script here needs. Node's own modules only: these files run before anything is installed.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A condition the user can act on: printed without a stack. */
export class SetupError extends Error {}

export const say = (text) => process.stderr.write(`strata: ${text}\n`);

/** Administrator's programs are looked for even when PATH leaves their folders out, as a plain user's does. */
const folders = [...new Set([...(process.env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"])].filter(Boolean);

/** Absolute path of a program, or undefined. */
export function which(program) {
  return folders.map((folder) => join(folder, program)).find((path) => {
    try { accessSync(path, constants.X_OK); return true; } catch { return false; }
  });
}

/** Runs a program with its output shown; returns its exit status. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (result.error) throw new SetupError(`${program}: ${result.error.message}`);
  return result.status ?? 128;
}

/** Runs `main` and turns a SetupError into one line and exit status 1. */
export async function script(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
