import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChainId, ImageId } from "@strata/oci";
import { type DataRoot, type Layer, type Lease, silentLogger } from "../core/index.js";
import { type Stores, openStores } from "../open-stores.js";
import { FakeDriver, type Step, never, stream } from "../stores/testing/fake-driver.js";
import { FakeMounter, TestClock, container, imageConfig, temporaryRoot } from "../stores/testing/fixtures.js";

let root: DataRoot, remove: () => void, clock: TestClock, driver: FakeDriver, stores: Stores;
function open(): void {
  driver = new FakeDriver(root.driver("fake"));
  stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter: new FakeMounter(), clock, logger: silentLogger });
}
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  open();
});
afterEach(async () => { await stores.close(); remove(); });

/** The daemon dies where it stands and starts again. */
async function crash(): Promise<void> {
  stores.ledger.close();
  open();
  await stores.collector.recover();
}
const names = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
const onDisk = (): string[] => [root.driver("fake"), root.blobs, root.ingests, root.containers, root.volumes, root.trash, root.tmp, root.layerdbMounts("fake")].flatMap(names);
const count = (table: string): number => stores.ledger.sql<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()!.n;

async function makeImage(layers: readonly string[], lease: Lease): Promise<{ id: ImageId; chain: Layer[] }> {
  const chain: Layer[] = [];
  let parent: ChainId | null = null;
  for (const content of layers) {
    const layer = await stores.layers.register(stream(content), parent, lease);
    chain.push(layer);
    parent = layer.chainId;
  }
  return { id: stores.images.create(imageConfig(chain.map((l) => l.diffId)), lease), chain };
}

test("what an image, a container or a lease reaches stays; the rest goes, from the tables and the disk", async () => {
  const lease = stores.leases.open("test");
  const a = await makeImage(["base", "a"], lease), b = await makeImage(["base", "b"], lease);
  stores.leases.close(lease);
  expect((await stores.collector.collect({ wait: true })).items).toEqual([]);
  await stores.leases.with("create", async (l) => {
    await stores.layers.createWritable("box", b.chain[1]!.chainId, l);
    stores.containers.create(container(b.id, "box", { id: "box" as never }));
  });
  stores.images.remove(a.id);
  const wanted = [{ kind: "layer", key: a.chain[1]!.chainId, bytes: 101 }];
  expect(await stores.collector.collect({ dryRun: true })).toEqual({ items: wanted, freed: { bytes: 101, inodes: 2 } });
  expect(count("layer")).toBe(3);
  expect(await stores.collector.collect({ wait: true })).toEqual({ items: wanted, freed: { bytes: 101, inodes: 2 } });
  expect(names(root.driver("fake")).sort()).toEqual([...b.chain.map((l) => l.snapshot), "box", "box-init"].sort());
  await stores.layers.release("box");
  stores.containers.remove("box" as never);
  stores.images.remove(b.id);
  const held = stores.leases.open("build", 1000);
  stores.leases.hold(held, "layer", b.chain[0]!.chainId);
  await stores.collector.collect({ wait: true });
  expect([...stores.layers.list()].map((l) => l.chainId)).toEqual([b.chain[0]!.chainId]);
  clock.time += 2000;
  await stores.collector.collect({ wait: true });
  expect(onDisk()).toEqual([]);
});

test("blobs live with the reference or the layer that names them", async () => {
  const lease = stores.leases.open("test");
  const { id, chain } = await makeImage(["x"], lease);
  const manifest = await stores.content.put(Buffer.from("manifest"), lease), packed = await stores.content.put(Buffer.from("packed"), lease);
  await stores.content.put(Buffer.from("stray"), lease);
  stores.images.tag(id, `app@${manifest.digest}`);
  stores.images.addSource(chain[0]!.diffId, { ...packed, repository: "docker.io/library/app" });
  stores.leases.close(lease);
  await stores.collector.collect({ wait: true });
  expect([...stores.content.list()].map((d) => d.digest).sort()).toEqual([manifest.digest, packed.digest].sort());
  stores.images.untag(`app@${manifest.digest}`);
  await stores.collector.collect({ wait: true });
  expect([...stores.content.list()].map((d) => d.digest)).toEqual([packed.digest]);
  stores.images.remove(id);
  await stores.collector.collect({ wait: true });
  expect(onDisk()).toEqual([]);
  expect(count("packed_source")).toBe(0);
});

test("without roots everything is empty, whatever was done before", async () => {
  let seed = 7;
  const random = (n: number): number => { seed = (seed * 1103515245 + 12345) % 2 ** 31; return seed % n; };
  for (let round = 0; round < 3; round++) {
    const images: ImageId[] = [], boxes: string[] = [];
    for (let i = 0; i < 25; i++) {
      const dice = random(10);
      await stores.leases.with("step", async (lease) => {
        if (dice < 5) images.push((await makeImage(Array.from({ length: 1 + random(4) }, (_, k) => `layer ${k} ${random(3)}`), lease)).id);
        else if (dice < 7 && images.length > 0) {
          const image = images[random(images.length)]!, name = `box${round}-${i}`;
          await stores.layers.createWritable(name, stores.images.get(image).top, lease);
          stores.containers.create(container(image, name, { id: name as never }));
          await stores.containers.makeDirectory(name as never);
          stores.volumes.use((await stores.volumes.create({ name: `vol${random(2)}` })).name, name);
          boxes.push(name);
        } else if (dice < 8) await stores.content.put(Buffer.from(`blob ${random(5)}`), lease);
        else if (dice < 9) await stores.layers.register(stream(`lonely ${random(5)}`), null, lease);
        else await stores.collector.collect({ wait: random(2) === 0 });
      });
    }
    for (const box of boxes) {
      await stores.layers.release(box);
      stores.containers.remove(box as never);
      await stores.containers.removeDirectory(box as never);
    }
    for (const id of new Set(images)) stores.images.remove(id);
    for (const { name } of [...stores.volumes.list()]) await stores.volumes.remove(name);
    await stores.collector.collect({ wait: true });
    await stores.collector.recover();
    await stores.close();
    expect(onDisk()).toEqual([]);
    open();
    for (const table of ["layer", "snapshot", "writable", "image", "image_layer", "blob", "ingest", "lease", "lease_hold", "volume", "volume_use", "container"]) expect([table, count(table)]).toEqual([table, 0]);
    expect(stores.ledger.sql("PRAGMA foreign_key_check").all()).toEqual([]);
  }
});

describe("a crash between steps leaves nothing that recovery does not find, and the same command then succeeds", () => {
  const dieAt = (step: Step, of?: string): Promise<void> => new Promise((reached) => {
    driver.interrupt = (at, id) => { if (at !== step || (of !== undefined && id !== of)) return; reached(); return never(); };
  });
  const setUp = (): Promise<{ id: ImageId; chain: Layer[] }> => stores.leases.with("setup", (lease) => makeImage(["base"], lease));

  test("while a layer is applied", async () => {
    const { chain: [base] } = await setUp();
    const died = dieAt("apply");
    void stores.layers.register(stream("child"), base!.chainId, stores.leases.open("pull")).catch(() => undefined);
    await died;
    expect(names(root.driver("fake"))).toHaveLength(2);
    await crash();
    expect(names(root.driver("fake"))).toEqual([base!.snapshot]);
    const child = await stores.leases.with("pull", (lease) => stores.layers.register(stream("child"), base!.chainId, lease));
    expect(child.parent).toBe(base!.chainId);
  });

  test("after a layer, before its image", async () => {
    await stores.layers.register(stream("lonely"), null, stores.leases.open("pull"));
    await crash();
    expect(onDisk()).toEqual([]);
    await setUp();
  });

  test.each(["box-init", "box"])("while %s is made", async (id) => {
    const { chain: [base] } = await setUp();
    const died = dieAt("create", id);
    void stores.layers.createWritable("box", base!.chainId, stores.leases.open("create")).catch(() => undefined);
    await died;
    await crash();
    expect(names(root.driver("fake"))).toEqual([base!.snapshot]);
    expect(names(root.layerdbMounts("fake"))).toEqual([]);
    await stores.leases.with("create", (lease) => stores.layers.createWritable("box", base!.chainId, lease));
  });

  test("after a container's layer, before its row", async () => {
    const { chain: [base] } = await setUp();
    await stores.layers.createWritable("box", base!.chainId, stores.leases.open("create"));
    await crash();
    expect(names(root.driver("fake"))).toEqual([base!.snapshot]);
    expect(names(root.layerdbMounts("fake"))).toEqual([]);
  });

  test.each<Step>(["remove", "removed"])("while a container's layer is removed (%s)", async (step) => {
    const { id, chain: [base] } = await setUp();
    await stores.leases.with("create", (lease) => stores.layers.createWritable("box", base!.chainId, lease));
    stores.containers.create(container(id, "box", { id: "box" as never }));
    const died = dieAt(step);
    void stores.layers.release("box");
    await died;
    await crash();
    expect(names(root.driver("fake"))).toEqual([base!.snapshot]);
    await stores.layers.release("box");
    stores.containers.remove("box" as never);
  });

  test("while a removed image's layers are swept", async () => {
    const { id } = await setUp();
    stores.images.remove(id);
    const died = dieAt("remove");
    void stores.collector.collect({ wait: true });
    await died;
    expect(count("layer")).toBe(0);
    await crash();
    expect(onDisk()).toEqual([]);
  });

  test("with scratch files, and with uses of volumes by what is no container", async () => {
    await stores.volumes.create({ name: "data" });
    stores.volumes.use("data", "half-made");
    mkdirSync(join(root.trash, "old", "deep"), { recursive: true });
    writeFileSync(join(root.tmp, "upload"), "x");
    await crash();
    await stores.volumes.remove("data");
    await stores.close();
    expect(onDisk()).toEqual([]);
    open();
  });
});

test("a snapshot that cannot be removed is left for the next sweep, and does not keep others", async () => {
  const lease = stores.leases.open("test");
  const { id, chain } = await makeImage(["a", "b"], lease);
  stores.leases.close(lease);
  stores.images.remove(id);
  driver.interrupt = (step, snapshot) => { if (step === "remove" && snapshot === chain[0]!.snapshot) throw new Error("EBUSY"); };
  expect((await stores.collector.collect({ wait: true })).freed.bytes).toBe(101);
  expect(names(root.driver("fake"))).toEqual([chain[0]!.snapshot]);
  driver.interrupt = () => undefined;
  expect((await stores.collector.recover()).freed.bytes).toBe(101);
  expect(onDisk()).toEqual([]);
});

test("a sweep does not touch what is being made", async () => {
  const lease = stores.leases.open("test");
  const sweeping: Promise<unknown>[] = [];
  driver.interrupt = (step) => { if (step !== "removed" && step !== "remove") sweeping.push(stores.collector.collect({ wait: true })); };
  const { id, chain } = await makeImage(["a", "b", "c"], lease);
  await stores.layers.createWritable("box", stores.images.get(id).top, lease);
  await Promise.all(sweeping);
  expect(names(root.driver("fake")).sort()).toEqual([...chain.map((l) => l.snapshot), "box", "box-init"].sort());
});

test("a deletion that is told is collected soon, once", async () => {
  const lease = stores.leases.open("test");
  const { id } = await makeImage(["a"], lease);
  stores.leases.close(lease);
  stores.images.remove(id);
  jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate"] });
  try {
    for (let i = 0; i < 5; i++) stores.collector.notify("deletion");
    expect(jest.getTimerCount()).toBe(1);
    jest.runAllTimers();
  } finally {
    jest.useRealTimers();
  }
  while (count("layer") > 0) await new Promise((resolve) => setImmediate(resolve));
});
