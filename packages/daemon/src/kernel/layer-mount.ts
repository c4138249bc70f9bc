import { readdirSync, writeFileSync } from "node:fs";
import { attachLoop, type LoopDevice } from "./loop.js";
import { mountOne } from "./mount.js";

/** An EROFS image whose file data lie in a second file. */
export interface LayerImage {
  readonly index: string;
  readonly data: string;
  /** Through two loop devices: for kernels that mount no plain files, and for files on overlayfs or tmpfs. */
  readonly loop: boolean;
  /** File data are not kept a second time in the cache of the file that they lie in. Linux 6.13; of no effect through loop devices. */
  readonly direct: boolean;
  /** How much is read ahead of whoever reads on, in KiB. */
  readonly readAhead: number;
}

/** Mounts an image, read-only. */
export function mountLayer({ index, data, loop, direct, readAhead }: LayerImage, target: string): void {
  if (!loop) return mountPair(index, data, direct ? ["directio"] : [], target, readAhead);
  const loops: LoopDevice[] = [];
  try {
    for (const file of [index, data]) loops.push(attachLoop(file));
    mountPair(loops[0]!.path, loops[1]!.path, [], target, readAhead);
  } finally { for (const device of loops) device.close(); }
}

function mountPair(index: string, data: string, options: readonly string[], target: string, readAhead: number): void {
  const before = new Set(anonymousDevices());
  mountOne({ type: "erofs", source: index, options: ["ro", ["device", data], ...options] }, target);
  // The kernel names the mount's reader by a number that it does not tell: it is the one that was not there before.
  for (const name of anonymousDevices()) if (!before.has(name)) setReadAhead(name, readAhead);
}

const BDI = "/sys/class/bdi";
function anonymousDevices(): string[] {
  try { return readdirSync(BDI).filter((name) => name.startsWith("erofs-")); } catch { return []; }
}
/** A wish: where /sys is not ours to write, reading is slower. */
function setReadAhead(device: string, kib: number): void {
  try { writeFileSync(`${BDI}/${device}/read_ahead_kb`, String(kib)); } catch { /* see above */ }
}
