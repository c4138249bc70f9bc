import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../../archive/workers/pool.js";
import { silentLogger } from "../../../core/logger.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { StorageOptions } from "../../../core/storage.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { storageConformance, type Subject } from "../conformance.js";
import type { DriverSetup } from "../setup.js";
import { noise, Rig } from "../testing/rig.js";
import { ZfsPool } from "../testing/zfs-pool.js";
import { openZfs, zfsDriver } from "./driver.js";

const unable = ZfsPool.unable();
let pool: ZfsPool;
if (unable === undefined) {
  beforeAll(async () => { pool = new ZfsPool(); await pool.start(); });
  afterAll(async () => {
    try { expect(pool.all()).toEqual([]); }
    finally { await pool.stop(); }
  });
}

const setup = (dataRoot: string, workers: WorkerPool, options: StorageOptions = new Map([["zfs.fsname", pool.fsname]])): DriverSetup =>
  ({ root: join(dataRoot, "zfs"), trash: join(dataRoot, "trash"), workers, options, report: () => undefined, logger: silentLogger });

const subject = (dataRoot: string, workers: WorkerPool): Subject => {
  const mine = setup(dataRoot, workers), { root } = mine, mark = "0123456789abcdef";
  for (const folder of ["graph", "split"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "fsname"), `${pool.fsname}\n${mark}\n`);
  const folder = (id: string): string => join(root, "graph", id), dataset = (id: string): string => `${pool.fsname}/${id}`;
  const create = (id: string): void => { pool.zfs("create", ...(pool.inKernel ? ["-o", "mountpoint=legacy"] : ["-o", `mountpoint=${folder(id)}`, "-o", "canmount=noauto"]), "-o", `strata:root=${mark}`, dataset(id)); };
  const mount = (id: string): void => {
    if (mountsBelow(folder(id)).length > 0) return;
    execFileSync(pool.inKernel ? "mount" : "zfs", pool.inKernel ? ["-t", "zfs", dataset(id), folder(id)] : ["mount", dataset(id)]);
  };
  return {
    driver: zfsDriver(mine),
    // zfs-fuse takes higher ones for numbers of Windows.
    ...(pool.inKernel ? {} : { highestOwner: 2 ** 31 - 1 }),
    // To be damaged, so it has to be seen.
    tree: (id) => { mount(id); return folder(id); },
    crashes: [
      (id) => mkdirSync(folder(id)),
      (id) => create(id),
      (id) => { mkdirSync(folder(id)); create(id); writeFileSync(join(root, "split", `${id}.gz`), ""); },
      (id) => { mkdirSync(folder(id)); create(id); mount(id); writeFileSync(join(folder(id), "f"), "x"); mkdirSync(join(root, "split", `${id}.gz.kept`)); },
      (id) => { mkdirSync(folder(id)); create(id); pool.zfs("snapshot", `${dataset(id)}@layer`); },
    ],
  };
};

storageConformance("zfs", subject, () => unable);

(unable === undefined ? describe : describe.skip)(`zfs${unable === undefined ? "" : ` (skipped: ${unable})`}`, () => {
  let workers: WorkerPool, rig: Rig;
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  beforeEach(() => { rig = new Rig(subject, workers); });
  afterEach(async () => {
    try {
      expect(await rig.leftovers()).toEqual([]);
      expect(pool.all()).toEqual([]);
    } finally { await rig.destroy(); }
  });
  const root = (): string => join(rig.dataRoot, "zfs");
  const read = (chain: readonly SnapshotId[], name: string): Promise<string> => rig.view(chain, (path) => readFileSync(join(path, name), "utf8"));

  test("snapshots are datasets and clones, mounted while they are used", async () => {
    const [top, base] = await rig.chain([{ name: "a", content: "1" }], [{ name: "b" }]);
    expect(pool.all()).toEqual([base, `${base}@layer`, top, `${top}@layer`].sort());
    expect(pool.zfs("get", "-H", "-o", "value", "origin", `${pool.fsname}/${top}`)).toEqual([`${pool.fsname}/${base}@layer`]);
    expect(rig.driver.describe(top!, [base!])).toEqual({ Dataset: `${pool.fsname}/${top}`, Mountpoint: join(root(), "graph", top!) });
    expect(mountsBelow(rig.dataRoot)).toEqual([]);
    const held = await Promise.all([rig.driver.tar(top!, [base!]), rig.driver.tar(top!, [base!])]);
    for (const stream of held) stream.resume();
    await Promise.all(held.map((stream) => new Promise((over) => stream.once("close", over))));
    for (let tries = 0; mountsBelow(rig.dataRoot).length > 0 && tries < 100; tries++) await new Promise((later) => setTimeout(later, 20));
    expect(mountsBelow(rig.dataRoot)).toEqual([]);
  });

  test("work on a container's tree leaves its mount alone, and the other way round", async () => {
    const chain = await rig.create(await rig.chain([{ name: "a", content: "1" }]));
    await rig.view(chain, async (path) => {
      writeFileSync(join(path, "b"), "2");
      expect(await rig.changes(chain)).toEqual(["A /b"]);
      expect((await rig.driver.usage(chain[0]!, chain.slice(1))).size).toBe(1);
      expect(readFileSync(join(path, "a"), "utf8")).toBe("1");
    }, "rw");
    expect(mountsBelow(rig.dataRoot)).toEqual([]);
  });

  test("what others are clones of goes with the last of them, and is out of sight at once", async () => {
    const layers = await rig.chain([{ name: "a", content: "1" }], [{ name: "b", content: "2" }], [{ name: "c", content: "3" }]);
    const chain = await rig.create(layers);
    for (const id of [...layers].reverse()) await rig.driver.remove(id);
    expect(await rig.list()).toEqual([chain[0]]);
    expect(await read(chain, "a")).toBe("1");
    await rig.driver.drainTrash();
    expect(pool.zfs("list", "-H", "-o", "name", "-r", "-t", "filesystem", pool.fsname)).toHaveLength(5);
    await rig.driver.remove(chain[0]!);
    expect(await rig.list()).toEqual([]);
    await rig.driver.drainTrash();
    expect(pool.all()).toEqual([]);
  });

  test("a whole family removed at the same time", async () => {
    const layers = await rig.chain(...Array.from({ length: 6 }, (_, i) => [{ name: `f${i}`, content: "x" }]));
    const chains = await Promise.all([layers, layers, layers.slice(2)].map((parents) => rig.create(parents)));
    await Promise.all([...layers, ...chains.map(([id]) => id!)].reverse().map((id) => rig.driver.remove(id)));
    expect(await rig.list()).toEqual([]);
    await rig.driver.drainTrash();
    expect(pool.all()).toEqual([]);
  });

  test("removed ones that a former process could not destroy go when they can; the next start knows where to look", async () => {
    const layers = await rig.chain([{ name: "a", content: "1" }]);
    const chain = await rig.create(layers);
    await rig.driver.remove(layers[0]!);
    await rig.driver.drainTrash();
    const next = await openZfs(setup(rig.dataRoot, workers, new Map()));
    const found: SnapshotId[] = [];
    for await (const id of next.list()) found.push(id);
    expect(found).toEqual([chain[0]]);
    expect(await read(chain, "a")).toBe("1");
    await next.remove(chain[0]!);
    await next.drainTrash();
    expect(pool.all()).toEqual([]);
    expect(existsSync(join(root(), "fsname"))).toBe(false);
  });

  test("datasets of others are neither listed nor removed", async () => {
    const foreign = rig.id();
    pool.zfs("create", ...(pool.inKernel ? ["-o", "mountpoint=legacy"] : []), `${pool.fsname}/${foreign}`);
    try {
      await rig.chain([{ name: "a" }]);
      expect(await rig.list()).toHaveLength(1);
      await rig.driver.remove(foreign);
      await expect(rig.driver.create(foreign, [])).rejects.toMatchObject({ code: "AlreadyExists" });
      expect(await rig.list()).toHaveLength(1);
      expect(pool.all()).toContain(foreign);
    } finally { pool.zfs("destroy", "-r", `${pool.fsname}/${foreign}`); }
  });

  test("another file system cannot be taken while there are snapshots", async () => {
    const [id] = await rig.chain([{ name: "a" }]);
    const elsewhere = setup(rig.dataRoot, workers, new Map([["zfs.fsname", `${pool.fsname}/other`]]));
    expect(() => zfsDriver(elsewhere)).toThrow(pool.fsname);
    await rig.driver.remove(id!);
    await expect(openZfs(elsewhere)).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining(`${pool.fsname}/other`) });
    expect(() => zfsDriver(setup(rig.dataRoot, workers, new Map([["zfs.fsname", "-r tank"]])))).toThrow("zfs.fsname");
  });

  test("without a name, the file system that the data root lies on, or a reason", async () => {
    const nowhere = setup(join(tmpdir(), "strata-no-zfs"), workers, new Map());
    await expect(openZfs(nowhere)).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("does not lie on ZFS") });
    rmSync(join(tmpdir(), "strata-no-zfs"), { recursive: true });
    if (pool.mounted === "legacy" || pool.mounted === "none") return;
    const there = setup(join(pool.mounted, "data"), workers, new Map());
    const driver = await openZfs(there);
    const id = rig.id();
    await driver.create(id, []);
    expect(pool.all()).toEqual([id]);
    await driver.remove(id);
    await driver.drainTrash();
    rmSync(join(pool.mounted, "data"), { recursive: true });
  });

  test("usage is what a snapshot adds, whoever else shares it", async () => {
    const chain = await rig.chain([{ name: "big", content: noise(5_000_000) }, { name: "small", content: "1" }]);
    const upper = await rig.apply([{ name: "more", content: noise(1_000_000) }], chain);
    const base = await rig.driver.usage(chain[0]!, []), top = await rig.driver.usage(upper.id, chain);
    expect(base.bytes).toBeGreaterThanOrEqual(5_000_000);
    expect(base.bytes).toBeLessThan(5_500_000);
    expect(top.bytes).toBeGreaterThanOrEqual(1_000_000);
    expect(top.bytes).toBeLessThan(1_500_000);
    expect(top).toMatchObject({ bytes: upper.applied.bytes, inodes: upper.applied.inodes });
  });

  test("a limit counts what the container writes, not what its image holds", async () => {
    const MiB = 1 << 20, EDQUOT = 122, id = rig.id();
    const layers = await rig.chain([{ name: "big", content: noise(30 * MiB) }]);
    await rig.driver.create(id, layers, { size: 20 * MiB });
    await rig.view([id, ...layers], (path) => {
      const fd = openSync(join(path, "f"), "w");
      let done = 0;
      try {
        for (; done < 60; done++) {
          try { writeSync(fd, noise(MiB)); }
          catch (error) { expect((error as NodeJS.ErrnoException).errno).toBe(-EDQUOT); break; }
        }
      } finally { closeSync(fd); }
      // ZFS counts when it writes out.
      expect(done).toBeGreaterThan(10);
      expect(done).toBeLessThan(60);
      expect(statfsSync(path).bavail).toBeLessThan(20 * MiB / statfsSync(path).bsize);
    }, "rw");
  });

  test("status", async () => {
    const status = Object.fromEntries(await rig.driver.status()) as Record<string, string>;
    expect(Object.keys(status)).toEqual(["Zpool", "Zpool Health", "Parent Dataset", "Space Used By Parent", "Space Available", "Parent Quota", "Compression"]);
    expect(status).toMatchObject({ "Zpool": pool.fsname.split("/")[0], "Zpool Health": "ONLINE", "Parent Dataset": pool.fsname, "Parent Quota": "no" });
    expect(Number(status["Space Available"])).toBeGreaterThan(1 << 20);
  });
});
