import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ChainId, digestOf, type ImageId } from "@strata/oci";
import { Conflict, type DataRoot, type Lease, NotFound, silentLogger, type SnapshotId } from "../../core/index.js";
import { Ledger } from "../../db/ledger.js";
import { migrations } from "../../db/schema.js";
import { openStores, type Stores } from "../../open-stores.js";
import { FakeDriver, stream } from "../testing/fake-driver.js";
import { container, FakeMounter, imageConfig, layerRows, temporaryRoot, TestClock } from "../testing/fixtures.js";

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
afterEach(async () => {
  sumsHold();
  await stores.close();
  remove();
});

/** What triggers keep is what one would count. */
function sumsHold(): void {
  const all = (sql: string): unknown[] => stores.ledger.sql(sql).all();
  const held = "(SELECT count(*) FROM image_layer WHERE chain = chain_id)", used = "(SELECT count(*) FROM image_layer JOIN container USING (image) WHERE chain = chain_id)";
  const bytes = "coalesce((SELECT sum(bytes) FROM snapshot WHERE chain = chain_id), 0)", inodes = "coalesce((SELECT sum(inodes) FROM snapshot WHERE chain = chain_id), 0)";
  expect(all("SELECT chain_id, disk_bytes, disk_inodes, image_count, container_count FROM layer ORDER BY 1")).toEqual(all(`SELECT chain_id, ${bytes} AS disk_bytes, ${inodes} AS disk_inodes, ${held} AS image_count, ${used} AS container_count FROM layer ORDER BY 1`));
  const of = (which: string): string => `coalesce((SELECT sum(layer.disk_bytes) FROM image_layer JOIN layer ON chain_id = chain WHERE image = id ${which}), 0)`;
  expect(all("SELECT id, disk_bytes, unique_bytes FROM image ORDER BY 1")).toEqual(all(`SELECT id, ${of("")} AS disk_bytes, ${of(`AND ${held} = 1`)} AS unique_bytes FROM image ORDER BY 1`));
  const lines = "WITH RECURSIVE line (chain) AS (SELECT top FROM build_record UNION ALL SELECT parent FROM line JOIN layer ON chain_id = chain)", built = "(SELECT count(*) FROM line WHERE chain = chain_id)";
  expect(all("SELECT chain_id, record_count FROM layer ORDER BY 1")).toEqual(all(`${lines} SELECT chain_id, ${built} AS record_count FROM layer ORDER BY 1`));
  expect(all("SELECT images, used, built, layers, size, bytes, inodes FROM layer_total WHERE layers > 0 ORDER BY 1, 2, 3")).toEqual(all(`${lines} SELECT min(${held}, 2) AS images, min(${used}, 1) AS used, min(${built}, 1) AS built,
    count(*) AS layers, sum(size) AS size, sum(disk_bytes) AS bytes, sum(disk_inodes) AS inodes FROM layer GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`));
  expect(all("SELECT size, bytes, inodes FROM layer_total WHERE layers = 0 AND (size <> 0 OR bytes <> 0 OR inodes <> 0)")).toEqual([]);
  // Untagged images that others were made from are no holders.
  const step = "(id IN (SELECT parent FROM image WHERE parent IS NOT NULL) AND id NOT IN (SELECT image FROM reference))", holders = `(SELECT count(*) FROM image_layer JOIN image ON id = image WHERE chain = chain_id AND NOT ${step})`;
  expect(all("SELECT chain_id, holder_count FROM layer ORDER BY 1")).toEqual(all(`SELECT chain_id, ${holders} AS holder_count FROM layer ORDER BY 1`));
  expect(all("SELECT image, step, unshared FROM image_share ORDER BY 1")).toEqual(all(`SELECT id AS image, ${step} AS step,
    coalesce((SELECT sum(layer.size) FROM image_layer JOIN layer ON chain_id = chain WHERE image = id AND ${holders} < 2), 0) AS unshared FROM image ORDER BY 1`));
}

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
  const { volumes: [data], containers: [c] } = await stores.usage.owners();
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
  expect((await stores.usage.owners()).images.map(({ id, bytes: all, unique, containers }) => [id === first, all, unique, containers]).sort()).toEqual(
    [[true, bytes(base) + bytes(a), bytes(a), 1], [false, bytes(base) + bytes(b), bytes(b), 0]].sort());
  expect((await stores.usage.owners()).buildCache).toMatchObject([{ key: "k", bytes: bytes(cached) }]);
});

test("sums follow whatever comes, goes and is shared, in any order", async () => {
  const made: { id: ImageId; containers: string[] }[] = [];
  // A fixed sequence that looks random.
  let seed = 7;
  const pick = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  const tops: ChainId[] = [], noConflict = (work: () => void): boolean => {
    try { work(); } catch (e) {
      if (!(e instanceof Conflict)) throw e;
      return false;
    }
    return true;
  };
  for (let step = 0; step < 100; step++) {
    const what = pick(8);
    if (what < 2 || made.length === 0) {
      let parent: ChainId | null = null;
      const diffs = [];
      for (let depth = 0; depth <= pick(3); depth++) {
        const layer = await stores.layers.register(stream(`${depth} ${pick(2)} ${"x".repeat(pick(50))}`.slice(0, 4)), parent, lease);
        parent = layer.chainId;
        diffs.push(layer.diffId);
      }
      // Made from one that is older, also where it is there already.
      const config = imageConfig(diffs, { author: String(pick(3)) }), there = made.findIndex((m) => m.id === digestOf(config)), older = there < 0 ? made.length : there;
      const id = stores.images.create(config, lease, older > 0 && pick(2) === 0 ? { parent: made[pick(older)]!.id } : {});
      tops.push(parent!);
      if (!made.some((m) => m.id === id)) made.push({ id, containers: [] });
    } else if (what === 4) {
      stores.images.tag(made[pick(made.length)]!.id, `name:${pick(4)}`);
    } else if (what === 5) {
      stores.images.untag(`name:${pick(4)}`);
    } else if (what === 6) {
      stores.buildCache.record({ key: `key ${pick(4)}`, parent: null, config: Buffer.from("{}"), top: pick(4) === 0 ? null : tops[pick(tops.length)]!, description: "RUN", size: 1 });
    } else if (what === 7) {
      stores.buildCache.remove([`key ${pick(4)}`]);
    } else if (what === 2) {
      const image = made[pick(made.length)]!, name = `c${step}`;
      stores.containers.create(container(image.id, name, { id: name as never }));
      image.containers.push(name);
    } else {
      const at = pick(made.length), image = made[at]!;
      for (const name of image.containers.splice(0)) stores.containers.remove(name as never);
      if (noConflict(() => stores.images.remove(image.id))) made.splice(at, 1);
    }
    sumsHold();
  }
  // Figures that are corrected.
  for (const { chainId } of [...stores.layers.list()].slice(0, 3)) stores.ledger.sql<[string]>("UPDATE snapshot SET bytes = bytes + 5000, inodes = 9 WHERE chain = ?").run(chainId);
  sumsHold();
  stores.leases.close(lease);
  for (const { containers } of made) for (const name of containers) stores.containers.remove(name as never);
  // Children before their parents.
  for (let left = made; left.length > 0;) left = left.filter(({ id }) => !noConflict(() => stores.images.remove(id)));
  stores.buildCache.remove([0, 1, 2, 3].map((n) => `key ${n}`));
  await stores.collector.collect({ wait: true });
  lease = stores.leases.open("test");
  expect(stores.usage.images()).toEqual({ count: 0, active: 0, bytes: 0, shared: 0, reclaimable: 0 });
  expect(await kind("layers")).toBe(0);
});

test("a ledger of an older version gets its sums, and its figures are taken again", () => {
  stores.ledger.close();
  const path = join(root.root, "older.db");
  const older = Ledger.open(path, migrations.slice(0, 4));
  older.transaction(() => {
    layerRows(older, ["a", "b"]);
    const [a, b] = older.sql<[], { chain_id: string }>("SELECT chain_id FROM layer ORDER BY parent").all().map((row) => row.chain_id);
    for (const [id, chain] of [["s1", a!], ["s2", b!]] as const) older.sql<[string, string]>("INSERT INTO snapshot (id, driver, kind, state, chain, bytes, inodes, created_at) VALUES (?, 'fake', 'layer', 'committed', ?, 4096, 2, 0)").run(id, chain);
    for (const [id, top, parent] of [["one", a!, null], ["two", b!, "one"]] as const) older.sql<[string, string, string | null]>("INSERT INTO image (id, top, parent, size, created_at, labels, stored_at, last_used_at) VALUES (?, ?, ?, 0, 0, '{}', 0, 0)").run(id, top, parent);
    older.sql<[string]>("INSERT INTO build_record (key, config, top, description, size, created_at, last_used_at, uses) VALUES ('k', x'', ?, '', 0, 0, 0, 0)").run(b!);
    for (const [chain, image] of [[a!, "one"], [a!, "two"], [b!, "two"]] as const) older.sql<[string, string]>("INSERT INTO image_layer (chain, image) VALUES (?, ?)").run(chain, image);
    older.sql("INSERT INTO blob (digest, media_type, size, created_at) VALUES ('x', 'y', 5000, 0)").run();
  });
  older.close();
  stores = { ...stores, ledger: Ledger.open(path) };
  sumsHold();
  expect(stores.ledger.sql("SELECT disk_bytes, unique_bytes FROM image ORDER BY id").all()).toEqual([{ disk_bytes: 4096, unique_bytes: 0 }, { disk_bytes: 8192, unique_bytes: 4096 }]);
  expect(stores.ledger.sql("SELECT id FROM snapshot WHERE stale = 1 ORDER BY id").all()).toEqual([{ id: "s1" }, { id: "s2" }]);
  expect(stores.ledger.sql("SELECT bytes FROM blob").all()).toEqual([{ bytes: 8192 }]);
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
