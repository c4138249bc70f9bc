import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../archive/workers/pool.js";
import { silentLogger } from "../../core/logger.js";
import type { VolumeLimits } from "../../core/volumes.js";
import { mountOne, unmountSync } from "../../kernel/mount.js";
import { KernelMounter } from "../../kernel/mounter.js";
import { probeProjectQuotas } from "../../kernel/project-quota.js";
import { findProgram, run } from "../../kernel/spawn.js";
import { Trash } from "../../stores/trash.js";
import { openVolumeLimits } from "./limits.js";

const MB = 1 << 20;
const root = process.getuid?.() === 0;
const suite = (name: string, reason: string | undefined, tests: () => void): void => (reason === undefined ? describe : describe.skip)(`${name}${reason === undefined ? "" : ` (skipped: ${reason})`}`, tests);

/** Writes as containers do: without CAP_SYS_RESOURCE, which ext4 lets go beyond any limit. Whether all of it went in. */
async function write(file: string, megabytes: number): Promise<boolean> {
  const { code, stderr } = await run("setpriv", ["--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "dd", "if=/dev/zero", `of=${file}`, "bs=64k", `count=${megabytes * 16}`, "conv=fsync"], { allow: [0, 1] });
  if (code !== 0) expect(stderr).toMatch(/No space left on device|Disk quota exceeded/);
  return code === 0;
}

let workers: WorkerPool;
beforeAll(() => { workers = new WorkerPool({ size: 1 }); });
afterAll(() => workers.close());

/** What holds wherever volumes are held to sizes; `folder` lies on the file system. */
function describeLimits(folder: () => string): void {
  let limits: VolumeLimits, trash: Trash;
  const data = (name: string): string => join(folder(), "volumes", name, "_data");
  const apply = async (name: string, megabytes: number): Promise<string> => {
    mkdirSync(join(folder(), "volumes", name), { recursive: true });
    await limits.apply(data(name), megabytes * MB);
    return data(name);
  };
  const remove = async (name: string): Promise<void> => {
    await limits.release(data(name));
    await trash.discard(join(folder(), "volumes", name));
    await trash.drain();
  };
  beforeEach(() => {
    for (const name of ["volumes", "trash"]) mkdirSync(join(folder(), name), { recursive: true });
    limits = openVolumeLimits(join(folder(), "volumes"), workers);
    trash = new Trash(join(folder(), "trash"), new KernelMounter(), workers, silentLogger);
  });
  afterEach(async () => {
    for (const name of readdirSync(join(folder(), "volumes"))) await remove(name);
    expect(readdirSync(join(folder(), "trash"))).toEqual([]);
  });

  test("a volume takes no more than its size, keeps what is in it, and takes more when it grows", async () => {
    const one = await apply("one", 4), other = await apply("other", 16);
    expect(statSync(one).mode & 0o777).toBe(0o755);
    writeFileSync(join(one, "first"), "kept");
    expect(await write(join(one, "big"), 6)).toBe(false);
    expect(readFileSync(join(one, "first"), "utf8")).toBe("kept");
    expect(await write(join(other, "big"), 6)).toBe(true);
    await apply("one", 12);
    expect(await write(join(one, "big"), 6)).toBe(true);
    await apply("one", 2);
    expect(await write(join(one, "more"), 1)).toBe(false);
    expect(statSync(join(one, "big")).size).toBe(6 * MB);
    unlinkSync(join(one, "big"));
    await run("sync", ["-f", one]);
    expect(await write(join(one, "more"), 1)).toBe(true);
  });
  test("the size holds after a restart, and asking again changes nothing", async () => {
    const one = await apply("one", 4);
    writeFileSync(join(one, "first"), "kept");
    limits = openVolumeLimits(join(folder(), "volumes"), workers);
    await apply("one", 4);
    expect(readFileSync(join(one, "first"), "utf8")).toBe("kept");
    expect(await write(join(one, "big"), 6)).toBe(false);
  });
  test("removed with all that is in it; one of the same name begins anew", async () => {
    const one = await apply("one", 4);
    mkdirSync(join(one, "d/d"), { recursive: true });
    await write(join(one, "d/big"), 3);
    await remove("one");
    expect(existsSync(one)).toBe(false);
    expect(readdirSync(join(folder(), "trash"))).toEqual([]);
    await apply("one", 4);
    expect(await write(join(one, "big"), 3)).toBe(true);
  });
  test("to let go of what has no limit, or is not there, is success", async () => {
    mkdirSync(data("plain"), { recursive: true });
    await limits.release(data("plain"));
    await limits.release(data("none"));
    expect(await write(join(data("plain"), "big"), 15)).toBe(true);
  });
}

/** Why TMPDIR's file system holds no directory to a size. */
const noProjects = ((): string | undefined => {
  if (!root) return "needs root";
  const dir = mkdtempSync(join(tmpdir(), "strata-volumes-"));
  try { const probe = probeProjectQuotas(dir); return probe.ok ? undefined : probe.reason; } finally { rmSync(dir, { recursive: true }); }
})();

suite("volumes by project quota", noProjects, () => {
  let dir: string;
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-volumes-")); });
  afterEach(() => { rmSync(dir, { recursive: true }); });
  describe("hold", () => describeLimits(() => dir));

  const projectOf = async (path: string): Promise<string> => (await run("lsattr", ["-pd", path])).stdout.trim().split(/\s+/)[0]!;
  const at = (name: string): string => { mkdirSync(join(dir, "volumes", name), { recursive: true }); return join(dir, "volumes", name, "_data"); };

  test("one made without a size gets one, with what is in it", async () => {
    const limits = openVolumeLimits(join(dir, "volumes"), workers), one = at("one");
    mkdirSync(join(one, "d"), { recursive: true });
    expect(await write(join(one, "d/old"), 8)).toBe(true);
    await limits.apply(one, 10 * MB);
    expect(await write(join(one, "d/new"), 4)).toBe(false);
    expect(statSync(join(one, "d/old")).size).toBe(8 * MB);
  });
  test("a project is of one volume, and free with it", async () => {
    const limits = openVolumeLimits(join(dir, "volumes"), workers);
    const [one, two] = [at("one"), at("two")];
    for (const path of [one, two]) await limits.apply(path, MB);
    const project = await projectOf(one);
    expect(await projectOf(two)).not.toBe(project);
    await limits.release(one);
    rmSync(one, { recursive: true });
    const three = at("three");
    await openVolumeLimits(join(dir, "volumes"), workers).apply(three, MB);
    expect(await projectOf(three)).toBe(project);
  });
  test("a limit that was lost comes back", async () => {
    const limits = openVolumeLimits(join(dir, "volumes"), workers), one = at("one");
    await limits.apply(one, 10 * MB);
    await limits.release(one);
    expect(await write(join(one, "big"), 15)).toBe(true);
    unlinkSync(join(one, "big"));
    await limits.apply(one, 10 * MB);
    expect(await write(join(one, "big"), 15)).toBe(false);
  });
});

const noBtrfs = !root ? "needs root" : findProgram("mkfs.btrfs") === undefined || findProgram("btrfs") === undefined ? "btrfs-progs is not installed" : undefined;

suite("volumes on btrfs", noBtrfs, () => {
  let dir: string, mounted: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "strata-btrfs-"));
    mounted = join(dir, "mounted");
    mkdirSync(mounted);
    await run("truncate", ["-s", "512M", join(dir, "image")]);
    await run("mkfs.btrfs", ["-q", join(dir, "image")]);
    await run("mount", ["-o", "loop", join(dir, "image"), mounted]);
  });
  afterAll(() => { unmountSync(mounted); rmSync(dir, { recursive: true }); });
  describe("hold", () => describeLimits(() => mounted));

  const subvolumes = async (): Promise<number> => (await run("btrfs", ["subvolume", "list", mounted])).stdout.split("\n").filter((line) => line !== "").length;

  test("each is a subvolume, which goes with it, and with what others made in it", async () => {
    for (const name of ["volumes/one", "trash"]) mkdirSync(join(mounted, name), { recursive: true });
    const limits = openVolumeLimits(join(mounted, "volumes"), workers);
    const trash = new Trash(join(mounted, "trash"), new KernelMounter(), workers, silentLogger);
    const one = join(mounted, "volumes/one/_data");
    await limits.apply(one, 10 * MB);
    await run("btrfs", ["subvolume", "create", join(one, "nested")]);
    writeFileSync(join(one, "nested/f"), "f");
    expect(await subvolumes()).toBe(2);
    await trash.discard(join(mounted, "volumes/one"));
    await trash.drain();
    expect(readdirSync(join(mounted, "trash"))).toEqual([]);
    expect(await subvolumes()).toBe(0);
  });
  test("one made without a size gets none", async () => {
    mkdirSync(join(mounted, "volumes/one/_data"), { recursive: true });
    await expect(openVolumeLimits(join(mounted, "volumes"), workers).apply(join(mounted, "volumes/one/_data"), MB)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("made without one") });
  });
});

suite("volumes where nothing holds them to a size", root ? undefined : "needs root", () => {
  test("a size is refused with the reason", async () => {
    const dir = mkdtempSync(join(tmpdir(), "strata-volumes-"));
    try {
      mountOne({ type: "tmpfs", source: "tmpfs", options: [] }, dir);
      const limits = openVolumeLimits(dir, workers);
      await expect(limits.apply(join(dir, "v"), MB)).rejects.toMatchObject({ code: "InvalidArgument", message: `size: a volume cannot be held to a size here: the file system (tmpfs at ${dir}) has no project quotas; xfs and ext4 have them` });
      await limits.release(join(dir, "v"));
      expect(readdirSync(dir)).toEqual([]);
    } finally { unmountSync(dir); rmSync(dir, { recursive: true }); }
  });
});
