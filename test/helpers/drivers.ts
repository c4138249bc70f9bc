import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Need, type Test, needs, skipped, unmet } from "./needs.js";

/** Every storage driver that a machine without device mapper may have. */
export const driverNames = ["overlay2", "vfs", "erofs", "fuse-overlayfs", "aufs", "overlay", "btrfs", "zfs"] as const;
export type DriverName = (typeof driverNames)[number];

let reasons: Readonly<Record<string, string | null>> | undefined;

/** Why a daemon does not start here with a driver; undefined where it does. All are tried at once, at the first question. */
export function driverUnmet(name: DriverName): string | undefined {
  if (reasons === undefined) {
    const probed = spawnSync(process.execPath, [join(__dirname, "probe-drivers.js"), ...driverNames], { encoding: "utf8", timeout: 120_000 });
    if (probed.status !== 0) throw new Error(`the storage drivers could not be tried: ${probed.stderr}`);
    reasons = JSON.parse(probed.stdout) as Record<string, string | null>;
  }
  return reasons[name] ?? undefined;
}

/** As `needs`, where all of these drivers work, too. */
export function needsDrivers(drivers: readonly DriverName[], ...wanted: readonly Need[]): Test {
  const reason = unmet(wanted) ?? drivers.map((name) => driverUnmet(name)).find((why) => why !== undefined);
  return reason === undefined ? needs(...wanted) : skipped(reason);
}
