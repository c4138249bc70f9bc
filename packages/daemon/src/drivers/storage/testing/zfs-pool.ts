import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { findProgram } from "../../../kernel/spawn.js";

/** zfs-fuse 0.7 at times spins for ever under several clients at once; OpenZFS, in the VM, does not. */
const FUSE_IS_ASKED_FOR = "zfs-fuse hangs at times: STRATA_TEST_ZFS_FUSE=1 asks for it; OpenZFS runs in the VM";

/**
 * A file system of ZFS for tests: `STRATA_TEST_ZPOOL` where there is one (a guest with OpenZFS), else in a pool on a
 * file, served by a zfs-fuse of ours. It shares our mount namespace, or its mounts would not be seen here, and dies with us.
 */
export class ZfsPool {
  private readonly prepared = process.env["STRATA_TEST_ZPOOL"];
  private readonly folder = mkdtempSync(join(tmpdir(), "strata-zfs-"));
  /** In memory where that can be: zfs-fuse waits for its disk at every step. */
  private readonly image = join(existsSync("/dev/shm") ? "/dev/shm" : this.folder, `strata-zfs-${process.pid}`);
  private server: ChildProcess | undefined;
  readonly fsname = this.prepared ?? "stratatest/here";

  /** Why this machine cannot have one. */
  static unable(): string | undefined {
    if (process.getuid?.() !== 0) return "needs root: mounts";
    if (process.env["STRATA_TEST_ZPOOL"] !== undefined) return undefined;
    if (process.env["STRATA_TEST_ZFS_FUSE"] !== "1") return FUSE_IS_ASKED_FOR;
    for (const program of ["zfs-fuse", "zfs", "zpool", "setpriv"]) if (findProgram(program) === undefined) return `${program} is not installed (Debian: zfs-fuse), and STRATA_TEST_ZPOOL names no file system of OpenZFS`;
    return answers() ? "a ZFS that is not ours runs here: name a file system for tests in STRATA_TEST_ZPOOL" : undefined;
  }

  async start(): Promise<void> {
    if (this.prepared !== undefined) return;
    for (const folder of ["/run/zfs", "/run/lock/zfs", "/var/lib/zfs"]) mkdirSync(folder, { recursive: true });
    this.server = spawn("setpriv", ["--pdeathsig", "KILL", process.execPath, join(__dirname, "zfs-fuse-server.js")], { stdio: "ignore" });
    for (const end = Date.now() + 10_000; !answers(); await pause(50)) if (Date.now() > end) throw new Error("zfs-fuse does not answer");
    execFileSync("truncate", ["-s", "2G", this.image]);
    // At times it makes what it then cannot mount at once, without a reason.
    mountedAtLast("stratatest", () => execFileSync("zpool", ["create", "-o", "cachefile=none", "-m", join(this.folder, "pool"), "stratatest", this.image], { stdio: "pipe" }));
    mountedAtLast(this.fsname, () => this.zfs("create", this.fsname));
  }

  /** What `zfs` prints, by lines. */
  zfs(...args: string[]): string[] { return execFileSync("zfs", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).split("\n").slice(0, -1); }
  /** Datasets and snapshots of the file system, without its own name. */
  all(): string[] { return this.zfs("list", "-H", "-o", "name", "-t", "filesystem,snapshot", "-r", this.fsname).slice(1).map((name) => name.slice(this.fsname.length + 1)).sort(); }
  get inKernel(): boolean { return this.prepared !== undefined; }
  /** Where it is mounted. */
  get mounted(): string { return this.zfs("get", "-H", "-o", "value", "mountpoint", this.fsname)[0]!; }

  async stop(): Promise<void> {
    if (this.server !== undefined) {
      // The pool goes with its file, and what zfs-fuse leaves mounted is dead.
      const server = this.server, ended = new Promise((over) => server.once("exit", over));
      server.kill("SIGTERM");
      const killing = setTimeout(() => server.kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(killing);
      if (mountsBelow(this.folder).length > 0) execFileSync("umount", ["-l", join(this.folder, "pool")]);
    }
    for (const path of [this.folder, this.image]) rmSync(path, { recursive: true, force: true });
  }
}

function mountedAtLast(dataset: string, make: () => void): void {
  try { make(); }
  catch (error) {
    if (!/cannot mount/.test((error as Error).message)) throw error;
    execFileSync("zfs", ["mount", dataset], { stdio: "pipe" });
  }
}

function answers(): boolean {
  try { execFileSync("zfs", ["list"], { stdio: "ignore" }); return true; } catch { return false; }
}
