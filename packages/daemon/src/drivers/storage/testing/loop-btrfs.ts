import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { findProgram } from "../../../kernel/spawn.js";

/** A btrfs in a sparse file, mounted for as long as the tests run. */
export class LoopBtrfs {
  private readonly folder = mkdtempSync(join(tmpdir(), "strata-btrfs-"));
  readonly mounted = join(this.folder, "mnt");

  /** Why this machine cannot have one. */
  static unable(): string | undefined {
    if (process.getuid?.() !== 0) return "needs root: mounts";
    if (findProgram("mkfs.btrfs") === undefined) return "mkfs.btrfs is not installed (Debian: btrfs-progs)";
    try { new LoopBtrfs().destroy(); return undefined; }
    catch (error) { return `a btrfs in a file cannot be mounted here: ${(error as Error).message.trim()}`; }
  }

  constructor() {
    const image = join(this.folder, "image");
    try {
      mkdirSync(this.mounted);
      execFileSync("truncate", ["-s", "2G", image]);
      execFileSync("mkfs.btrfs", ["-q", "-f", image], { stdio: "pipe" });
      execFileSync("mount", ["-o", "loop", image, this.mounted], { stdio: "pipe" });
    } catch (error) {
      rmSync(this.folder, { recursive: true });
      throw error;
    }
  }

  /** What `btrfs` prints. */
  btrfs(...args: string[]): string { return execFileSync("btrfs", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }); }
  /** IDs of all subvolumes but the topmost. */
  subvolumes(): string[] { return [...this.btrfs("subvolume", "list", this.mounted).matchAll(/^ID (\d+)/gm)].map(([, id]) => id!); }
  /** IDs of subvolumes that quotas count or have counted. */
  counters(): string[] { return [...this.btrfs("qgroup", "show", this.mounted).matchAll(/^0\/(\d+)/gm)].map(([, id]) => id!).filter((id) => id !== "5"); }

  destroy(): void {
    execFileSync("umount", [this.mounted]);
    rmSync(this.folder, { recursive: true });
  }
}
