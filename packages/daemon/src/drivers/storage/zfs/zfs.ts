import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { AlreadyExists, messageOf, NotFound, Unavailable } from "../../../core/errors.js";
import { unmount } from "../../../kernel/mount.js";
import { findProgram, run } from "../../../kernel/spawn.js";

/** A file system of ZFS as `Zfs.tree` tells it. */
export interface Dataset {
  readonly name: string;
  /** The snapshot that it is a clone of. */
  readonly origin: string | undefined;
  /** The property that was asked for, if it is the dataset's own. */
  readonly mark: string | undefined;
}

/** What calls answer that can be tried again shortly: zfs-fuse lets go of a mount a while after it was taken down. */
const BUSY = /busy/;
const PATIENCE = 2000;
/** How long zfs-fuse takes to notice that a mount is gone, in milliseconds. */
const NOTICE = 30;

/** `zfs` and `zpool`: a verb is a method. Errors have the programs' words; AlreadyExists and NotFound are told apart. */
export class Zfs {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly zfs: string, private readonly zpool: string, /** The kernel's, or zfs-fuse's. */ readonly inKernel: boolean) {}

  /** Unavailable when the programs are not there. */
  static find(): Zfs {
    const zfs = findProgram("zfs"), zpool = findProgram("zpool");
    if (zfs === undefined || zpool === undefined) throw new Unavailable("the programs zfs and zpool are not installed (Debian: zfsutils-linux, or zfs-fuse)");
    return new Zfs(zfs, zpool, /^nodev\s+zfs$/m.test(readFileSync("/proc/filesystems", "utf8")));
  }

  async create(name: string, properties: Readonly<Record<string, string>>): Promise<void> { await this.call("create", ...settings(properties), name); }
  async clone(snapshot: string, name: string, properties: Readonly<Record<string, string>>): Promise<void> { await this.call("clone", ...settings(properties), snapshot, name); }
  /** There already is success. */
  async snapshot(name: string): Promise<void> {
    try { await this.call("snapshot", name); }
    catch (error) { if (!(error instanceof AlreadyExists)) throw error; }
  }
  async set(name: string, property: string, value: string): Promise<void> { await this.call("set", `${property}=${value}`, name); }
  /** With what lies below it and its snapshots. Absent is success. */
  async destroy(name: string): Promise<void> {
    try { await this.call("destroy", "-r", name); }
    catch (error) { if (!(error instanceof NotFound)) throw error; }
  }
  /** Mounts on its own mountpoint. Mounted already is success. */
  async mount(name: string): Promise<void> {
    for (const end = Date.now() + PATIENCE; ; await pause(20)) {
      try { await this.call("mount", name); return; }
      catch (error) {
        if (/already mounted/.test(messageOf(error))) return;
        if (!BUSY.test(messageOf(error)) || Date.now() > end) throw error;
      }
    }
  }
  /** Takes every mount off a directory. */
  async unmount(target: string): Promise<void> {
    while (await this.inTurn(async () => {
      const was = await unmount(target);
      if (was && !this.inKernel) await pause(NOTICE);
      return was;
    }));
  }

  /** Values as numbers or words, in the order asked for. */
  async get(name: string, ...properties: string[]): Promise<string[]> {
    const found = new Map((await this.call("get", "-Hp", "-o", "property,value", properties.join(","), name)).map(([property, value]) => [property, value]));
    return properties.map((property) => found.get(property) ?? "-");
  }
  /** The file systems directly below one. */
  async below(name: string, property: string): Promise<Dataset[]> {
    const found = new Map<string, Dataset>();
    for (const [dataset, key, value, source] of await this.call("get", "-Hp", "-r", "-d", "1", "-o", "name,property,value,source", `origin,${property}`, name)) {
      if (dataset === undefined || dataset === name || dataset.includes("@")) continue;
      const known = found.get(dataset) ?? { name: dataset, origin: undefined, mark: undefined };
      if (key === "origin" && value !== "-" && value !== "") found.set(dataset, { ...known, origin: value });
      else if (key === property && source === "local") found.set(dataset, { ...known, mark: value });
      else found.set(dataset, known);
    }
    return [...found.values()];
  }
  /** ONLINE, DEGRADED, … */
  async health(pool: string): Promise<string> {
    return (await this.inTurn(() => run(this.zpool, ["list", "-H", "-o", "health", pool], { env: WORDS }))).stdout.trim();
  }

  /** Lines of fields. */
  private async call(...args: string[]): Promise<string[][]> {
    try {
      const { stdout } = await this.inTurn(() => run(this.zfs, args, { env: WORDS }));
      return stdout.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
    } catch (error) {
      const words = messageOf(error);
      if (/already exists/.test(words)) throw new AlreadyExists(words, { cause: error });
      if (/does not exist/.test(words)) throw new NotFound(words, { cause: error });
      throw error;
    }
  }

  /**
   * zfs-fuse closes the descriptor of a mount that is gone twice: what it opens in between (for a new mount, for a
   * command) is closed under it, and hangs. So it never gets two things to do at the same time.
   */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.inKernel) return work();
    const turn = this.last.catch(() => undefined).then(work);
    this.last = turn;
    return turn;
  }
}

const WORDS = { ...process.env, LC_ALL: "C" };
const settings = (properties: Readonly<Record<string, string>>): string[] => Object.entries(properties).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
