import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemon } from "./daemon.js";
import { type Ground, groundFor } from "./ground.js";
import { Netns } from "./netns.js";

/** Starts a daemon with a driver, to see whether it serves; else its own words. */
async function probe(netns: Netns, folder: string, driver: string): Promise<string | null> {
  // No daemon's folder may be the beginning of another's.
  const own = join(folder, driver, "d");
  let daemon: Daemon | undefined, ground: Ground | undefined;
  try {
    ground = await groundFor([driver], own);
    daemon = new Daemon(netns, own, { ...ground.options, storageDriver: driver, flags: [...(ground.options.flags ?? []), "--bridge", "none"] });
    await daemon.start();
    return null;
  } catch (e) {
    const said = daemon?.output.trim().split("\n").filter((line) => line.startsWith("stratad: ")).at(-1);
    return said?.slice("stratad: ".length) ?? (e as Error).message.trim().split("\n")[0]!;
  } finally {
    await daemon?.destroy();
    await ground?.release();
  }
}

/** Run as a program by `drivers.ts`: prints an object of drivers' names and why they do not work, or null. */
async function main(names: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "st-p"));
  const netns = await Netns.create();
  try {
    const reasons = await Promise.all(names.map((name) => probe(netns, folder, name)));
    process.stdout.write(JSON.stringify(Object.fromEntries(names.map((name, at) => [name, reasons[at]]))));
  } finally {
    await netns.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}
void main(process.argv.slice(2));
