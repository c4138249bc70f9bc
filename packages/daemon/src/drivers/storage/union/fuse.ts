import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgument, messageOf, Unavailable } from "../../../core/errors.js";
import type { Mount } from "../../../core/storage.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import { findProgram } from "../../../kernel/spawn.js";
import type { Union } from "./union.js";

/** One argument of a program: the kernel's MAX_ARG_STRLEN, the NUL included. */
const LONGEST = 131_072;
/** Makes it mark deletions as AUFS does, by files, and not by devices. */
const env = { FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT: "y" };

/** The program fuse-overlayfs, which stacks directories without the kernel's overlayfs. */
export class FuseOverlayfs implements Union {
  constructor(private readonly program: string, private readonly volatile: boolean) {}

  readOnly(lowers: readonly string[]): readonly Mount[] { return [this.mount(["ro", ["lowerdir", lowers.join(":")]])]; }
  writable({ upper, work, lowers }: { readonly upper: string; readonly work: string; readonly lowers: readonly string[] }, volatile: boolean): readonly Mount[] {
    return [this.mount([["lowerdir", lowers.join(":")], ["upperdir", upper], ["workdir", work], ...(volatile && this.volatile ? ["volatile"] : [])])];
  }

  /**
   * libfuse would forbid devices and set-user-ID programs. Without `writeback=0` the kernel keeps what was written, and
   * the times of it, to itself for a while: what the upper directory then gets are other times.
   */
  private mount(options: Mount["options"]): Mount {
    const all: Mount["options"] = ["dev", "suid", ["writeback", "0"], ...options];
    const length = all.reduce((sum, option) => sum + 2 + Buffer.byteLength(typeof option === "string" ? option : option.join("")), 0);
    if (length > LONGEST) throw new InvalidArgument("more layers than fuse-overlayfs can be told of: their paths exceed 128 KiB");
    return { type: "fuse.fuse-overlayfs", source: "fuse-overlayfs", options: all, helper: { path: this.program, env } };
  }
}

/** Mounts a tiny tree below `root` (made if missing) and looks whether it does what the drivers need. Unavailable says why it does not. */
export async function probeFuseOverlayfs(root: string, program = findProgram("fuse-overlayfs")): Promise<FuseOverlayfs> {
  if (program === undefined) throw new Unavailable("the program fuse-overlayfs is not installed (Debian, Ubuntu, Fedora, Alpine: package fuse-overlayfs)");
  if (!existsSync("/dev/fuse")) throw new Unavailable("there is no /dev/fuse: this kernel has no FUSE (modprobe fuse), or the container that the daemon runs in was not given the device");
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(join(root, "probe-"));
  const at = (name: string): string => join(dir, name);
  const mounted = async <T>(union: FuseOverlayfs, use: () => T): Promise<T> => {
    try {
      await mountPlan({ target: at("merged"), mounts: union.writable({ upper: at("upper"), work: at("work"), lowers: [at("low1"), at("low2")] }, true) });
      return use();
    } finally { await unmountAll(at("merged")); }
  };
  try {
    for (const name of ["low1", "low2", "upper", "work", "merged"]) mkdirSync(at(name));
    writeFileSync(at("low1/.wh.hidden"), "");
    for (const name of ["hidden", "deleted"]) writeFileSync(at(`low2/${name}`), "");
    const plain = new FuseOverlayfs(program, false);
    await mounted(plain, () => {
      const shown = readdirSync(at("merged")).join(" ");
      if (shown !== "deleted") throw new Error(`it does not understand whiteouts: shows "${shown}"`);
      rmSync(at("merged/deleted"));
      writeFileSync(at("merged/new"), "x");
    });
    const written = readdirSync(at("upper")).sort().join(" ");
    if (written !== ".wh.deleted new" || readFileSync(at("upper/new"), "utf8") !== "x") throw new Error(`it does not write AUFS's whiteouts: left "${written}"`);
    const volatile = await mounted(new FuseOverlayfs(program, true), () => true).catch(() => false);
    return new FuseOverlayfs(program, volatile);
  } catch (error) {
    throw new Unavailable(`fuse-overlayfs at ${root}: ${messageOf(error)}`, { cause: error });
  } finally { rmSync(dir, { recursive: true, force: true }); }
}
