import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { WorkerPool } from "../../../archive/workers/pool.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { OpenedDriver } from "../../../core/storage.js";
import { dmInfo, dmNames, dmStatus } from "../../../kernel/device-mapper.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import { mountOf, mountsBelow } from "../../../kernel/mount-table.js";
import { noise, Rig } from "../testing/rig.js";
import { Layout } from "./layout.js";
import { devicesThere, ids, openOn, type Report, subjectOf, Template, whyNot } from "./testing/bench.js";

const reason = whyNot();
const MIB = 2 ** 20, GIB = 2 ** 30;
const SMALL = { "dm.loopdatasize": "160M", "dm.loopmetadatasize": "16M", "dm.basesize": "512M", "dm.min_free_space": "0%" };
jest.setTimeout(300_000);
const TIMEOUT = "/sys/module/dm_thin_pool/parameters/no_space_timeout";

(reason === undefined ? describe : describe.skip)(`devicemapper on loop devices${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  let workers: WorkerPool, template: Template, rig: Rig, root: string, layout: Layout, reports: Report[], before: string[], opened: OpenedDriver[];
  beforeAll(async () => { workers = new WorkerPool({ idleMs: 60_000 }); template = await Template.make(workers, SMALL); });
  afterAll(async () => { template.forget(); await workers.close(); });
  beforeEach(async () => {
    before = devicesThere();
    reports = [];
    opened = [];
    rig = await Rig.open(async (dataRoot) => { template.lay(dataRoot); return subjectOf(await openOn(dataRoot, workers, SMALL, reports), dataRoot); }, workers);
    root = join(rig.dataRoot, "devicemapper");
    layout = new Layout(root);
  });
  afterEach(async () => {
    // Of several daemons the last one has the pool.
    const drivers = [rig.driver, ...opened], last = new Rig(() => ({ ...rig.subject, driver: drivers.at(-1)! }), workers, rig.dataRoot);
    try { expect(await last.leftovers()).toEqual([]); } finally {
      await last.destroy();
      for (const driver of drivers.slice(0, -1)) await driver.close();
    }
    expect(devicesThere()).toEqual(before);
  });
  /** As another daemon finds it. */
  const reopen = async (options: Readonly<Record<string, string>> = SMALL): Promise<OpenedDriver> => {
    const driver = await openOn(rig.dataRoot, workers, options, reports);
    opened.push(driver);
    return driver;
  };
  const container = async (driver = rig.driver, size?: number): Promise<{ id: SnapshotId; tree: string; target: string }> => {
    const id = rig.id();
    await driver.create(id, [], size === undefined ? {} : { size });
    const plan = await driver.mounts(id, [], "rw");
    await mountPlan(plan);
    return { id, tree: plan.tree!, target: plan.target };
  };
  const end = async (target: string, id: SnapshotId, driver = rig.driver): Promise<void> => { await unmountAll(target); await driver.unmounted(id); };
  const pool = (): { data: number; state: string; transaction: number } => {
    const [transaction, , data, , state] = dmStatus(layout.poolName)!.parameters.split(" ");
    return { data: Number(data!.split("/")[0]) * 65536, state: state!, transaction: Number(transaction) };
  };
  const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await delay(50); };
  const message = (text: string): void => { execFileSync("dmsetup", ["message", layout.poolName, "0", text], { stdio: "pipe" }); };

  test("lies on disk as Docker's users know it, and tells of itself", async () => {
    expect(readdirSync(root).sort()).toEqual(["devicemapper", "metadata", "mnt", "open"]);
    expect(readdirSync(join(root, "devicemapper")).sort()).toEqual(["data", "metadata"]);
    expect(readdirSync(join(root, "metadata")).sort()).toEqual(["base", "deviceset-metadata", "transaction-metadata"]);
    const [layer] = await rig.chain([{ name: "a", content: "x" }]);
    const [id] = await rig.create([layer!]);
    expect(readdirSync(join(root, "metadata")).sort()).toEqual([layer, id, "base", "deviceset-metadata", "transaction-metadata"].sort());
    expect(JSON.parse(readFileSync(join(root, "metadata/base"), "utf8"))).toMatchObject({ device_id: 1, size: 512 * MIB, initialized: true, deleted: false });
    expect(JSON.parse(readFileSync(join(root, "metadata", layer!), "utf8"))).toMatchObject({ device_id: 2, size: 512 * MIB, transaction_id: 2, initialized: false, deleted: false });
    expect(JSON.parse(readFileSync(join(root, "metadata/deviceset-metadata"), "utf8"))).toMatchObject({ next_device_id: 2, BaseDeviceUUID: expect.stringMatching(/^[0-9a-f]{32}$/), BaseDeviceFilesystem: "xfs" });
    expect(JSON.parse(readFileSync(join(root, "metadata/transaction-metadata"), "utf8"))).toEqual({ open_transaction_id: 3, device_hash: id, device_id: 3 });
    const { dev, ino } = statSync(root), prefix = `docker-${dev >> 8}:${dev & 255}-${ino}`;
    expect(layout.poolName).toBe(`${prefix}-pool`);
    expect(rig.driver.describe(id!, [layer!])).toEqual({ DeviceId: "3", DeviceName: `${prefix}-${id!}`, DeviceSize: String(512 * MIB) });
    await rig.view([id!, layer!], (tree) => {
      expect(tree).toBe(join(root, "mnt", id!, "rootfs"));
      expect(mountOf(tree)).toMatchObject({ target: join(root, "mnt", id!), type: "xfs", source: `/dev/mapper/${prefix}-${id!}` });
      expect(readdirSync(join(root, "mnt", id!)).sort()).toEqual(["id", "rootfs"]);
      expect(readFileSync(join(root, "mnt", id!, "id"), "utf8")).toBe(layer);
      expect(readdirSync(tree)).toEqual(["a"]);
    }, "rw");
    expect(dmNames().filter((name) => name.startsWith(prefix))).toEqual([`${prefix}-pool`]);

    const lines = await rig.driver.status(), size = expect.stringMatching(/^[0-9.]+[kMGT]?B$/);
    expect(lines).toEqual([
      ["Pool Name", `${prefix}-pool`], ["Pool Blocksize", "65.54kB"], ["Base Device Size", "536.9MB"], ["Backing Filesystem", "xfs"], ["Udev Sync Supported", expect.stringMatching(/true|false/)],
      ["Data file", expect.stringMatching(/^\/dev\/loop\d+$/)], ["Metadata file", expect.stringMatching(/^\/dev\/loop\d+$/)],
      ["Data loop file", join(root, "devicemapper/data")], ["Metadata loop file", join(root, "devicemapper/metadata")],
      ["Data Space Used", size], ["Data Space Total", "167.8MB"], ["Data Space Available", size], ["Metadata Space Used", size], ["Metadata Space Total", "16.78MB"], ["Metadata Space Available", size],
      ["Thin Pool Minimum Free Space", "0B"], ["Deferred Removal Enabled", "true"], ["Deferred Deletion Enabled", "true"], ["Deferred Deleted Device Count", "0"], ["Library Version", expect.any(String)],
    ]);
  });

  test("what snapshots take adds up to what the pool has in use", async () => {
    const empty = pool().data;
    const chain = await rig.chain([{ name: "a", content: noise(3_000_000) }], [{ name: "b", content: noise(1_000_000) }, { name: ".wh.a" }]);
    const [id] = await rig.create(chain);
    await rig.view([id!, ...chain], (tree) => { writeFileSync(join(tree, "c"), noise(2_000_000)); rmSync(join(tree, "b")); }, "rw");
    const all = [id!, ...chain];
    let sum = 0;
    // Reading a container's tree mounts it, which costs a block or two: each is counted twice, and the second time stands.
    for (let round = 0; round < 2; round++) { sum = 0; for (const one of all) sum += (await rig.driver.usage(one, all.slice(all.indexOf(one) + 1))).bytes; }
    const status = await rig.driver.status();
    expect(status).toBeDefined();
    expect(Math.abs(sum - (pool().data - empty))).toBeLessThanOrEqual(4 * 65536);
    expect(sum).toBeGreaterThan(6_000_000);
  });

  test("a pool that fills up while a container writes: the writer waits, the pool is grown, nothing is lost", async () => {
    const { id, tree, target } = await container();
    const writer = spawn(process.execPath, ["-e", `
      const fs = require("fs"), hash = require("crypto").createHash("sha256"), fd = fs.openSync(process.argv[1], "w");
      const piece = require("crypto").randomBytes(4 << 20);
      for (let i = 0; i < 30; i++) { piece.writeUInt32LE(i); hash.update(piece); fs.writeSync(fd, piece); fs.fsyncSync(fd); }
      console.log(hash.digest("hex"));`, join(tree, "big")], { stdio: ["ignore", "pipe", "inherit"] });
    let digest = "";
    writer.stdout.on("data", (text: Buffer) => { digest += text.toString(); });
    const ended = new Promise<number | null>((resolve) => { writer.on("close", resolve); });
    try {
      await until(() => reports.length > 0);
      expect(reports).toEqual([{ action: "pool-full", attributes: expect.objectContaining({ pool: layout.poolName, dataUsed: String(160 * MIB) }) }]);
      expect(writer.exitCode).toBeNull();
      await rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.loopdatasize": "400M", "dm.loopmetadatasize": "32M" })));
      expect(await ended).toBe(0);
    } finally { writer.kill("SIGKILL"); }
    expect(reports.map(({ action }) => action)).toEqual(["pool-full", "pool-recovered"]);
    expect(createHash("sha256").update(readFileSync(join(tree, "big"))).digest("hex")).toBe(digest.trim());
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Data Space Total", "419.4MB"], ["Metadata Space Total", "33.55MB"]]));
    await end(target, id);
  });

  test("a pool that is full and stays full: the writer gets ENOSPC, nothing new is made, and growth mends all", async () => {
    const usual = readFileSync(TIMEOUT, "utf8");
    writeFileSync(TIMEOUT, "1");
    try {
      const layer = (await rig.chain([{ name: "kept", content: "k" }]))[0]!;
      const { id, tree, target } = await container();
      const fd = openSync(join(tree, "big"), "w");
      const piece = noise(4 * MIB), fill = (): void => { for (let i = 0; i < 60; i++) { writeSync(fd, piece); fsyncSync(fd); } };
      expect(fill).toThrow(expect.objectContaining({ code: expect.stringMatching(/ENOSPC|EIO/) }));
      closeSync(fd);
      await until(() => reports.length > 0);
      expect(reports.map(({ action }) => action)).toEqual(["pool-full"]);
      await expect(rig.driver.create(rig.id(), [layer])).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining(layout.poolName) });
      await end(target, id);
      await rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.loopdatasize": "1G" })));
      expect(reports.map(({ action }) => action)).toEqual(["pool-full", "pool-recovered"]);
      await rig.view([layer], (path) => expect(readFileSync(join(path, "kept"), "utf8")).toBe("k"));
      await rig.view([id], (path) => { const again = openSync(join(path, "more"), "w"); writeSync(again, noise(4 * MIB)); fsyncSync(again); closeSync(again); }, "rw");
    } finally { writeFileSync(TIMEOUT, usual); }
  });

  test("space comes back: of what is removed, and of what is deleted inside", async () => {
    const blocks = (): number => statSync(layout.dataFile).blocks * 512;
    const { id, tree, target } = await container();
    const start = blocks();
    const [layer] = await rig.chain([{ name: "f", content: noise(20 * MIB) }]);
    expect(blocks()).toBeGreaterThan(start + 20 * MIB);
    await rig.driver.remove(layer!);
    await rig.driver.drainTrash();
    expect(blocks()).toBeLessThan(start + 8 * MIB);
    writeFileSync(join(tree, "f"), noise(20 * MIB));
    execFileSync("sync", ["-f", tree]);
    expect(blocks()).toBeGreaterThan(start + 20 * MIB);
    rmSync(join(tree, "f"));
    execFileSync("sync", ["-f", tree]);
    await until(() => blocks() < start + 8 * MIB);
    await end(target, id);
  });

  test("the base grows: layers stay, what is made from them is larger; a size of one's own; smaller is refused", async () => {
    const layer = (await rig.chain([{ name: "a", content: "x" }]))[0]!;
    const old = await container();
    for (const [option, value] of [["dm.basesize", "300M"], ["dm.loopdatasize", "100M"], ["dm.loopmetadatasize", "8M"]] as const) {
      await expect(rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.loopdatasize": "500M", "dm.basesize": "1G", [option]: value })))).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining(option) });
      expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Base Device Size", "536.9MB"], ["Data Space Total", "167.8MB"]]));
    }
    await rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.basesize": "1G" })));
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Base Device Size", "1.074GB"]]));
    const room = async ({ tree }: { tree: string }): Promise<number> => { const { blocks, bsize } = await statfs(tree); return blocks * bsize; };
    const fresh = await container(), wide = await container(rig.driver, 2 * GIB);
    expect([await room(old), await room(fresh), await room(wide)].map((n) => Math.round(n / (512 * MIB)))).toEqual([1, 2, 4]);
    expect(rig.driver.describe(wide.id, [])["DeviceSize"]).toBe(String(2 * GIB));
    const on = rig.id();
    await rig.driver.create(on, [layer]);
    await rig.view([on, layer], async (tree) => { expect(readFileSync(join(tree, "a"), "utf8")).toBe("x"); expect(await room({ tree })).toBeGreaterThan(900 * MIB); }, "rw");
    await expect(rig.driver.create(rig.id(), [layer], { size: 600 * MIB })).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("size") });
    for (const { id, target } of [old, fresh, wide]) await end(target, id);
  });

  test("growth of the base that a crash cut short is made up for", async () => {
    const path = join(root, "metadata/base"), json = JSON.parse(readFileSync(path, "utf8")) as object;
    writeFileSync(path, JSON.stringify({ ...json, size: GIB, growing: true }));
    const driver = await reopen({ ...SMALL, "dm.basesize": "1G" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ size: GIB, growing: false });
    const { id, tree, target } = await container(driver), { blocks, bsize } = await statfs(tree);
    expect(blocks * bsize).toBeGreaterThan(900 * MIB);
    await end(target, id, driver);
  });

  test("below dm.min_free_space nothing is made", async () => {
    await rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.min_free_space": "95%" })));
    await expect(rig.driver.create(rig.id(), [])).rejects.toMatchObject({ code: "Unavailable", message: expect.stringMatching(new RegExp(`${layout.poolName}.*dm.min_free_space`)) });
    await rig.driver.reconfigure(new Map(Object.entries(SMALL)));
    await rig.create([]);
  });

  describe("after a crash", () => {
    const transaction = (to: number, id: string, device: number): void => writeFileSync(join(root, "metadata/transaction-metadata"), JSON.stringify({ open_transaction_id: to, device_hash: id, device_id: device }));
    const record = (id: string, device: number, to: number): void => writeFileSync(join(root, "metadata", id), JSON.stringify({ device_id: device, size: 512 * MIB, transaction_id: to, initialized: false, deleted: false }));
    const cases: Record<string, (id: SnapshotId, next: number) => void> = {
      "announced": (id, next) => transaction(next, id, 77),
      "in the pool": (id, next) => { transaction(next, id, 77); message("create_snap 77 1"); },
      "in the pool and written": (id, next) => { transaction(next, id, 77); message("create_snap 77 1"); record(id, 77, next); },
      "half deleted": (id, next) => { transaction(next, id, 77); record(id, 77, next - 1); },
    };
    test.each(Object.keys(cases))("a device that was %s goes when the driver opens", async (name) => {
      const layer = (await rig.chain([{ name: "a", content: "x" }]))[0]!;
      const id = rig.id(), { transaction: was } = pool();
      cases[name]!(id, was + 1);
      writeFileSync(join(root, "metadata/.tmp-x"), "half");
      const driver = await reopen();
      expect(await ids(driver)).toEqual([layer]);
      expect(pool().transaction).toBe(was + 1);
      expect(() => message("delete 77")).toThrow();
      expect(existsSync(join(root, "metadata/.tmp-x"))).toBe(false);
      await driver.create(id, [layer]);
      await driver.remove(id);
      await driver.drainTrash();
    });
    test("a device that was complete stays; one that was removed goes for good", async () => {
      const [kept] = await rig.chain([{ name: "a", content: "x" }]);
      const gone = (await rig.chain([{ name: "b", content: "x" }]))[0]!;
      const path = join(root, "metadata", gone), json = JSON.parse(readFileSync(path, "utf8")) as object;
      writeFileSync(path, JSON.stringify({ ...json, deleted: true }));
      const driver = await reopen();
      expect(await ids(driver)).toEqual([kept, gone].filter((id) => id !== gone || existsSync(join(root, "split", `${gone}.gz`))).sort());
      await driver.drainTrash();
      expect(existsSync(path)).toBe(false);
      await driver.remove(gone);
    });
    test("a base device that is half made or damaged is made anew, and layers are unharmed", async () => {
      const [layer] = await rig.chain([{ name: "a", content: "x" }]);
      for (const harm of ["initialized", "content"] as const) {
        const path = join(root, "metadata/base"), json = JSON.parse(readFileSync(path, "utf8")) as { device_id: number };
        if (harm === "initialized") writeFileSync(path, JSON.stringify({ ...json, initialized: false }));
        else {
          execFileSync("dmsetup", ["create", layout.deviceName("base"), "--table", `0 ${512 * MIB / 512} thin /dev/mapper/${layout.poolName} ${json.device_id}`]);
          execFileSync("dd", ["if=/dev/zero", `of=/dev/mapper/${layout.deviceName("base")}`, "bs=64K", "count=1", "conv=fsync"], { stdio: "ignore" });
        }
        const driver = await reopen();
        expect((JSON.parse(readFileSync(path, "utf8")) as { device_id: number }).device_id).not.toBe(json.device_id);
        const fresh = await container(driver);
        writeFileSync(join(fresh.tree, "f"), "x");
        await end(fresh.target, fresh.id, driver);
        await driver.remove(fresh.id);
        await driver.drainTrash();
      }
      await rig.view([layer!], (path) => expect(readFileSync(join(path, "a"), "utf8")).toBe("x"));
    });
  });

  test("another daemon takes over devices in use, and leaves them when it ends; what nobody uses goes", async () => {
    const { id, tree, target } = await container();
    const fd = openSync(join(tree, "f"), "w");
    writeSync(fd, "first ");
    const idle = await container();
    await unmountAll(idle.target);
    const second = await reopen();
    expect(dmInfo(layout.deviceName(idle.id))).toBeUndefined();
    expect(dmInfo(layout.deviceName(id))?.openCount).toBe(1);
    await second.close();
    expect(dmNames()).toEqual(expect.arrayContaining([layout.poolName, layout.deviceName(id)]));
    writeSync(fd, "second");
    closeSync(fd);
    const third = await reopen();
    expect((await third.mounts(id, [], "rw")).target).toBe(target);
    expect(mountsBelow(target)).toHaveLength(1);
    expect(readFileSync(join(tree, "f"), "utf8")).toBe("first second");
    await end(target, id, third);
    expect(dmInfo(layout.deviceName(id))).toBeUndefined();
    await third.close();
    expect(dmInfo(layout.poolName)).toBeUndefined();
    expect(await ids(await reopen())).toEqual([id, idle.id].sort());
  });

  test("without deferred deletion a device in use is not removed", async () => {
    await rig.driver.reconfigure(new Map(Object.entries({ ...SMALL, "dm.use_deferred_removal": "false" })));
    const { id, tree, target } = await container();
    const fd = openSync(join(tree, "f"), "w");
    try { await expect(rig.driver.remove(id)).rejects.toMatchObject({ code: "Conflict", message: expect.stringContaining("in use") }); } finally { closeSync(fd); }
    expect(existsSync(target)).toBe(true);
    expect(await rig.list()).toEqual([id]);
  });
  test("a removed device that is in use is counted, and goes with its last user", async () => {
    const { id, tree } = await container();
    const fd = openSync(join(tree, "f"), "w");
    await rig.driver.remove(id);
    await rig.driver.drainTrash();
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Deferred Deleted Device Count", "1"]]));
    closeSync(fd);
    await until(() => dmInfo(layout.deviceName(id)) === undefined);
    await rig.driver.drainTrash();
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Deferred Deleted Device Count", "0"]]));
  });

  test("ext4, other blocks, mkfs and mount options", async () => {
    const dataRoot = mkdtempSync(join(tmpdir(), "strata-ext4-"));
    const options = { ...SMALL, "dm.fs": "ext4", "dm.basesize": "64M", "dm.blocksize": "128K", "dm.mkfsarg": "-m 0 -N 2048", "dm.mountopt": "noatime" };
    const driver = await openOn(dataRoot, workers, options);
    try {
      expect(await driver.status()).toEqual(expect.arrayContaining([["Backing Filesystem", "ext4"], ["Pool Blocksize", "131.1kB"], ["Base Device Size", "67.11MB"]]));
      const small = await container(driver), wide = await container(driver, 256 * MIB);
      expect(mountOf(small.tree)).toMatchObject({ type: "ext4", options: expect.arrayContaining(["noatime"]), superOptions: expect.arrayContaining(["discard"]) });
      expect((await statfs(small.tree)).files).toBe(2048);
      writeFileSync(join(wide.tree, "f"), noise(80 * MIB));
      for (const { id, target } of [small, wide]) { await end(target, id, driver); await driver.remove(id); }
      await driver.drainTrash();
      await driver.close();
      await expect(openOn(dataRoot, workers, { ...options, "dm.blocksize": "64K" })).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("dm.blocksize") });
    } finally {
      await driver.close();
      rmSync(dataRoot, { recursive: true });
    }
  });
});
