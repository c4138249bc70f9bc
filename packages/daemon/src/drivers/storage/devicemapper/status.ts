import type { StatusLines } from "../../../core/storage.js";
import { existsSync } from "node:fs";
import { dmVersion } from "../../../kernel/device-mapper.js";
import { deviceNode } from "../../../kernel/block-device.js";
import type { DmOptions, FileSystemName } from "./options.js";
import type { ThinPool } from "./pool.js";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
/** Four digits and a decimal unit: `107.4GB`. */
export function humanSize(bytes: number): string {
  let unit = 0, value = bytes;
  while (value >= 1000 && unit < UNITS.length - 1) { value /= 1000; unit++; }
  return `${Number(value.toPrecision(4))}${UNITS[unit]!}`;
}

/** The lines that Docker has for this driver. */
export async function poolLines(pool: ThinPool, baseSize: number, fileSystem: FileSystemName, deleted: number, options: DmOptions): Promise<StatusLines> {
  const status = await pool.exactStatus(), below = await pool.below();
  const parts = pool.parts(), { loops } = pool;
  const free = (total: number, used: number): string => humanSize(Math.min(total - used, below ?? Infinity));
  return [
    ["Pool Name", pool.name],
    ["Pool Blocksize", humanSize(pool.blockSize)],
    ["Base Device Size", humanSize(baseSize)],
    ["Backing Filesystem", fileSystem],
    ["Udev Sync Supported", String(existsSync("/run/udev/control"))],
    ["Data file", pool.own ? deviceNode(parts.data) : ""],
    ["Metadata file", pool.own ? deviceNode(parts.metadata) : ""],
    ...(loops === undefined ? [] : [["Data loop file", loops.data], ["Metadata loop file", loops.metadata]] as const),
    ["Data Space Used", humanSize(status.dataUsed)],
    ["Data Space Total", humanSize(status.dataTotal)],
    ["Data Space Available", free(status.dataTotal, status.dataUsed)],
    ["Metadata Space Used", humanSize(status.metadataUsed)],
    ["Metadata Space Total", humanSize(status.metadataTotal)],
    ["Metadata Space Available", free(status.metadataTotal, status.metadataUsed)],
    ["Thin Pool Minimum Free Space", humanSize(status.dataTotal * options.minFreePercent / 100)],
    ["Deferred Removal Enabled", String(options.deferredRemoval)],
    ["Deferred Deletion Enabled", String(options.deferredDeletion)],
    ["Deferred Deleted Device Count", String(deleted)],
    ["Library Version", `${dmVersion()} (the kernel's)`],
  ];
}
