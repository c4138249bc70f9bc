import { closeSync, fstatSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../archive/workers/pool.js";
import { silentLogger } from "../../core/logger.js";
import type { StorageOptions } from "../../core/storage.js";
import { countedBytes, createSubvolume, deleteSubvolume, isBtrfs, isSubvolume, limitSubvolume, ownUsage } from "../../kernel/btrfs.js";
import { btrfsDriver } from "./btrfs.js";
import { storageConformance, type Subject } from "./conformance.js";
import { LoopBtrfs } from "./testing/loop-btrfs.js";
import { noise, Rig } from "./testing/rig.js";

const unable = LoopBtrfs.unable();
let disk: LoopBtrfs;
if (unable === undefined) {
  beforeAll(() => { disk = new LoopBtrfs(); });
  afterAll(() => {
    try { expect(disk.subvolumes()).toEqual([]); }
    finally { disk.destroy(); }
  });
}

const subject = (options: StorageOptions = new Map()) => (dataRoot: string, workers: WorkerPool): Subject => {
  const root = join(dataRoot, "btrfs");
  const driver = btrfsDriver({ root, trash: join(dataRoot, "trash"), workers, options, report: () => undefined, logger: silentLogger });
  mkdirSync(join(root, "split"));
  const tree = (id: string): string => join(root, "subvolumes", id);
  const subvolume = (path: string): void => { execFileSync("btrfs", ["subvolume", "create", path], { stdio: "pipe" }); };
  return {
    driver,
    // To be damaged, so no longer read-only.
    tree: (id) => { execFileSync("btrfs", ["property", "set", "-ts", tree(id), "ro", "false"]); return tree(id); },
    crashes: [
      (id) => subvolume(tree(id)),
      (id) => mkdirSync(join(tree(id), "d"), { recursive: true }),
      (id) => writeFileSync(join(root, "split", `${id}.gz`), ""),
      (id) => { subvolume(tree(id)); writeFileSync(join(tree(id), "f"), "x"); mkdirSync(join(root, "split", `${id}.gz.kept`)); writeFileSync(join(root, "split", `${id}.gz.next`), ""); },
      (id) => { subvolume(tree(id)); execFileSync("btrfs", ["property", "set", "-ts", tree(id), "ro", "true"]); },
    ],
  };
};

storageConformance("btrfs", subject(), () => unable, () => disk.mounted);

(unable === undefined ? describe : describe.skip)(`btrfs${unable === undefined ? "" : ` (skipped: ${unable})`}`, () => {
  let workers: WorkerPool, rig: Rig;
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  beforeEach(() => { rig = new Rig(subject(new Map([["btrfs.min_space", "10m"]])), workers, disk.mounted); });
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });
  const MiB = 1 << 20;
  const treeOf = (id: string): string => join(rig.dataRoot, "btrfs/subvolumes", id);
  const limited = async (size: number, parents = [] as Parameters<typeof rig.create>[0]): Promise<string> => {
    const id = rig.id();
    await rig.driver.create(id, parents, { size });
    return treeOf(id);
  };
  const EDQUOT = 122;
  /** How many MiB can be written until the limit is reached. */
  const fill = (path: string, most: number): number => {
    const fd = openSync(path, "w"), block = noise(MiB);
    try {
      for (let done = 0; done < most; done++) {
        try { writeSync(fd, block); }
        catch (error) {
          // Node has no name for it.
          expect((error as NodeJS.ErrnoException).errno).toBe(-EDQUOT);
          return done;
        }
      }
      return most;
    } finally { closeSync(fd); }
  };
  const expectAbout = (done: number, wanted: number): void => { expect(done).toBeGreaterThanOrEqual(wanted - 1); expect(done).toBeLessThanOrEqual(wanted); };

  test("layers and containers are subvolumes, layers cannot be written to", async () => {
    const chain = await rig.create(await rig.chain([{ name: "a", content: "1" }], [{ name: "b" }]));
    for (const id of chain) expect(isSubvolume(treeOf(id))).toBe(true);
    expect(() => writeFileSync(join(treeOf(chain[1]!), "x"), "")).toThrow("EROFS");
    writeFileSync(join(treeOf(chain[0]!), "x"), "");
    expect(rig.driver.describe(chain[0]!, chain.slice(1))).toEqual({});
  });

  test("only on btrfs", () => {
    const elsewhere = tmpdir();
    if (isBtrfs(elsewhere)) return;
    expect(() => subject()(elsewhere, workers)).toThrow("does not lie on btrfs");
    rmSync(join(elsewhere, "btrfs"), { recursive: true });
  });

  test("usage is what a snapshot adds, whoever else shares it", async () => {
    const chain = await rig.chain([{ name: "big", content: noise(5_000_000) }, { name: "small", content: "1" }]);
    const upper = await rig.apply([{ name: "more", content: noise(1_000_000) }], chain);
    const base = await rig.driver.usage(chain[0]!, []), top = await rig.driver.usage(upper.id, chain);
    expect(base.bytes).toBeGreaterThanOrEqual(5_000_000);
    expect(base.bytes).toBeLessThan(5_100_000);
    expect(top.bytes).toBeGreaterThanOrEqual(1_000_000);
    expect(top.bytes).toBeLessThan(1_100_000);
    // The file and the split file.
    expect(top.inodes).toBe(2);
  });

  test("a limit counts what the container writes, not what its image holds", async () => {
    const chain = await rig.chain([{ name: "big", content: noise(30 * MiB) }]);
    const tree = await limited(20 * MiB, chain);
    expectAbout(fill(join(tree, "f"), 40), 20);
    rmSync(join(tree, "f"));
    disk.btrfs("filesystem", "sync", disk.mounted);
    expect(fill(join(tree, "g"), 10)).toBe(10);
    expect(await rig.driver.status()).toEqual([["Btrfs", ""], ["Quota", "enabled"]]);
  });

  test("limits have a smallest value, which can change", async () => {
    await expect(limited(5 * MiB)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("btrfs.min_space") });
    expect(await rig.list()).toEqual([]);
    await expect(rig.driver.reconfigure(new Map([["btrfs.min_space", "much"]]))).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(limited(5 * MiB)).rejects.toThrow("btrfs.min_space");
    await rig.driver.reconfigure(new Map([["btrfs.min_space", "1m"]]));
    expectAbout(fill(join(await limited(5 * MiB), "f"), 10), 5);
  });

  test("counters go with their subvolumes", async () => {
    await limited(20 * MiB);
    expect(disk.counters()).toHaveLength(1);
    for (const id of await rig.list()) await rig.driver.remove(id);
    await rig.driver.drainTrash();
    expect(disk.counters()).toEqual([]);
    expect(disk.subvolumes()).toEqual([]);
  });

  test("subvolumes that a container made go with it, read-only ones, too, and count", async () => {
    const [id] = await rig.create(await rig.chain([{ name: "d/" }, { name: "f", content: "x" }]));
    const tree = treeOf(id!);
    for (const path of ["d/one", "d/one/two", "d/one/two/three"]) disk.btrfs("subvolume", "create", join(tree, path));
    mkdirSync(join(tree, "d/one/two/deep/er"), { recursive: true });
    disk.btrfs("subvolume", "snapshot", tree, join(tree, "d/one/two/deep/er/copy"));
    writeFileSync(join(tree, "d/one/two/three/f"), noise(200_000));
    disk.btrfs("property", "set", "-ts", join(tree, "d/one/two"), "ro", "true");
    disk.btrfs("filesystem", "sync", disk.mounted);
    expect((await ownUsage(tree)).bytes).toBeGreaterThanOrEqual(200_000);
    const fd = openSync(join(tree, "d/one/two/three/f"), "r");
    try {
      await rig.driver.remove(id!);
      expect(statSync(tree, { throwIfNoEntry: false })).toBeUndefined();
      expect(fstatSync(fd).size).toBe(200_000);
    } finally { closeSync(fd); }
    await rig.driver.drainTrash();
    expect(disk.subvolumes()).toHaveLength(1);
  });

  describe("kernel/btrfs.ts", () => {
    test("a plain directory is no subvolume, and nothing is done to what holds it", async () => {
      const other = join(rig.dataRoot, "other"), plain = join(rig.dataRoot, "plain");
      await createSubvolume(other);
      mkdirSync(plain);
      expect([isSubvolume(other), isSubvolume(plain), isSubvolume(join(rig.dataRoot, "nothing")), isSubvolume(tmpdir())]).toEqual([true, false, false, false]);
      for (const act of [deleteSubvolume, ownUsage, countedBytes]) await expect(act(plain)).rejects.toThrow("not a subvolume");
      await expect(limitSubvolume(plain, MiB, 1000)).rejects.toThrow("not a subvolume");
      expect(isSubvolume(other)).toBe(true);
      expect(await deleteSubvolume(other)).toHaveLength(1);
      expect(await deleteSubvolume(other)).toEqual([]);
      rmSync(plain, { recursive: true });
    });
    test("limits change and are lifted; what is counted", async () => {
      const path = join(rig.dataRoot, "v");
      await createSubvolume(path);
      expect(await limitSubvolume(path, 5 * MiB, 10_000)).toBe(true);
      expectAbout(fill(join(path, "f"), 20), 5);
      await limitSubvolume(path, 10 * MiB, 10_000);
      expect(fill(join(path, "g"), 20)).toBeLessThan(10);
      disk.btrfs("filesystem", "sync", path);
      expect((await countedBytes(path))?.exclusive).toBeGreaterThan(8 * MiB);
      await limitSubvolume(path, undefined, 10_000);
      expect(fill(join(path, "h"), 20)).toBe(20);
      await deleteSubvolume(path);
    });
  });
});
