import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DaemonOptions } from "./daemon.js";
import { ok } from "./run.js";

/** What a storage driver needs below its data root, made in a daemon's folder: the mounts go with the folder. */
const grounds: Readonly<Record<string, (folder: string) => Promise<DaemonOptions>>> = {
  btrfs: async (folder) => {
    const [image, mounted] = [join(folder, "btrfs.img"), join(folder, "btrfs")];
    mkdirSync(mounted, { recursive: true });
    await ok("truncate", ["-s", "4G", image]);
    await ok("mkfs.btrfs", ["-q", "-f", image]);
    await ok("mount", ["-o", "loop", image, mounted]);
    return { dataRoot: join(mounted, "data") };
  },
};

/** Options of a daemon that is to have these drivers on one data root. */
export async function groundFor(drivers: readonly string[], folder: string): Promise<DaemonOptions> {
  const options = await Promise.all(drivers.filter((name) => grounds[name] !== undefined).map((name) => grounds[name]!(folder)));
  return Object.assign({}, ...options) as DaemonOptions;
}
