import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../../archive/workers/pool.js";
import type { SnapshotId } from "../../../core/ids.js";
import { silentLogger } from "../../../core/logger.js";
import type { StorageOptions } from "../../../core/storage.js";
import { probeProjectQuotas } from "../../../kernel/project-quota.js";
import { run } from "../../../kernel/spawn.js";
import { probeOverlay } from "../overlay/probe.js";
import type { DriverSetup } from "../setup.js";
import { noise, Rig } from "../testing/rig.js";
import { openOverlay2, Overlay2Driver } from "./overlay2.js";

const MB = 1 << 20;

/** What this machine's TMPDIR lacks for overlays, and for limits on them. */
const lacks = ((): { overlay: string | undefined; limits: string | undefined } => {
  if (process.getuid?.() !== 0) return { overlay: "needs root", limits: "needs root" };
  const dir = mkdtempSync(join(tmpdir(), "strata-quota-"));
  try {
    const overlay = probeOverlay(join(dir, "overlay2")), quota = probeProjectQuotas(dir);
    return { overlay: overlay.ok ? undefined : overlay.reason, limits: !overlay.ok ? overlay.reason : quota.ok ? undefined : quota.reason };
  } finally { rmSync(dir, { recursive: true }); }
})();
const suite = (name: string, reason: string | undefined, tests: () => void): void => (reason === undefined ? describe : describe.skip)(`${name}${reason === undefined ? "" : ` (skipped: ${reason})`}`, tests);

let workers: WorkerPool;
beforeAll(() => { workers = new WorkerPool(); });
afterAll(() => workers.close());
const setup = (dataRoot: string, options: StorageOptions = new Map()): DriverSetup => ({ root: join(dataRoot, "overlay2"), trash: join(dataRoot, "trash"), options, report: () => undefined, workers, logger: silentLogger });

/** Writes as containers do: without CAP_SYS_RESOURCE, which ext4 lets go beyond any limit. Whether all of it went in. */
async function write(file: string, megabytes: number): Promise<{ ok: boolean; words: string }> {
  const { code, stderr } = await run("setpriv", ["--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "dd", "if=/dev/zero", `of=${file}`, "bs=64k", `count=${megabytes * 16}`, "conv=fsync"], { allow: [0, 1] });
  return { ok: code === 0, words: stderr };
}
const FULL = /No space left on device|Disk quota exceeded/;
const projectOf = async (dir: string): Promise<string> => (await run("lsattr", ["-pd", dir])).stdout.trim().split(/\s+/)[0]!;

suite("overlay2 with limits", lacks.limits, () => {
  let rig: Rig;
  const begin = (options?: StorageOptions): void => {
    rig = new Rig((root) => {
      const overlay = probeOverlay(join(root, "overlay2"));
      if (!overlay.ok) throw new Error(overlay.reason);
      return { driver: new Overlay2Driver(setup(root, options), overlay.features, probeProjectQuotas(join(root, "overlay2"))), crashes: [], tree: (id) => join(root, "overlay2", id, "diff") };
    }, workers);
  };
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });
  const create = async (parents: readonly SnapshotId[], size?: number): Promise<SnapshotId[]> => {
    const id = rig.id();
    await rig.driver.create(id, parents, size === undefined ? {} : { size });
    return [id, ...parents];
  };
  const upper = (chain: readonly SnapshotId[]): string => rig.subject.tree(chain[0]!);

  test("a writer gets no further than the size, what it wrote stays, what it removes can be written again, and others are not touched", async () => {
    begin();
    const below = await rig.chain([{ name: "f", content: "f" }]);
    const [one, other] = [await create(below, 10 * MB), await create(below)];
    await rig.view(one, async (root) => {
      writeFileSync(join(root, "first"), "kept");
      const tried = await write(join(root, "big"), 30);
      expect(tried).toMatchObject({ ok: false, words: expect.stringMatching(FULL) });
      expect(statSync(join(root, "big")).size).toBeGreaterThan(8 * MB);
      expect(statSync(join(root, "big")).size).toBeLessThanOrEqual(10 * MB);
      expect(readFileSync(join(root, "first"), "utf8")).toBe("kept");
      unlinkSync(join(root, "big"));
      expect(await write(join(root, "again"), 8)).toMatchObject({ ok: true });
      const { blocks, bsize } = statfsSync(root);
      expect(blocks * bsize).toBe(10 * MB);
    }, "rw");
    await rig.view(other, async (root) => expect(await write(join(root, "big"), 30)).toMatchObject({ ok: true }), "rw");
  });

  test("a file of the layer below that is larger than the size is not copied up", async () => {
    begin();
    const chain = await create(await rig.chain([{ name: "large", content: noise(12 * MB) }]), 10 * MB);
    await rig.view(chain, async (root) => {
      const { code, stderr } = await run("setpriv", ["--bounding-set=-sys_resource", "--inh-caps=-sys_resource", "dd", "if=/dev/zero", `of=${join(root, "large")}`, "bs=1k", "count=1", "conv=notrunc"], { allow: [0, 1] });
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(FULL) });
      expect(statSync(join(root, "large")).size).toBe(12 * MB);
    }, "rw");
    expect(await rig.changes(chain)).toEqual([]);
  });

  test("renames, deletions and directories made anew work: the scratch directory has the same project", async () => {
    begin();
    const chain = await create(await rig.chain([{ name: "d/" }, { name: "d/a", content: "a" }, { name: "d/b", content: "b" }]), 10 * MB);
    await rig.view(chain, (root) => {
      renameSync(join(root, "d/a"), join(root, "moved"));
      unlinkSync(join(root, "d/b"));
      rmSync(join(root, "d"), { recursive: true });
      mkdirSync(join(root, "d"));
      writeFileSync(join(root, "d/new"), "n");
    }, "rw");
    expect(await rig.changes(chain)).toEqual(["C /d", "D /d/a", "D /d/b", "A /d/new", "A /moved"].sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1)));
    expect(await projectOf(upper(chain))).toBe(await projectOf(join(upper(chain), "../work")));
  });

  test("limits hold after a restart, nobody gets the project of another, and it is free with the snapshot", async () => {
    begin();
    const one = await create([], 10 * MB), two = await create([], 20 * MB);
    const projects = [await projectOf(upper(one)), await projectOf(upper(two))];
    expect(new Set(projects).size).toBe(2);
    const again = await openOverlay2(setup(rig.dataRoot));
    const id = rig.id();
    await again.create(id, [], { size: 5 * MB });
    expect(projects).not.toContain(await projectOf(upper([id])));
    await rig.view(one, async (root) => expect(await write(join(root, "big"), 12)).toMatchObject({ ok: false }), "rw");
    await rig.view(two, async (root) => expect(await write(join(root, "big"), 12)).toMatchObject({ ok: true }), "rw");
    await rig.driver.remove(one[0]!);
    await rig.driver.drainTrash();
    const third = await openOverlay2(setup(rig.dataRoot));
    const next = rig.id();
    await third.create(next, [], { size: 5 * MB });
    expect(await projectOf(upper([next]))).toBe(projects[0]);
    await rig.view([next], async (root) => expect(await write(join(root, "big"), 4)).toMatchObject({ ok: true }), "rw");
  });

  test("overlay2.size is that of every container but one that asks for its own; it can be changed while running", async () => {
    begin(new Map([["overlay2.size", "10M"]]));
    const fits = async (chain: readonly SnapshotId[], megabytes: number): Promise<boolean> => rig.view(chain, async (root) => (await write(join(root, "big"), megabytes)).ok, "rw");
    expect(await fits(await create([]), 15)).toBe(false);
    expect(await fits(await create([], 20 * MB), 15)).toBe(true);
    await rig.driver.reconfigure(new Map([["overlay2.size", "30M"]]));
    expect(await fits(await create([]), 15)).toBe(true);
    await expect(rig.driver.reconfigure(new Map([["overlay2.size", "much"]]))).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("overlay2.size") });
    expect(await fits(await create([]), 35)).toBe(false);
  });
});

suite("overlay2 without limits", lacks.overlay ?? (lacks.limits === undefined ? "TMPDIR has project quotas" : undefined), () => {
  let dataRoot: string;
  beforeEach(() => { dataRoot = mkdtempSync(join(tmpdir(), "strata-quota-")); });
  afterEach(() => { rmSync(dataRoot, { recursive: true }); });

  test("a size is refused with the reason, and nothing is left", async () => {
    const driver = await openOverlay2(setup(dataRoot));
    await expect(driver.create("sized" as SnapshotId, [], { size: 10 * MB })).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(/overlay2 cannot limit.*(quota|project)/) });
    await driver.drainTrash();
    expect(readdirSync(join(dataRoot, "overlay2"))).toEqual(["l"]);
    expect(readdirSync(join(dataRoot, "overlay2/l"))).toEqual([]);
    expect(existsSync(join(dataRoot, "trash")) ? readdirSync(join(dataRoot, "trash")) : []).toEqual([]);
  });
  test("overlay2.size is refused at the start", async () => {
    await expect(openOverlay2(setup(dataRoot, new Map([["overlay2.size", "10G"]])))).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(/^storage-opt overlay2\.size: .*(quota|project)/) });
  });
});
