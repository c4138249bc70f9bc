import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DaemonOptions, unmountBelow } from "./daemon.js";
import { which } from "./needs.js";
import { ok, run, until } from "./run.js";

/** What storage drivers need of a data root: options of a daemon, and what is to be given back after its end. */
export interface Ground {
  readonly options: DaemonOptions;
  release(): Promise<void>;
}

/** In a daemon's folder: mounts there go with it. */
const grounds: Readonly<Record<string, (folder: string) => Promise<Ground>>> = {
  async btrfs(folder) {
    const [image, mounted] = [join(folder, "btrfs.img"), join(folder, "btrfs")];
    mkdirSync(mounted, { recursive: true });
    await ok("truncate", ["-s", "4G", image]);
    await ok("mkfs.btrfs", ["-q", "-f", image]);
    await ok("mount", ["-o", "loop", image, mounted]);
    return { options: { dataRoot: join(mounted, "data") }, release: () => unmountBelow(folder) };
  },
  async zfs() {
    const pool = await ZfsFusePool.start();
    return { options: { flags: ["--storage-opt", `zfs.fsname=${pool.fsname}`] }, release: () => pool.stop() };
  },
};

/** Ground for all of these drivers on one data root; throws with the reason why there is none. */
export async function groundFor(drivers: readonly string[], folder: string): Promise<Ground> {
  const all: Ground[] = [];
  const release = async (): Promise<void> => { for (const ground of all.reverse()) await ground.release(); };
  try {
    for (const name of drivers) if (grounds[name] !== undefined) all.push(await grounds[name](folder));
  } catch (e) {
    await release();
    throw e;
  }
  return { options: Object.assign({}, ...all.map(({ options }) => options)) as DaemonOptions, release };
}

/** A pool on a file, served by a zfs-fuse of ours. There can be one on a machine. */
class ZfsFusePool {
  private constructor(private readonly folder: string, private readonly pool: string, private readonly server: ChildProcess) {}
  get fsname(): string { return `${this.pool}/here`; }

  static async start(): Promise<ZfsFusePool> {
    // Its 0.7 at times spins for ever under several clients at once.
    if (process.env["STRATA_TEST_ZFS_FUSE"] !== "1") throw new Error("zfs-fuse hangs at times: STRATA_TEST_ZFS_FUSE=1 asks for it");
    for (const program of ["zfs-fuse", "zfs", "zpool", "setpriv"]) if (which(program) === undefined) throw new Error(`no ${program} on this machine`);
    const answers = (): boolean => spawnSync("zfs", ["list"], { stdio: "ignore" }).status === 0;
    if (answers()) throw new Error("a ZFS that is not ours runs on this machine");
    for (const folder of ["/run/zfs", "/run/lock/zfs", "/var/lib/zfs"]) mkdirSync(folder, { recursive: true });
    // It shares our mounts, or they would not be seen here, and dies with us.
    const server = spawn("setpriv", ["--pdeathsig", "KILL", "zfs-fuse", "--no-daemon", "--no-kstat-mount", "--enable-xattr", "-a", "1", "-e", "1"], { stdio: "ignore" });
    const pool = new ZfsFusePool(mkdtempSync(join(tmpdir(), "st-z")), `stratatest${process.pid}`, server);
    try {
      await until(() => answers() || undefined, 10_000, "zfs-fuse to answer", () => server.exitCode !== null);
      const vdev = join(pool.folder, "vdev");
      await ok("truncate", ["-s", "2G", vdev]);
      await ok("zpool", ["create", "-o", "cachefile=none", "-m", join(pool.folder, "pool"), pool.pool, vdev]);
      await ok("zfs", ["create", pool.fsname]);
    } catch (e) {
      await pool.stop();
      throw e;
    }
    return pool;
  }

  async stop(): Promise<void> {
    await run("zpool", ["destroy", "-f", this.pool]);
    if (this.server.exitCode === null && this.server.signalCode === null) {
      const ended = once(this.server, "exit");
      this.server.kill("SIGTERM");
      const limit = setTimeout(() => this.server.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(limit);
    }
    await unmountBelow(this.folder);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
