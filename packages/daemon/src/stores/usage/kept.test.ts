import { utimesSync } from "node:fs";
import type { ChainId } from "@strata/oci";
import { type DataRoot, type Lease, type Owners, silentLogger } from "../../core/index.js";
import { openStores, type Stores } from "../../open-stores.js";
import { FakeDriver, stream } from "../testing/fake-driver.js";
import { container, FakeMounter, imageConfig, temporaryRoot, TestClock } from "../testing/fixtures.js";

/** What is kept of lists and figures shows every change at once. */
let root: DataRoot, remove: () => void, clock: TestClock, stores: Stores, lease: Lease;
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  stores = openStores({ root, drivers: new Map([["fake", new FakeDriver(root.driver("fake"), "fake", true)]]), defaultDriver: "fake", mounter: new FakeMounter(), clock, logger: silentLogger });
  lease = stores.leases.open("test");
});
afterEach(async () => {
  await stores.close();
  remove();
});

async function box(): Promise<ChainId> {
  const layer = await stores.layers.register(stream("base of box"), null, lease);
  await stores.layers.createWritable("box", layer.chainId, lease);
  stores.containers.create(container(stores.images.create(imageConfig([layer.diffId]), lease), "box", { id: "box" as never }));
  await stores.containers.makeDirectory("box" as never);
  return layer.chainId;
}

test("sizes are at hand of what nothing can have changed, and of nothing else", async () => {
  await box();
  const volume = await stores.volumes.create({ name: "data" });
  await stores.volumes.create({ name: "mounted", options: { type: "tmpfs", device: "tmpfs" } });
  const settled = async (): Promise<unknown> => [[...stores.layers.settledSizes()], [...await stores.volumes.settledSizes()]];
  expect(await settled()).toEqual([[], []]);
  await stores.usage.refresh();
  const { size } = await stores.layers.usage("box");
  // The clock of the test stands still in another year than that of the files.
  stores.ledger.sql<[number]>("UPDATE volume SET measured_at = ?").run(Date.now() + 1000);
  expect(await settled()).toEqual([[["box", size]], [["data", 0]]]);
  // Somebody writes past us.
  utimesSync(volume.mountpoint, new Date(), new Date());
  stores.ledger.sql<[number]>("UPDATE volume SET measured_at = ?").run(1);
  const mounted = await stores.layers.mount("box");
  expect(await settled()).toEqual([[], []]);
  await mounted.release();
  await stores.usage.refresh();
  stores.ledger.sql<[number]>("UPDATE volume SET measured_at = ?").run(Date.now() + 1000);
  const attached = await stores.volumes.attach("data", "box");
  expect(await settled()).toEqual([[["box", size]], []]);
  await attached.release();
  await stores.layers.release("box");
  expect(await settled()).toEqual([[], []]);
});

test("records of builds and volumes are listed as they are now; records that did not change are the same objects", async () => {
  const layer = await stores.layers.register(stream("l"), null, lease), record = (key: string): void => stores.buildCache.record({ key, parent: null, config: Buffer.from("{}"), top: layer.chainId, description: key, size: 1 });
  record("a");
  clock.time += 1000;
  record("b");
  const [a, b] = stores.buildCache.list();
  expect([a, b]).toMatchObject([{ key: "a", uses: 0, shared: false }, { key: "b" }]);
  expect(a).not.toHaveProperty("config");
  clock.time += 1000;
  stores.buildCache.find("a", true);
  let now = stores.buildCache.list();
  expect(now).toMatchObject([{ key: "b" }, { key: "a", uses: 1, lastUsedAt: clock.time }]);
  expect(now[0]).toBe(b);
  const image = stores.images.create(imageConfig([layer.diffId]), lease);
  expect(stores.buildCache.list().map(({ shared }) => shared)).toEqual([true, true]);
  stores.images.remove(image);
  expect(stores.buildCache.list().map(({ shared }) => shared)).toEqual([false, false]);
  stores.buildCache.remove(["b"]);
  now = stores.buildCache.list();
  expect(now.map(({ key }) => key)).toEqual(["a"]);

  const listed = (): unknown => [...stores.volumes.list()].map(({ name, refs, options }) => [name, refs, options]);
  expect(listed()).toEqual([]);
  await stores.volumes.create({ name: "data" });
  expect(listed()).toEqual([["data", [], {}]]);
  await box();
  stores.volumes.use("data", "box");
  expect(listed()).toEqual([["data", ["box"], {}]]);
  stores.containers.remove("box" as never);
  expect(listed()).toEqual([["data", [], {}]]);
  stores.ledger.sql("UPDATE volume SET options = '{\"size\":\"1m\"}'").run();
  expect(listed()).toEqual([["data", [], { size: "1m" }]]);
  await stores.volumes.remove("data");
  expect(listed()).toEqual([]);
});

test("owners are told as they are now, whatever they had been before", async () => {
  const base = await box();
  await stores.usage.refresh();
  const seen = (): Promise<Owners> => stores.usage.owners();
  const image = stores.images.list()[0]!.id, names = async (): Promise<unknown> => (await seen()).images.map((owner) => owner.names);
  expect(await names()).toEqual([[]]);
  stores.images.tag(image, "one");
  expect(await names()).toEqual([["docker.io/library/one:latest"]]);
  expect((await stores.usage.owners(0)).images).toEqual([]);
  const top = await stores.layers.register(stream("top"), base, lease), built = stores.images.create(imageConfig([stores.layers.get(base).diffId, top.diffId]), lease);
  expect((await seen()).images).toHaveLength(2);
  stores.buildCache.record({ key: "k", parent: null, config: Buffer.from("{}"), top: top.chainId, description: "RUN", size: 1 });
  expect((await seen()).buildCache).toMatchObject([{ key: "k", bytes: 0 }]);
  stores.images.remove(built);
  expect((await seen()).buildCache).toMatchObject([{ key: "k", bytes: top.usage.bytes }]);
  expect((await seen()).images.map(({ unique, containers }) => [unique, containers])).toEqual([[stores.layers.get(base).usage.bytes, 1]]);
  stores.buildCache.remove(["k"]);
  expect((await seen()).buildCache).toEqual([]);

  expect((await seen()).containers).toMatchObject([{ name: "box", layer: { stale: false }, files: { stale: false } }]);
  const mounted = await stores.layers.mount("box");
  expect((await seen()).containers).toMatchObject([{ name: "box", layer: { stale: true } }]);
  await mounted.release();
  await stores.usage.refresh();
  expect((await seen()).containers).toMatchObject([{ layer: { stale: false } }]);
  stores.containers.update({ ...stores.containers.get("box" as never), name: "renamed" });
  expect((await seen()).containers).toMatchObject([{ name: "renamed" }]);

  await stores.volumes.create({ name: "data" });
  expect((await seen()).volumes).toMatchObject([{ name: "data", links: 0, figure: { measuredAt: null } }]);
  stores.volumes.use("data", "box");
  expect((await seen()).volumes).toMatchObject([{ links: 1 }]);
  await stores.usage.refresh();
  expect((await seen()).volumes[0]!.figure.measuredAt).not.toBeNull();
  await stores.layers.release("box");
  stores.containers.remove("box" as never);
  expect((await seen()).containers).toEqual([]);
  expect((await seen()).volumes).toMatchObject([{ links: 0 }]);
  expect((await seen()).images.map(({ containers }) => containers)).toEqual([0]);
  await stores.volumes.remove("data");
  expect((await seen()).volumes).toEqual([]);
});
