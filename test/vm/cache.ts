import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** This machine cannot do what was asked; the message is the reason that a skipped suite states. */
export class Unavailable extends Error {}

/** Kernels, modules and what is made of them; outside the checkout, so that a fresh clone finds them again. */
export function cacheDirectory(): string {
  const directory = process.env["STRATA_VM_CACHE"] ?? (process.getuid?.() === 0 ? "/var/cache/strata-vm" : join(homedir(), ".cache/strata-vm"));
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Folders of the cache whose names begin so, newest name last. */
export function cached(prefix: string): string[] {
  const directory = cacheDirectory();
  return readdirSync(directory).filter((name) => name.startsWith(prefix)).sort(new Intl.Collator("en", { numeric: true }).compare).map((name) => join(directory, name));
}

/**
 * The folder `name` of the cache; `make` fills a new one when it is not there yet. It appears whole or not at all, and
 * of two that make it at once the later finds the earlier's.
 */
export async function cachedFolder(name: string, make: (folder: string) => void | Promise<void>): Promise<string> {
  const wanted = join(cacheDirectory(), name);
  if (existsSync(wanted)) return wanted;
  const scratch = mkdtempSync(join(cacheDirectory(), ".making-"));
  try {
    await make(scratch);
    try { renameSync(scratch, wanted); }
    catch (error) { if (!existsSync(wanted)) throw error; }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return wanted;
}

/** Runs a shell script to its end; its words, when it fails, are the reason. */
export function shell(script: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync("bash", ["-euo", "pipefail", "-c", script, "vm", ...args], { encoding: "utf8", maxBuffer: 1 << 28, env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` } });
  if (error) throw error;
  if (status !== 0) throw new Unavailable(stderr.trim().split("\n").slice(-3).join("; ") || `exit ${status ?? "by signal"}`);
  return stdout.trim();
}
