import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChainId } from "@strata/oci";
import { type DataRoot, type Lease, NotFound, silentLogger, type SnapshotId } from "../../core/index.js";
import { openStores, type Stores } from "../../open-stores.js";
import { FakeDriver, stream } from "../testing/fake-driver.js";
import { container, FakeMounter, imageConfig, temporaryRoot, TestClock } from "../testing/fixtures.js";

let root: DataRoot, remove: () => void, clock: TestClock, driver: FakeDriver, stores: Stores, lease: Lease;
function open(): void {
  driver = new FakeDriver(root.driver("fake"), "fake", true);
  stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter: new FakeMounter(), clock, logger: silentLogger });
}
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  open();
  lease = stores.leases.open("test");
});
afterEach(async () => { await stores.close(); remove(); });

async function reopen(): Promise<void> {
  await stores.close();
  open();
}
async function box(name = "box"): Promise<ChainId> {
  const layer = await stores.layers.register(stream(`base of ${name}`), null, lease);
  const image = stores.images.create(imageConfig([layer.diffId]), lease);
  await stores.layers.createWritable(name, layer.chainId, lease);
  stores.containers.create(container(image, name, { id: name as never }));
  await stores.containers.makeDirectory(name as never);
  return layer.chainId;
}
const stale = (table: string, column: string, key: string): number => stores.ledger.sql<[string], { stale: number }>(`SELECT stale FROM ${table} WHERE ${column} = ?`).get(key)!.stale;
const kind = async (name: string): Promise<number> => (await stores.usage.kinds()).find((k) => k.kind === name)!.bytes;

test("a figure stays stale while its thing is held, and when it changed while it was measured", async () => {
  await box();
  const mounted = await stores.layers.mount("box");
  await stores.usage.refresh();
  expect(stale("snapshot", "id", "box")).toBe(1);
  expect(stale("snapshot", "id", "box-init")).toBe(0);
  await mounted.release();
  await stores.usage.refresh();
  expect(stale("snapshot", "id", "box")).toBe(0);

  // It is mounted and let go of while somebody measures.
  const again = await stores.layers.mount("box");
  await again.release();
  let between: Promise<void> | undefined;
  const measure = driver.usage.bind(driver);
  jest.spyOn(driver, "usage").mockImplementation(async (id: SnapshotId) => {
    const usage = await measure(id);
    if (id === "box") between ??= stores.layers.mount("box").then((m) => m.release());
    await between;
    return usage;
  });
  await stores.usage.refresh();
  expect(stale("snapshot", "id", "box")).toBe(1);
  await stores.usage.refresh();
  expect(stale("snapshot", "id", "box")).toBe(0);
});

test("what may have changed when the daemon died is measured by the next", async () => {
  await box();
  await stores.usage.refresh();
  await stores.layers.mount("box");
  const held = stale("snapshot", "id", "box");
  stores.ledger.close();
  open();
  expect([held, stale("snapshot", "id", "box")]).toEqual([1, 1]);
  await stores.usage.refresh();
  expect(stale("snapshot", "id", "box")).toBe(0);
});

test("a container that ran when the power went is not trusted", async () => {
  await box();
  await stores.usage.refresh();
  const c = stores.containers.get("box" as never);
  stores.containers.update({ ...c, state: { ...c.state, status: "running" } });
  expect([stale("snapshot", "id", "box"), stale("container_usage", "container", "box")]).toEqual([0, 0]);
  await reopen();
  expect([stale("snapshot", "id", "box"), stale("container_usage", "container", "box")]).toEqual([1, 1]);
});

test("volumes, logs and files are counted where they belong, and go with their owners", async () => {
  await box();
  const volume = await stores.volumes.create({ name: "data" });
  writeFileSync(join(volume.mountpoint, "file"), Buffer.alloc(10_000, 1));
  const directory = stores.containers.directory("box" as never);
  writeFileSync(join(directory, "box-json.log"), Buffer.alloc(5_000, 1));
  mkdirSync(join(directory, "local-logs"));
  writeFileSync(join(directory, "hosts"), "x");
  expect(await kind("volumes")).toBe(0);
  expect((await stores.usage.kinds()).find((k) => k.kind === "volumes")).toMatchObject({ count: 1, unmeasured: 1 });
  await stores.usage.refresh();
  const { volumes: [data], containers: [c] } = stores.usage.owners();
  expect(data).toMatchObject({ name: "data", links: 0, figure: { stale: false, inodes: 3 } });
  expect(data!.figure.bytes).toBe(await kind("volumes"));
  expect([c!.logs.inodes, c!.logs.bytes]).toEqual([2, await kind("logs")]);
  expect(c!.logs.bytes).toBeGreaterThanOrEqual(5_000);
  expect(c!.files.bytes).toBe(await kind("container-files"));
  expect(await stores.volumes.usage("data")).toBe(10_000);
  await stores.volumes.remove("data");
  await stores.layers.release("box");
  stores.containers.remove("box" as never);
  expect([await kind("volumes"), await kind("logs"), await kind("container-files"), await kind("containers")]).toEqual([0, 0, 0, 0]);
});

test("tmp/ and trash/ count while something is in them", async () => {
  expect(await kind("tmp")).toBe(0);
  writeFileSync(join(root.tmp, "half"), Buffer.alloc(100_000, 1));
  expect(await kind("tmp")).toBeGreaterThanOrEqual(100_000);
});

test("bytes of images: shared once, reclaimable where nothing needs them", async () => {
  const base = await stores.layers.register(stream("base"), null, lease);
  const a = await stores.layers.register(stream("a"), base.chainId, lease), b = await stores.layers.register(stream("bb"), base.chainId, lease), loose = await stores.layers.register(stream("loose"), null, lease), cached = await stores.layers.register(stream("cached"), base.chainId, lease);
  const first = stores.images.create(imageConfig([base.diffId, a.diffId]), lease);
  stores.images.create(imageConfig([base.diffId, b.diffId]), lease);
  stores.containers.create(container(first, "c", { id: "c" as never }));
  stores.buildCache.record({ key: "k", parent: null, config: Buffer.from("{}"), top: cached.chainId, description: "RUN", size: 1 });
  const bytes = (l: typeof base): number => l.usage.bytes;
  expect(stores.usage.images()).toEqual({ count: 2, active: 1, bytes: bytes(base) + bytes(a) + bytes(b), shared: bytes(base), reclaimable: bytes(b) });
  expect(stores.usage.buildCache()).toEqual({ count: 1, bytes: bytes(cached) });
  expect((await stores.usage.kinds())[0]).toMatchObject({ kind: "layers", count: 5, bytes: [base, a, b, loose, cached].reduce((sum, l) => sum + bytes(l), 0), reclaimable: bytes(loose) });
  expect(stores.usage.owners().images.map(({ id, bytes: all, unique, containers }) => [id === first, all, unique, containers]).sort()).toEqual(
    [[true, bytes(base) + bytes(a), bytes(a), 1], [false, bytes(base) + bytes(b), bytes(b), 0]].sort());
  expect(stores.usage.owners().buildCache).toMatchObject([{ key: "k", bytes: bytes(cached) }]);
});

describe("why", () => {
  const words = (key: string, of: Parameters<Stores["graph"]["why"]>[0]): string[] => stores.graph.why(of, key).paths.map((path) => path.map((node) => node.kind).join(" > "));

  test("a lease holds what is new, and says for what and until when", async () => {
    const layer = await stores.layers.register(stream("new"), null, lease);
    const { paths: [path] } = stores.graph.why("layer", layer.chainId);
    expect(path).toMatchObject([{ kind: "lease", purpose: "test", expiresAt: clock.time + 3_600_000 }, { kind: "layer", key: layer.chainId, name: layer.diffId }]);
    stores.leases.close(lease);
    expect(stores.graph.why("layer", layer.chainId)).toMatchObject({ paths: [], more: false });
    lease = stores.leases.open("test");
  });

  test("a download that broke off goes when nobody takes it up", async () => {
    const ingest = await stores.content.ingest("ref", { digest: `sha256:${"0".repeat(64)}` as never, size: 10, mediaType: "x/y" }, lease);
    await ingest.write(Buffer.from("abc"));
    await ingest.abort(true);
    const { key } = stores.graph.find("ref")[0]!;
    expect(words(key, "ingest")).toEqual(["lease > ingest"]);
    stores.leases.close(lease);
    expect(stores.graph.why("ingest", key)).toMatchObject({ paths: [], goesAt: clock.time + 7 * 24 * 3_600_000 });
    lease = stores.leases.open("test");
    expect(await kind("ingests")).toBeGreaterThan(0);
  });

  test("blobs are held by the images whose manifests they are, and by the layers that can be had from them", async () => {
    const layer = await stores.layers.register(stream("l"), null, lease), image = stores.images.create(imageConfig([layer.diffId]), lease);
    const manifest = await stores.content.put(Buffer.from("manifest"), lease), packed = await stores.content.put(Buffer.from("packed"), lease), other = await stores.content.put(Buffer.from("other"), lease);
    stores.images.addManifest(image, manifest.digest);
    stores.images.addSource(layer.diffId, { digest: packed.digest, repository: "docker.io/library/x", size: packed.size, mediaType: "x/y" });
    stores.images.tag(image, "x");
    stores.leases.close(lease);
    expect([words(manifest.digest, "blob"), words(packed.digest, "blob"), words(other.digest, "blob")]).toEqual([["tag > image > blob"], ["tag > image > layer > blob"], []]);
    expect(stores.graph.find(manifest.digest.slice(0, 20))).toEqual([{ kind: "blob", key: manifest.digest }]);
    stores.images.untag("x");
    expect(words(packed.digest, "blob")).toEqual(["image > layer > blob"]);
    lease = stores.leases.open("test");
  });

  test("what very many hold is told of as many as can be read", async () => {
    const layer = await stores.layers.register(stream("l"), null, lease);
    for (let i = 0; i < 120; i++) stores.images.create(imageConfig([layer.diffId], { author: String(i) }), lease);
    stores.leases.close(lease);
    expect(stores.graph.why("layer", layer.chainId)).toMatchObject({ more: true });
    expect(words(layer.chainId, "layer")).toEqual(Array.from({ length: 50 }, () => "image > layer"));
    lease = stores.leases.open("test");
  });

  test("what is not there is NotFound", () => {
    expect(() => stores.graph.why("layer", "sha256:00")).toThrow(NotFound);
    expect(stores.graph.find("nothing")).toEqual([]);
  });

  test("every edge that the collector follows is followed upwards, too", async () => {
    const chain = await box();
    const volume = await stores.volumes.create({ name: "data" });
    stores.volumes.use(volume.name, "box");
    stores.leases.close(lease);
    const edges = stores.ledger.sql<[], { from_kind: string; to_kind: string; to_key: string }>("SELECT from_kind, to_kind, to_key FROM edge").all();
    expect(edges.length).toBeGreaterThan(4);
    for (const { to_kind, to_key } of edges) expect([to_kind, words(to_key, to_kind as never).length > 0]).toEqual([to_kind, true]);
    expect(words(chain, "layer").sort()).toEqual(["container > image > layer", "container > snapshot > layer", "image > layer"]);
    lease = stores.leases.open("test");
  });
});
