import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type ChainId, type DiffId, type ImageId, chainIdsOf, digestOf } from "@strata/oci";
import { AlreadyExists, type ContainerId, DataLoss, type DataRoot, InvalidArgument, type Layer, type Lease, NotFound, silentLogger } from "../core/index.js";
import { AbsentDriver } from "../drivers/storage/absent.js";
import { type Stores, openStores } from "../open-stores.js";
import { makeMountPoints } from "./init-layer.js";
import { FakeDriver, stream } from "./testing/fake-driver.js";
import { FakeMounter, TestClock, container, imageConfig, temporaryRoot } from "./testing/fixtures.js";

let root: DataRoot, remove: () => void, driver: FakeDriver, mounter: FakeMounter, clock: TestClock, stores: Stores, lease: Lease;
function start(mounted: boolean): void {
  driver = new FakeDriver(root.driver("fake"), "fake", mounted);
  stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter, clock, logger: silentLogger });
  lease = stores.leases.open("test");
}
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  [clock, mounter] = [new TestClock(), new FakeMounter()];
  start(false);
});
afterEach(async () => { await stores.close(); remove(); });

const snapshots = (): string[] => (existsSync(root.driver("fake")) ? readdirSync(root.driver("fake")) : []);
const rows = (table: string): unknown[] => stores.ledger.sql(`SELECT * FROM ${table}`).all();
/** An image of these layers. */
const image = (chain: readonly Layer[]): ImageId => stores.images.create(imageConfig(chain.map((l) => l.diffId)), lease);
async function text(body: Readable): Promise<string> {
  let all = "";
  for await (const chunk of body) all += String(chunk);
  return all;
}

describe("register", () => {
  test("names a layer by its content and its place", async () => {
    const a = await stores.layers.register(stream("layer a"), null, lease);
    const b = await stores.layers.register(stream("layer", " b"), a.chainId, lease);
    const diffIds = [digestOf<DiffId>("layer a"), digestOf<DiffId>("layer b")];
    expect([a.diffId, b.diffId]).toEqual(diffIds);
    expect([a.chainId, b.chainId]).toEqual(chainIdsOf(diffIds));
    expect(b).toMatchObject({ parent: a.chainId, driver: "fake", size: 7, tarSize: 7, usage: { bytes: 107, inodes: 2 }, createdAt: clock.time });
    expect(stores.layers.get(b.chainId)).toEqual(b);
    expect(stores.layers.has(b.chainId)).toBe(true);
    expect([...stores.layers.list()].map((l) => l.chainId).sort()).toEqual([a.chainId, b.chainId].sort());
    expect(snapshots().sort()).toEqual([a.snapshot, b.snapshot].sort());
    expect(await text(await stores.layers.tar(b.chainId))).toBe("layer b");
    expect(stores.layers.describe(b.chainId)).toEqual({ name: "fake", data: { Dir: driver.path(b.snapshot), Parents: a.snapshot } });
    expect(() => stores.layers.get("sha256:none" as ChainId)).toThrow(NotFound);
    await expect(stores.layers.register(stream("x"), "sha256:none" as ChainId, lease)).rejects.toThrow(NotFound);
  });

  test("the same layer again, one after the other and at once, is one layer", async () => {
    const first = await stores.layers.register(stream("same"), null, lease);
    expect(await stores.layers.register(stream("sa", "me"), null, lease)).toEqual(first);
    const all = await Promise.all(Array.from({ length: 5 }, () => stores.layers.register(stream("other"), first.chainId, lease)));
    expect(new Set(all.map((l) => l.snapshot)).size).toBe(1);
    expect(snapshots()).toHaveLength(2);
    expect(rows("snapshot")).toHaveLength(2);
  });

  test("covers all bytes, also those that the driver does not want", async () => {
    driver.stopAfter = 3;
    const chunks = Array.from({ length: 100 }, (_, i) => Buffer.alloc(100_000, i));
    const layer = await stores.layers.register(Readable.from(chunks, { objectMode: false }), null, lease);
    expect(layer.diffId).toBe(digestOf(Buffer.concat(chunks)));
    expect(layer.tarSize).toBe(10_000_000);
  });

  test("leaves nothing when the source or the driver fails", async () => {
    const broken = Readable.from((async function* () { yield Buffer.from("go"); throw new Error("connection lost"); })());
    await expect(stores.layers.register(broken, null, lease)).rejects.toThrow("connection lost");
    driver.interrupt = (step) => { if (step === "apply") throw new Error("disk full"); };
    const source = stream("never", "read");
    await expect(stores.layers.register(source, null, lease)).rejects.toThrow("disk full");
    driver.interrupt = () => undefined;
    expect(source.destroyed).toBe(true);
    await expect(stores.layers.register(stream("x").destroy(new Error("gone")), null, lease)).rejects.toThrow("gone");
    expect(snapshots()).toEqual([]);
    expect([...rows("snapshot"), ...rows("layer")]).toEqual([]);
  });

  test("a lease that ran out while it was made is an error, not a layer without a directory", async () => {
    driver.interrupt = async () => { clock.time += 10 * 3_600_000; await stores.collector.collect({ wait: true }); };
    await expect(stores.layers.register(stream("slow"), null, lease)).rejects.toThrow();
    driver.interrupt = () => undefined;
    expect(snapshots()).toEqual([]);
    expect(rows("layer")).toEqual([]);
  });

  test("a layer whose bytes changed on disk fails before its end", async () => {
    const layer = await stores.layers.register(stream("original"), null, lease);
    writeFileSync(driver.path(layer.snapshot, "layer.tar"), "tampered");
    await expect(text(await stores.layers.tar(layer.chainId))).rejects.toThrow(DataLoss);
  });
});

describe("several drivers on one root", () => {
  let old: FakeDriver, next: FakeDriver;
  /** The daemon starts again with `next` as its driver. */
  async function switchDriver(options: { absent?: boolean } = {}): Promise<void> {
    await stores.close();
    old = driver;
    next = new FakeDriver(root.driver("next"), "next");
    stores = openStores({
      root, mounter, clock, logger: silentLogger, defaultDriver: "next",
      drivers: new Map(options.absent === true ? [["next", next]] : [["fake", old], ["next", next]]),
      absent: new Map(options.absent === true ? [["fake", new AbsentDriver("fake", root.driver("fake"), "its program is gone")]] : []),
    });
    await stores.collector.recover();
    lease = stores.leases.open("test");
  }

  test("old images stay usable; what is new goes where its parent lies, or to the default", async () => {
    const base = await stores.layers.register(stream("base"), null, lease);
    image([base]);
    await switchDriver();
    expect(stores.layers.get(base.chainId).driver).toBe("fake");
    const child = await stores.layers.register(stream("on it"), base.chainId, lease);
    expect(child.driver).toBe("fake");
    expect((await stores.layers.register(stream("fresh"), null, lease)).driver).toBe("next");
    await stores.layers.createWritable("old", child.chainId, lease);
    expect(stores.layers.describe({ owner: "old" }).name).toBe("fake");
    const copy = await stores.layers.register(stream("base"), null, lease);
    expect(copy.driver).toBe("next");
    await stores.layers.createWritable("new", base.chainId, lease);
    expect(stores.layers.describe({ owner: "new" }).name).toBe("next");
    expect([stores.layers.get(base.chainId).driver, stores.layers.get(child.chainId).driver]).toEqual(["next", "fake"]);

    const list = new Map([...stores.layers.list()].map((l) => [l.chainId, l]));
    expect(list.size).toBe(3);
    expect(list.get(base.chainId)!.copies).toEqual([{ driver: "next", snapshot: copy.snapshot, usage: { bytes: 104, inodes: 2 } }, { driver: "fake", snapshot: base.snapshot, usage: { bytes: 104, inodes: 2 } }]);
    expect(list.get(child.chainId)!.copies).toHaveLength(1);
    for (const owner of ["old", "new"]) await stores.layers.release(owner);
    expect(() => openStores({ root, drivers: new Map(), defaultDriver: "gone", mounter, clock, logger: silentLogger })).toThrow("the storage driver gone is not available");
  });

  test("removing a layer removes it from each; recovery sweeps each, and the mount IDs of drivers that have nothing left", async () => {
    const base = await stores.layers.register(stream("base"), null, lease), id = image([base]), box = { ...container(id, "c"), id: "box" as ContainerId };
    stores.containers.create(box);
    await stores.layers.createWritable("box", base.chainId, lease);
    await switchDriver();
    await stores.layers.register(stream("base"), null, lease);
    stores.leases.close(lease);
    for (const [name, one] of [["fake", old], ["next", next]] as const) mkdirSync(one.path(`orphan-${name}` as never), { recursive: true });
    mkdirSync(root.layerdbMount("earlier", "ghost"), { recursive: true });
    await stores.layers.release("box");
    stores.containers.remove(box.id);
    stores.images.remove(id);
    const { items } = await stores.collector.recover();
    expect(items).toEqual([{ kind: "layer", key: base.chainId, bytes: 208 }]);
    expect([readdirSync(old.root), readdirSync(next.root), readdirSync(root.layerdbMounts("earlier"))]).toEqual([[], [], []]);
  });

  test("what lies on a driver that does not work now is listed, says why it cannot be used, and comes again with its next pull", async () => {
    const base = await stores.layers.register(stream("base"), null, lease);
    stores.containers.create({ ...container(image([base]), "c"), id: "box" as ContainerId });
    await stores.layers.createWritable("box", base.chainId, lease);
    await switchDriver({ absent: true });
    const why = /^the storage driver fake, on which this lies, does not work here: its program is gone$/;
    expect([...stores.layers.list()].map((l) => [l.chainId, l.driver])).toEqual([[base.chainId, "fake"]]);
    expect(stores.layers.describe(base.chainId)).toEqual({ name: "fake", data: {} });
    expect(stores.layers.describe({ owner: "box" })).toEqual({ name: "fake", data: {} });
    for (const attempt of [
      () => stores.layers.createWritable("other", base.chainId, lease), () => stores.layers.mount("box"), () => stores.layers.usage("box"), () => stores.layers.tar({ owner: "box" }),
      () => stores.layers.tar(base.chainId), () => stores.layers.register(stream("child"), base.chainId, lease), async () => { for await (const _ of stores.layers.changes("box")); },
    ]) await expect(attempt()).rejects.toThrow(why);
    expect(rows("snapshot")).toHaveLength(3);
    expect(readdirSync(root.driver("fake")).sort()).toEqual([base.snapshot, "box", "box-init"].sort());

    expect(stores.layers.has(base.chainId)).toBe(false);
    expect((await stores.layers.register(stream("base"), null, lease)).driver).toBe("next");
    expect(stores.layers.has(base.chainId)).toBe(true);
    await stores.layers.createWritable("other", base.chainId, lease);
    expect(stores.layers.describe({ owner: "other" }).name).toBe("next");
  });

  test("what was removed while its driver did not work is swept when it does again", async () => {
    const base = await stores.layers.register(stream("base"), null, lease), id = image([base]), box = { ...container(id, "c"), id: "box" as ContainerId };
    stores.containers.create(box);
    await stores.layers.createWritable("box", base.chainId, lease);
    await switchDriver({ absent: true });
    stores.leases.close(lease);
    await stores.layers.release("box");
    stores.containers.remove(box.id);
    stores.images.remove(id);
    await stores.collector.collect({ wait: true });
    expect(rows("snapshot")).toEqual([]);
    expect([...stores.layers.list()]).toEqual([]);
    expect(readdirSync(root.driver("fake"))).toHaveLength(3);
    await switchDriver();
    expect(readdirSync(root.driver("fake"))).toEqual([]);
  });
});

test("the list tells who holds a layer and when it was last used, in one statement", async () => {
  const base = await stores.layers.register(stream("base"), null, lease), one = await stores.layers.register(stream("one"), base.chainId, lease), two = await stores.layers.register(stream("two"), base.chainId, lease);
  const first = image([base, one]), second = image([base, two]);
  stores.containers.create(container(first, "a"));
  stores.containers.create(container(first, "b"));
  clock.time += 60_000;
  stores.images.touch(second);
  const list = [...stores.layers.list()].map(({ chainId, images, topOf, containers, lastUsedAt }) => ({ chainId, images, topOf, containers, lastUsedAt }));
  expect(list).toEqual([
    { chainId: base.chainId, images: [first, second].sort(), topOf: [], containers: 2, lastUsedAt: clock.time },
    { chainId: one.chainId, images: [first], topOf: [first], containers: 2, lastUsedAt: clock.time - 60_000 },
    { chainId: two.chainId, images: [second], topOf: [second], containers: 0, lastUsedAt: clock.time },
  ].sort((a, b) => (a.chainId < b.chainId ? -1 : 1)));
  stores.images.remove(second);
  expect([...stores.layers.list({ prefix: base.chainId.slice(0, 12) })]).toMatchObject([{ chainId: base.chainId, images: [first], lastUsedAt: clock.time }]);
  expect([...stores.layers.list()].find((l) => l.chainId === two.chainId)).toMatchObject({ images: [], topOf: [], lastUsedAt: clock.time });
});

describe("writable layers", () => {
  test("stand on an init layer with the mount points, and can be found as Docker's can", async () => {
    const a = await stores.layers.register(stream("a"), null, lease), b = await stores.layers.register(stream("b"), a.chainId, lease);
    await stores.layers.createWritable("box", b.chainId, lease);
    expect(driver.calls).toEqual(["create box-init", "unmounted box-init", "create box"]);
    expect(readFileSync(driver.path("box" as never, "parents"), "utf8").split("\n")).toEqual(["box-init", b.snapshot, a.snapshot]);
    const init = driver.path("box-init" as never, "tree");
    expect(readdirSync(init).sort()).toEqual([".dockerenv", "dev", "etc", "proc", "sys"]);
    expect(readlinkSync(join(init, "etc/mtab"))).toBe("/proc/mounts");
    const layerdb = root.layerdbMount("fake", "box");
    expect(Object.fromEntries(readdirSync(layerdb).map((n) => [n, readFileSync(join(layerdb, n), "utf8")]))).toEqual({ "mount-id": "box", "init-id": "box-init", parent: b.chainId });
    writeFileSync(join(driver.path("box" as never, "tree"), "new"), "");
    const changes = [];
    for await (const change of stores.layers.changes("box")) changes.push(change);
    expect(changes).toEqual([{ path: "/new", kind: 1 }]);
    expect(await text(await stores.layers.tar({ owner: "box" }))).toBe("new");
    expect(await stores.layers.usage("box")).toEqual({ bytes: 100, inodes: 2, size: 7 });
    await expect(stores.layers.createWritable("box", null, lease)).rejects.toThrow(AlreadyExists);
    await stores.layers.release("box");
    await stores.layers.release("box");
    expect(snapshots().sort()).toEqual([a.snapshot, b.snapshot].sort());
    expect(existsSync(layerdb)).toBe(false);
    await expect(stores.layers.mount("box")).rejects.toThrow(NotFound);
  });

  test("are measured once as long as nobody has them mounted", async () => {
    await stores.layers.createWritable("box", null, lease);
    const measure = jest.spyOn(driver, "usage");
    await Promise.all([stores.layers.usage("box"), stores.layers.usage("box")]);
    expect(measure).toHaveBeenCalledTimes(1);
    const mounted = await stores.layers.mount("box");
    await stores.layers.usage("box");
    await stores.layers.usage("box");
    expect(measure).toHaveBeenCalledTimes(3);
    await mounted.release();
    for (let i = 0; i < 3; i++) await stores.layers.usage("box");
    expect(measure).toHaveBeenCalledTimes(4);
    await stores.layers.release("box");
    await expect(stores.layers.usage("box")).rejects.toThrow(NotFound);
  });

  test("refusals and failures leave nothing", async () => {
    await expect(stores.layers.createWritable("../x", null, lease)).rejects.toThrow(InvalidArgument);
    await expect(stores.layers.createWritable("x", null, lease, { size: 5 })).rejects.toThrow(InvalidArgument);
    await expect(stores.layers.createWritable("x", "sha256:none" as ChainId, lease)).rejects.toThrow(NotFound);
    driver.interrupt = (step, id) => { if (step === "create" && id === "x") throw new Error("disk full"); };
    await expect(stores.layers.createWritable("x", null, lease)).rejects.toThrow("disk full");
    expect(snapshots()).toEqual([]);
    expect([...rows("snapshot"), ...rows("writable")]).toEqual([]);
    expect(existsSync(root.layerdbMount("fake", "x"))).toBe(false);
  });

  test("are mounted once and counted; release takes the mount down", async () => {
    await stores.close();
    start(true);
    const base = await stores.layers.register(stream("a"), null, lease);
    await stores.layers.createWritable("box", base.chainId, lease, { volatile: true });
    const target = driver.path("box" as never, "tree");
    expect(mounter.mounted.size).toBe(0);
    expect(mounter.log[0]).toBe(`visit ${driver.path("box-init" as never, "tree")}`);
    const [one, two] = await Promise.all([stores.layers.mount("box"), stores.layers.mount("box")]);
    expect(one.path).toBe(target);
    expect(mounter.mounted.get(target)!.mounts).toEqual([{ type: "fake", source: "box", options: ["volatile", ["below", `box-init:${base.snapshot}`]] }]);
    await one.release();
    expect(mounter.mounted.has(target)).toBe(true);
    await two.release();
    expect(mounter.mounted.has(target)).toBe(false);
    const held = await stores.layers.mount("box");
    await stores.layers.release("box");
    expect(mounter.mounted.size).toBe(0);
    await held.release();
  });

  test("a mount that outlived the daemon is taken over, and a lost layer does not keep a container from being removed", async () => {
    await stores.close();
    start(true);
    await stores.layers.createWritable("box", null, lease);
    await stores.layers.mount("box");
    const before = mounter.log.length;
    const { driver: old } = { driver };
    stores.ledger.close();
    start(true);
    const taken = await stores.layers.mount("box");
    expect(mounter.log).toHaveLength(before);
    await taken.release();
    expect(mounter.mounted.size).toBe(0);
    rmSync(old.path("box" as never), { recursive: true });
    await stores.layers.release("box");
    expect(rows("snapshot")).toEqual([]);
  });
});

describe("mount points", () => {
  let tree: string, outside: string;
  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), "strata-init-"));
    outside = mkdtempSync(join(tmpdir(), "strata-outside-"));
  });
  afterEach(() => { for (const dir of [tree, outside]) rmSync(dir, { recursive: true, force: true }); });

  test("are made where they are absent", () => {
    makeMountPoints(tree);
    for (const dir of ["proc", "sys", "dev/pts", "dev/shm"]) expect(lstatSync(join(tree, dir)).isDirectory()).toBe(true);
    for (const file of [".dockerenv", "dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf"]) expect(statSync(join(tree, file))).toMatchObject({ size: 0 });
    makeMountPoints(tree);
  });

  test("what the image has stays; a link in the place of a mount point goes", () => {
    mkdirSync(join(tree, "etc"));
    writeFileSync(join(tree, "etc/hosts"), "kept");
    writeFileSync(join(tree, "etc/mtab"), "kept");
    mkdirSync(join(tree, "etc/hostname"));
    symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(tree, "etc/resolv.conf"));
    writeFileSync(join(tree, "dev"), "a file");
    makeMountPoints(tree);
    expect(readFileSync(join(tree, "etc/hosts"), "utf8")).toBe("kept");
    expect(readFileSync(join(tree, "etc/mtab"), "utf8")).toBe("kept");
    expect(lstatSync(join(tree, "etc/hostname")).isDirectory()).toBe(true);
    expect(lstatSync(join(tree, "etc/resolv.conf")).isFile()).toBe(true);
    expect(readFileSync(join(tree, "dev"), "utf8")).toBe("a file");
  });

  test("links of the image do not lead outside the tree", () => {
    symlinkSync(outside, join(tree, "etc"));
    symlinkSync("/", join(tree, "dev"));
    symlinkSync(outside, join(tree, "proc"));
    makeMountPoints(tree);
    expect(readdirSync(outside)).toEqual([]);
    expect(lstatSync(join(tree, "proc")).isDirectory()).toBe(true);
    expect(readdirSync(tree).sort()).toEqual([".dockerenv", "console", "dev", "etc", "proc", "pts", "shm", "sys"]);
  });
});
