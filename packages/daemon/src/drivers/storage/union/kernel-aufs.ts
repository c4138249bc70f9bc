import { readFileSync } from "node:fs";
import type { Mount } from "../../../core/storage.js";
import type { Union } from "./union.js";

/** mount(2) takes its options in one page; some of it is left for what a kernel adds. */
const ROOM = 3900;

/** The kernel's AUFS (Ubuntu until 20.04, and kernels that carry its patches). */
export class KernelAufs implements Union {
  readOnly(lowers: readonly string[]): readonly Mount[] { return branches(lowers.map((lower) => `${lower}=ro+wh`), ["ro"]); }
  writable({ upper, lowers }: { readonly upper: string; readonly lowers: readonly string[] }): readonly Mount[] {
    return branches([`${upper}=rw`, ...lowers.map((lower) => `${lower}=ro+wh`)], []);
  }
}

export function kernelHasAufs(): boolean { return /^nodev\taufs$/m.test(readFileSync("/proc/filesystems", "utf8")); }

/** As many branches as fit in one mount, the rest appended by remounts. */
function branches(all: readonly string[], flags: readonly string[]): Mount[] {
  const mounts: Mount[] = [];
  const fixed = ["dio", "xino=/dev/shm/aufs.xino"];
  let batch: string[] = [];
  let length = 0;
  const send = (): void => {
    if (batch.length === 0) return;
    const first = mounts.length === 0;
    mounts.push({ type: "aufs", source: "none", options: first ? [...flags, `br:${batch.join(":")}`, ...fixed] : ["remount", ...flags, ...batch.map((branch) => `append:${branch}`)] });
    batch = [];
    length = 0;
  };
  for (const branch of all) {
    const cost = Buffer.byteLength(branch) + "append:,".length;
    if (length + cost > ROOM) send();
    batch.push(branch);
    length += cost;
  }
  send();
  return mounts;
}
