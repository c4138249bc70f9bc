import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Mount } from "../../../core/storage.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import type { Union } from "./union.js";

/** mount(2) takes its options in one page; some of it is left for what a kernel adds. */
const ROOM = 3900;

/** The kernel's AUFS (Ubuntu until 20.04, and kernels that carry its patches). */
export class KernelAufs implements Union {
  /** `dirperm1`: whether the kernel lets a directory's upper mode be its mode, whatever the lower one is (Linux 3.16). */
  constructor(readonly dirperm1: boolean) {}

  readOnly(lowers: readonly string[]): readonly Mount[] { return this.branches(lowers.map((lower) => `${lower}=ro+wh`), ["ro"]); }
  writable({ upper, lowers }: { readonly upper: string; readonly lowers: readonly string[] }): readonly Mount[] {
    return this.branches([`${upper}=rw`, ...lowers.map((lower) => `${lower}=ro+wh`)], []);
  }

  /** As many branches as fit in one mount, the rest appended by remounts. */
  private branches(all: readonly string[], flags: readonly string[]): Mount[] {
    const mounts: Mount[] = [];
    const fixed = ["dio", "xino=/dev/shm/aufs.xino", ...(this.dirperm1 ? ["dirperm1"] : [])];
    let batch: string[] = [];
    let length = 0;
    const send = (): void => {
      const first = mounts.length === 0;
      mounts.push({ type: "aufs", source: "none", options: first ? [...flags, `br:${batch.join(":")}`, ...fixed] : ["remount", ...flags, ...batch.map((branch) => `append:${branch}`)] });
      batch = [];
      length = 0;
    };
    for (const branch of all) {
      const cost = Buffer.byteLength(branch) + "append:,".length;
      if (length > 0 && length + cost > ROOM) send();
      batch.push(branch);
      length += cost;
    }
    send();
    return mounts;
  }
}

/** AUFS as this kernel mounts it below `root`, which is there; undefined where it does not. */
export async function probeKernelAufs(root: string): Promise<KernelAufs | undefined> {
  if (!/^nodev\taufs$/m.test(readFileSync("/proc/filesystems", "utf8"))) return undefined;
  const dir = mkdtempSync(join(root, "probe-")), target = join(dir, "mnt");
  try {
    for (const name of ["upper", "lower", "mnt"]) mkdirSync(join(dir, name));
    for (const union of [new KernelAufs(true), new KernelAufs(false)]) {
      try {
        await mountPlan({ target, mounts: union.writable({ upper: join(dir, "upper"), lowers: [join(dir, "lower")] }) });
        return union;
      } catch { /* this kernel's has no such option, or does not stand on this file system */ } finally { await unmountAll(target); }
    }
    return undefined;
  } finally { rmSync(dir, { recursive: true, force: true }); }
}
