import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { digestOf } from "@strata/oci";
import { DataRoot, silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "../distribution/client.js";
import { ArchiveLoader } from "../distribution/load.js";
import { Puller } from "../distribution/pull.js";
import { Pusher } from "../distribution/push.js";
import { FakeRegistry, noDockerRegistry, startDockerRegistry, testImage } from "../distribution/testing/registry.js";
import { MemoryEvents } from "../distribution/testing/memory-stores.js";
import { openStores } from "../open-stores.js";
import type { Stores } from "../open-stores.js";
import { FakeDriver, never } from "../stores/testing/fake-driver.js";
import { FakeMounter } from "../stores/testing/fixtures.js";
import { Images } from "./images.js";
import type { Progress } from "./types.js";

/** The image service on the real stores: what is on disk and in the ledger, also after the daemon died in the middle. */

let directory: string, registry: FakeRegistry;
const closing: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-durable-"));
  registry = new FakeRegistry();
  await registry.start();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Daemon { service: Images; stores: Stores; driver: FakeDriver; root: DataRoot }
/** Opens a data root as a start of the daemon does; the former one may never have closed it. */
async function start(name = "a"): Promise<Daemon> {
  const root = new DataRoot(join(directory, name));
  const driver = new FakeDriver(root.driver("fake"));
  const stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter: new FakeMounter(), clock: systemClock, logger: silentLogger });
  await stores.collector.recover();
  const client = new RegistryClient({ retry: { attempts: 2, baseMs: 1, maxMs: 5 } });
  closing.push(async () => await stores.close(), () => client.close());
  const common = { ...stores, registry: client, logger: silentLogger, clock: systemClock, hostPlatform: { os: "linux", architecture: "amd64" }, temporary: root.tmp };
  const service = new Images({ ...common, gc: stores.collector, events: new MemoryEvents(), driver: "fake", puller: new Puller(common), pusher: new Pusher(common), loader: new ArchiveLoader(common) });
  return { service, stores, driver, root };
}
const signal = (): AbortSignal => new AbortController().signal;
const pull = async ({ service }: Daemon, name: string, more: { signal?: AbortSignal; progress?: (l: Progress) => void } = {}): Promise<void> =>
  await service.pull(`${registry.host}/${name}`, { progress: () => {}, signal: signal(), ...more });
async function onDisk({ stores, root }: Daemon): Promise<Record<string, number>> {
  const count = async (path: string): Promise<number> => await readdir(path).then((names) => names.length, () => 0);
  const temporary = await count(root.tmp);
  // Nothing is under way: this waits for what is removed in the background.
  await stores.collector.recover();
  return { layers: await count(root.driver("fake")), blobs: await count(root.blobs), ingests: await count(root.ingests), temporary };
}
const nothing = { layers: 0, blobs: 0, ingests: 0, temporary: 0 };
const big = (seed: string): string => Array.from({ length: 8000 }, (_, i) => digestOf(`${seed}${i}`)).join("");

test("pull, use, remove: then the data root is empty", async () => {
  const daemon = await start();
  const image = testImage(["one", "two", "one"]);
  registry.add("app", "1", image);
  await pull(daemon, "app:1");
  expect(await onDisk(daemon)).toEqual({ layers: 3, blobs: 1, ingests: 0, temporary: 0 });
  expect(daemon.service.inspect(image.id.slice(7, 19)).image).toMatchObject({ id: image.id, size: 9 });
  expect(daemon.service.inspect("sha256:" + image.id.slice(7, 19)).graphDriver.name).toBe("fake");
  expect(daemon.service.layers({ filters: new Map() })).toHaveLength(3);
  const removed = await daemon.service.remove(`${registry.host}/app:1`, { force: false, prune: true });
  expect(removed).toHaveLength(6);
  expect(removed.slice(0, 3)).toEqual([{ untagged: `${registry.host}/app:1` }, { untagged: `${registry.host}/app@${image.manifestDigest}` }, { deleted: image.id }]);
  expect(await onDisk(daemon)).toEqual(nothing);
});

test("save in one root, load in another, import, prune: both end empty", async () => {
  const [a, b] = [await start("a"), await start("b")];
  const image = testImage([big("x"), "top"]);
  registry.add("app", "1", image);
  await pull(a, "app:1");
  const archive = await buffer(await a.service.save([`${registry.host}/app:1`], {}));
  expect(await b.service.load(Readable.from([archive], { objectMode: false }), { progress: () => {}, signal: signal() })).toEqual([image.id]);
  expect(b.service.history(image.id).map((h) => h.size)).toEqual([3, big("x").length]);
  await b.service.import(Readable.from([Buffer.from("layer")], { objectMode: false }), { changes: [], message: "" });
  await b.service.prune(new Map([["dangling", ["false"]]]));
  await a.service.prune(new Map([["dangling", ["false"]]]));
  expect(await onDisk(a)).toEqual(nothing);
  expect(await onDisk(b)).toEqual(nothing);
});

test.each(["download", "apply"] as const)("the daemon dies in the middle of %s: nothing half-made stays, and the next pull goes on", async (where) => {
  const daemon = await start();
  const image = testImage(["bottom", big("top")]);
  const [small, large] = [digestOf(image.layers[0]!), digestOf(image.layers[1]!)];
  registry.add("app", "1", image);
  const blob = image.layers[1]!;
  if (where === "download") {
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large)) return false;
      response.writeHead(200, { "Content-Length": blob.length }).write(blob.subarray(0, blob.length - 1000));
      return true;
    };
    const applied = new Promise<void>((resolve) => {
      void pull(daemon, "app:1", { progress: (l) => { if (l.id === small.slice(7, 19) && l.status === "Pull complete") resolve(); } }).catch(() => {});
    });
    await applied;
    // What is applied is closed a moment later: a daemon that died would not do that in the next one's time.
    while ((await readdir(daemon.root.ingests)).length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  } else {
    const reached = new Promise<void>((resolve) => {
      daemon.driver.interrupt = (step) => {
        if (step !== "apply" || daemon.driver.calls.push("apply") < 2) return;
        resolve();
        return never();
      };
    });
    void pull(daemon, "app:1").catch(() => {});
    await reached;
  }
  const again = await start();
  expect(await onDisk(again)).toMatchObject({ layers: 0, blobs: 0 });
  registry.intercept = () => false;
  registry.requests.length = 0;
  await pull(again, "app:1");
  if (where === "apply") expect(registry.requests.some((r) => r.url.includes(large))).toBe(false);
  expect(again.service.inspect(image.id).image.tags).toEqual([`${registry.host}/app:1`]);
  expect(await onDisk(again)).toEqual({ layers: 2, blobs: 1, ingests: 0, temporary: 0 });
});

test("failed and refused pulls and loads leave nothing", async () => {
  const daemon = await start();
  registry.add("lie", "1", testImage(["a", "truth"], { diffIds: [digestOf("a"), digestOf("lie")] as never }));
  const wrong = testImage(["b", big("c")]);
  registry.add("wrong", "1", wrong);
  registry.blobs.set(digestOf(wrong.layers[1]!), Buffer.from(wrong.layers[1]!).fill(7, 100, 200));
  for (const name of ["lie:1", "wrong:1"]) await expect(pull(daemon, name)).rejects.toMatchObject({ code: "DataLoss" });
  daemon.driver.interrupt = (step) => {
    if (step === "apply") throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  registry.add("good", "1", testImage(["good"]));
  await expect(pull(daemon, "good:1")).rejects.toThrow("failed to register layer: ENOSPC: no space left on device, write");
  await expect(daemon.service.load(Readable.from([Buffer.alloc(2000, 1)], { objectMode: false }), { progress: () => {}, signal: signal() })).rejects.toMatchObject({ code: "InvalidArgument" });
  expect(await onDisk(daemon)).toEqual(nothing);
});

const describeWithRegistry = noDockerRegistry === undefined ? test : test.skip;
describeWithRegistry(`push to Debian's docker-registry and pull into a second, empty root: the same image ID${noDockerRegistry === undefined ? "" : ` (skipped: ${noDockerRegistry})`}`, async () => {
  const docker = await startDockerRegistry();
  try {
    const [a, b] = [await start("a"), await start("b")];
    const image = testImage([big("x"), "y"]);
    registry.add("app", "1", image);
    await pull(a, "app:1");
    const name = `${docker.host}/team/app:1`;
    a.service.tag(image.id, name);
    const lines: Progress[] = [];
    await a.service.push(name, { progress: (l) => void lines.push(l), signal: signal() });
    expect(lines[0]).toEqual({ status: `The push refers to repository [${docker.host}/team/app]` });
    await b.service.pull(name, { progress: () => {}, signal: signal() });
    expect(b.service.inspect(name).image.id).toBe(image.id);
    expect(a.service.inspect(name).image.digests).toEqual(expect.arrayContaining(b.service.inspect(name).image.digests as string[]));
  } finally {
    await docker.stop();
  }
});
