import { existsSync, mkdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest, ImageId } from "@strata/oci";
import { type DataRoot, type Found, type Layer, type SnapshotId, silentLogger } from "../core/index.js";
import { type Stores, openStores } from "../open-stores.js";
import { FakeDriver, stream } from "./testing/fake-driver.js";
import { FakeMounter, TestClock, container, imageConfig, temporaryRoot } from "./testing/fixtures.js";

let root: DataRoot, remove: () => void, driver: FakeDriver, mounter: FakeMounter, stores: Stores, clock: TestClock;
beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  driver = new FakeDriver(root.driver("fake"));
  mounter = new FakeMounter();
  clock = new TestClock(Date.now());
  stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter, clock, logger: silentLogger });
});
afterEach(async () => { await stores.close(); remove(); });

async function inspect(deep = false, note = (text: string): void => { throw new Error(text); }): Promise<Found[]> {
  const found: Found[] = [];
  const how = { deep, signal: new AbortController().signal, read: async () => undefined, note };
  for (const inspector of stores.inspectors) for await (const step of inspector.inspect(how)) if ("problem" in step) found.push(step);
  return found;
}
const names = (found: readonly Found[]): string[] => found.map(({ problem, kind, id }) => `${problem} ${kind} ${id}`).sort();

/** An image of two layers with its manifest, and a container on it. */
async function fill(): Promise<{ id: ImageId; chain: Layer[]; manifest: Digest }> {
  return stores.leases.with("pull", async (lease) => {
    const base = await stores.layers.register(stream("base"), null, lease), top = await stores.layers.register(stream("top"), base.chainId, lease);
    const id = stores.images.create(imageConfig([base.diffId, top.diffId]), lease);
    const { digest } = await stores.content.put(Buffer.from("manifest"), lease);
    stores.images.addManifest(id, digest);
    await stores.layers.createWritable("box", top.chainId, lease);
    stores.containers.create(container(id, "box", { id: "box" as never }));
    await stores.containers.makeDirectory("box" as never);
    return { id, chain: [base, top], manifest: digest };
  });
}

test("what is as it should be gives no finding, deep or not", async () => {
  await fill();
  await stores.volumes.create({ name: "data" });
  expect(await inspect()).toEqual([]);
  expect(await inspect(true)).toEqual([]);
});

test("orphans are found once, and mended as a sweep would", async () => {
  await fill();
  const strays = [
    join(root.driver("fake"), "stray"), join(root.blobs, "ab".repeat(32)), join(root.ingests, "stray"), join(root.containers, "stray"), join(root.volumes, "stray"),
    root.layerdbMount("fake", "stray"), join(root.trash, "stray"), join(root.tmp, "stray"),
  ];
  for (const path of strays) mkdirSync(path, { recursive: true });
  rmSync(strays[1]!, { recursive: true });
  writeFileSync(strays[1]!, "x");
  utimesSync(join(root.tmp, "stray"), 1000, 1000);
  mounter.mounted.set(join(root.tmp, "stray", "deep"), { target: "", mounts: [] });
  mounter.mounted.set(root.volumes, { target: "", mounts: [] });
  const found = await inspect();
  expect(names(found)).toEqual([
    `orphan blob sha256:${"ab".repeat(32)}`, "orphan container stray", "orphan file image/fake/layerdb/mounts/stray", "orphan file tmp/stray", "orphan file trash/stray", "orphan ingest stray", "orphan mount tmp/stray/deep",
    "orphan snapshot fake/stray", "orphan volume stray",
  ].sort());
  for (const { mend } of found) expect(await mend!()).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([...mounter.mounted.keys()]).toEqual([root.volumes]);
  expect(strays.filter((path) => existsSync(path))).toEqual([]);
  expect(await inspect()).toEqual([]);
});

test("what is being removed, or made, is no orphan", async () => {
  const { id, chain } = await fill();
  const seen: string[][] = [];
  driver.interrupt = async (step) => { if (step === "remove" || step === "create" || step === "apply") seen.push(names(await inspect())); };
  await stores.layers.release("box");
  stores.containers.remove("box" as never);
  await stores.containers.removeDirectory("box" as never);
  await stores.leases.with("create", async (lease) => {
    await stores.layers.createWritable("next", chain[1]!.chainId, lease);
    await stores.layers.register(stream("more"), chain[1]!.chainId, lease);
  });
  await stores.layers.release("next");
  stores.images.remove(id);
  await stores.collector.collect({ wait: true });
  expect(seen.length).toBeGreaterThan(6);
  expect(seen.flat()).toEqual([]);
  driver.interrupt = () => undefined;
  expect(await inspect()).toEqual([]);
});

test("a snapshot that could not be removed is an orphan", async () => {
  const { chain } = await fill();
  await stores.leases.with("create", (lease) => stores.layers.createWritable("next", chain[1]!.chainId, lease));
  driver.interrupt = (step, snapshot) => { if (step === "remove" && snapshot === "next") throw new Error("EBUSY"); };
  await stores.layers.release("next");
  driver.interrupt = () => undefined;
  expect(names(await inspect())).toEqual(["orphan snapshot fake/next"]);
});

test("what is gone is missing, with the images that suffer; a sound one takes its place", async () => {
  const { id, chain, manifest } = await fill();
  await stores.volumes.create({ name: "data" });
  rmSync(join(root.driver("fake"), chain[1]!.snapshot), { recursive: true });
  rmSync(join(root.driver("fake"), "box"), { recursive: true });
  rmSync(join(root.driver("fake"), "box-init"), { recursive: true });
  rmSync(join(root.containers, "box"), { recursive: true });
  rmSync(join(root.volumes, "data"), { recursive: true });
  rmSync(join(root.blobs, manifest.slice("sha256:".length)));
  const found = await inspect();
  expect(names(found)).toEqual([`missing blob ${manifest}`, "missing container box", "missing container box", `missing layer ${chain[1]!.chainId}`, "missing volume data"].sort());
  expect(found.filter(({ kind }) => kind === "layer" || kind === "blob").map(({ images }) => images)).toEqual([[id], [id]]);
  expect(stores.layers.has(chain[1]!.chainId)).toBe(false);
  const [layer, blob] = ["layer", "blob"].map((kind) => found.find((f) => f.kind === kind)!);
  expect([await layer!.mended!(), await blob!.mended!()]).toEqual([false, false]);
  await stores.leases.with("pull", async (lease) => {
    await stores.layers.register(stream("top"), chain[0]!.chainId, lease);
    await stores.content.put(Buffer.from("manifest"), lease);
  });
  expect([await layer!.mended!(), await blob!.mended!()]).toEqual([true, true]);
});

test("other bytes are found by reading; what turns out to be sound is so again", async () => {
  const { id, chain, manifest } = await fill();
  const file = driver.path(chain[0]!.snapshot as SnapshotId, "layer.tar"), blob = join(root.blobs, manifest.slice("sha256:".length));
  writeFileSync(file, "bass");
  writeFileSync(blob, "manifesT");
  expect(await inspect()).toEqual([]);
  const notes: string[] = [];
  const found = await inspect(true, (text) => { notes.push(text); });
  expect(names(found)).toEqual([`corrupt blob ${manifest}`, `corrupt layer ${chain[0]!.chainId}`]);
  expect(notes).toEqual([`layer ${chain[1]!.chainId}: how it is shown was not looked at, since a layer below it is damaged`]);
  expect(found.map(({ images }) => images)).toEqual([[id], [id]]);
  // A layer that is known to be damaged needs no reading.
  expect(names(await inspect())).toEqual([`corrupt layer ${chain[0]!.chainId}`]);
  writeFileSync(file, "base");
  truncateSync(blob, 3);
  expect(names(await inspect(true))).toEqual([`corrupt blob ${manifest}`]);
  expect(stores.layers.has(chain[0]!.chainId)).toBe(true);
});

test("a layer with a sound tar that is shown wrongly is mended in place where the driver can, else it counts as damaged", async () => {
  const { id, chain } = await fill(), [base, top] = chain.map(({ snapshot }) => snapshot);
  let mended = 0;
  driver.audit = async (snapshot) => (snapshot === base && mended === 0 ? { detail: "its index is wrong", mend: async () => { mended++; } } : undefined);
  expect(await inspect()).toEqual([]);
  const [index] = await inspect(true);
  expect(index).toMatchObject({ kind: "layer", id: chain[0]!.chainId, problem: "corrupt", detail: "its index is wrong", images: [id] });
  expect(stores.layers.has(chain[0]!.chainId)).toBe(true);
  expect(await index!.mend!()).toBe(true);
  expect(await inspect(true)).toEqual([]);

  driver.audit = async (snapshot) => (snapshot === top ? { detail: "/x has mode 777" } : undefined);
  const [tree] = await inspect(true);
  expect(tree).toMatchObject({ kind: "layer", id: chain[1]!.chainId, detail: "/x has mode 777" });
  expect([tree!.mend, stores.layers.has(chain[1]!.chainId)]).toEqual([undefined, false]);
  // Made anew of its own tar, say.
  await stores.leases.with("repair", async (lease) => stores.layers.register(await stores.layers.tar(chain[1]!.chainId), chain[0]!.chainId, lease));
  expect([stores.layers.has(chain[1]!.chainId), await tree!.mended!()]).toEqual([true, true]);
  driver.audit = async () => { throw Object.assign(new Error("EIO: it is broken"), { code: "EIO" }); };
  const notes: string[] = [];
  expect(await inspect(true, (text) => { notes.push(text); })).toEqual([]);
  expect(notes).toEqual(chain.map(({ chainId }) => `layer ${chainId}: EIO: it is broken`));
});

test("a volume that a crash cut off at its making is forgotten at the next start; one that lost its directory is not", async () => {
  for (const name of ["lost", "cut", "whole"]) await stores.volumes.create({ name });
  for (const name of ["lost", "cut"]) rmSync(join(root.volumes, name), { recursive: true });
  stores.ledger.sql("INSERT INTO volume_coming (volume) VALUES ('cut')").run();
  await stores.collector.recover();
  expect([...stores.volumes.list()].map(({ name }) => name)).toEqual(["lost", "whole"]);
  expect(names(await inspect())).toEqual(["missing volume lost"]);
});
