import { type ChainId, digestOf, type ImageId } from "@strata/oci";
import { type Collectable, type DataRoot, type GraphNode, type Layer, type Lease, silentLogger } from "../core/index.js";
import { type Stores, openStores } from "../open-stores.js";
import type { FileContent } from "../stores/content.js";
import type { LedgerLayers } from "../stores/layers.js";
import { FakeDriver, stream } from "../stores/testing/fake-driver.js";
import { FakeMounter, TestClock, container, imageConfig, temporaryRoot } from "../stores/testing/fixtures.js";
import { Collector } from "./collect.js";
import { Forgetting } from "./forget.js";
import { findDead, findUnreferred, findUnreferredAside } from "./graph.js";

let root: DataRoot, remove: () => void, clock: TestClock, stores: Stores, collectables: readonly Collectable[];
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  clock = new TestClock();
  stores = openStores({ root, drivers: new Map([["fake", new FakeDriver(root.driver("fake"))]]), defaultDriver: "fake", mounter: new FakeMounter(), clock, logger: silentLogger });
  collectables = [...(stores.layers as LedgerLayers).collectables, ...(stores.content as FileContent).collectables];
});
afterEach(async () => { await stores.close(); remove(); });

/** One that searches on the other thread, whatever the search takes. */
const collector = (): Collector => new Collector({ ledger: stores.ledger, leases: stores.leases, collectables, clock, logger: silentLogger, emptyScratch: async () => undefined, patience: -1 });
function forget(nodes: readonly GraphNode[]): string[] {
  const work = new Forgetting(stores.ledger, collectables, nodes);
  while (!work.done) work.step();
  expect(stores.ledger.sql("PRAGMA foreign_key_check").all()).toEqual([]);
  return work.gone.map(({ kind, key }) => `${kind} ${key}`).sort();
}
async function chainOf(contents: readonly string[], lease: Lease): Promise<Layer[]> {
  const chain: Layer[] = [];
  for (const content of contents) chain.push(await stores.layers.register(stream(content), chain.at(-1)?.chainId ?? null, lease));
  return chain;
}
const named = (layers: readonly Layer[]): string[] => layers.map(({ chainId }) => `layer ${chainId}`).sort();
const imageOf = (chain: readonly Layer[], lease: Lease): ImageId => stores.images.create(imageConfig(chain.map(({ diffId }) => diffId)), lease);

describe("what has come to be referred to since it was found dead stays, and what is below it; the rest goes", () => {
  /** A chain of three, and what is done with its second layer. */
  const takenUp: Readonly<Record<string, (chain: readonly Layer[]) => unknown>> = {
    "an image": (chain) => stores.leases.with("pull", async (lease) => imageOf(chain.slice(0, 2), lease)),
    "a lease": (chain) => stores.leases.hold(stores.leases.open("pull"), "layer", chain[1]!.chainId),
    "a lease on its snapshot": (chain) => stores.leases.hold(stores.leases.open("repair"), "snapshot", chain[1]!.snapshot),
    "a record of a build": (chain) => stores.buildCache.record({ key: "k", parent: null, config: Buffer.from("{}"), top: chain[1]!.chainId, description: "RUN x", size: 1 }),
    "a container's layer": async (chain) => {
      const lease = stores.leases.open("create");
      await stores.layers.createWritable("box", chain[1]!.chainId, lease);
    },
    "a child": (chain) => stores.layers.register(stream("child"), chain[1]!.chainId, stores.leases.open("pull")),
  };
  test.each(Object.keys(takenUp))("by %s", async (how) => {
    const chain = await stores.leases.with("pull", (lease) => chainOf(["a", "b", "c"], lease));
    const found = await findUnreferredAside(stores.ledger);
    expect(found).toEqual([{ kind: "layer", key: chain[2]!.chainId }]);
    expect(found).toEqual(findUnreferred(stores.ledger));
    // As if it were known of each.
    found.push(...chain.map(({ chainId }) => ({ kind: "layer" as const, key: chainId })));
    await takenUp[how]!(chain);
    expect(forget(found)).toEqual(named(chain.slice(2)));
    expect([...stores.layers.list()].map(({ chainId }) => chainId)).toEqual(expect.arrayContaining(chain.slice(0, 2).map(({ chainId }) => chainId)));
  });

  test("a blob, by a lease or by a manifest's image", async () => {
    const [held, described, loose] = await stores.leases.with("pull", (lease) => Promise.all(["held", "described", "loose"].map((text) => stores.content.put(Buffer.from(text), lease))));
    const found = await findUnreferredAside(stores.ledger);
    stores.leases.hold(stores.leases.open("push"), "blob", held!.digest);
    await stores.leases.with("pull", async (lease) => stores.images.addManifest(imageOf([], lease), described!.digest));
    expect(forget(found)).toEqual([`blob ${loose!.digest}`]);
  });

  test("also while the collector works", async () => {
    const lease = stores.leases.open("pull");
    const kept = await chainOf(Array.from({ length: 20 }, (_, i) => `kept ${i}`), lease), gone = await chainOf(["gone"], lease);
    stores.leases.close(lease);
    const collecting = collector().collect({ wait: true });
    const image = await stores.leases.with("pull", async (held) => imageOf(kept, held));
    expect((await collecting).items.map(({ key }) => key)).toEqual([gone[0]!.chainId]);
    expect(stores.images.get(image).top).toBe(kept.at(-1)!.chainId);
    expect([...stores.layers.list()]).toHaveLength(kept.length);
  });
});

test("an owner that never came to be, or is gone, keeps nothing", async () => {
  const { chain, lease } = await stores.leases.with("pull", async (held) => ({ chain: await chainOf(["a"], held), lease: stores.leases.open("create") }));
  await stores.layers.createWritable("box", chain[0]!.chainId, lease);
  stores.leases.close(lease);
  expect(forget(await findUnreferredAside(stores.ledger))).toEqual([...named(chain), "snapshot box", "snapshot box-init"].sort());
});

test("in whatever order things are listed, referrers go first, and a step may end anywhere", () => {
  // A trunk with many branches of two layers each; every key once, in no order.
  const layer = stores.ledger.sql<[string, string, string | null]>("INSERT INTO layer (chain_id, diff_id, parent, size, tar_size, created_at, last_used_at) VALUES (?, ?, ?, 1, 1, 0, 0)");
  const snapshot = stores.ledger.sql<[string, string]>("INSERT INTO snapshot (id, driver, kind, state, chain, bytes, inodes, created_at) VALUES (?, 'fake', 'layer', 'committed', ?, 10, 1, 0)");
  const nodes: GraphNode[] = [];
  const add = (key: string, parent: string | null): void => {
    layer.run(key, `diff ${key}`, parent);
    snapshot.run(`snapshot ${key}`, key);
    nodes.push({ kind: "layer", key });
  };
  stores.ledger.transaction(() => {
    add("trunk 0", null);
    for (let i = 1; i < 20; i++) add(`trunk ${i}`, `trunk ${i - 1}`);
    for (let i = 0; i < 1500; i++) {
      add(`branch ${i}`, `trunk ${i % 20}`);
      add(`leaf ${i}`, `branch ${i}`);
    }
  });
  nodes.sort((a, b) => digestOf(Buffer.from(a.key)).localeCompare(digestOf(Buffer.from(b.key))));
  const work = new Forgetting(stores.ledger, collectables, nodes);
  while (!work.done) {
    work.step();
    expect(stores.ledger.sql("PRAGMA foreign_key_check").all()).toEqual([]);
  }
  expect(work.gone).toHaveLength(nodes.length);
  expect(work.gone[0]).toMatchObject({ kind: "layer", bytes: 10, inodes: 1 });
  expect([...work.kinds].sort()).toEqual(["layer", "snapshot"]);
  for (const table of ["layer", "snapshot"]) expect(stores.ledger.sql<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).get()!.n).toBe(0);
});

test("beginning at what lost a reference finds what looking everywhere does, and touches nothing else", async () => {
  let seed = 11;
  const random = (n: number): number => { seed = (seed * 1103515245 + 12345) % 2 ** 31; return (seed >> 8) % n; };
  const images = new Map<ImageId, { top: ChainId; manifest: string }>();
  await stores.leases.with("pull", async (lease) => {
    for (let i = 0; i < 30; i++) {
      const chain = await chainOf(Array.from({ length: 1 + random(5) }, (_, k) => `layer ${k} ${random(2)}`), lease);
      const id = imageOf(chain, lease), manifest = await stores.content.put(Buffer.from(`manifest ${i}`), lease), packed = await stores.content.put(Buffer.from(`packed ${chain.at(-1)!.diffId}`), lease);
      stores.images.addManifest(id, manifest.digest);
      stores.images.addSource(chain.at(-1)!.diffId, { ...packed, repository: "docker.io/library/app" });
      images.set(id, { top: chain.at(-1)!.chainId, manifest: manifest.digest });
    }
  });
  // Dead before, and nobody's business here.
  const stray = await stores.leases.with("pull", (lease) => stores.content.put(Buffer.from("stray"), lease));
  for (const { key } of await findDead(stores.ledger)) if (key !== stray.digest) forget([{ kind: "blob", key }]);
  const boxed = [...images.keys()][3]!;
  stores.containers.create(container(boxed, "box"));
  for (const id of images.keys()) {
    if (id === boxed) continue;
    const manifests = stores.images.manifests(id), { top } = images.get(id)!;
    stores.images.remove(id);
    const expected = (await findDead(stores.ledger)).filter(({ key }) => key !== stray.digest).map(({ kind, key }) => `${kind} ${key}`).sort();
    const { items } = await stores.collector.collect({ from: [{ kind: "layer", key: top }, ...manifests.map((key) => ({ kind: "blob" as const, key }))], wait: true });
    expect(items.map(({ kind, key }) => `${kind} ${key}`).sort()).toEqual(expected);
  }
  expect((await findDead(stores.ledger)).map(({ key }) => key)).toEqual([stray.digest]);
  expect([...stores.layers.list()].map(({ chainId }) => chainId)).toContain(images.get(boxed)!.top);
});

test("each thing that goes is reported once, by whoever removed what held it", async () => {
  const lease = stores.leases.open("pull");
  const mine = await chainOf(["mine"], lease), others = await chainOf(["other"], lease);
  const id = imageOf(mine, lease);
  stores.leases.close(lease);
  const everywhere = collector();
  stores.images.remove(id);
  const [all, own] = await Promise.all([everywhere.collect(), everywhere.collect({ from: [{ kind: "layer", key: mine[0]!.chainId }] })]);
  expect(own.items.map(({ key }) => key)).toEqual([mine[0]!.chainId]);
  expect(all.items.map(({ key }) => key)).toEqual([others[0]!.chainId]);
});
