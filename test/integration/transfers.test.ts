import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type Exchange, type Fault, FaultyRegistry, type Registry, TestBed, daemonNeeds, disagreements, needs, tarOf, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");

const MiB = 1 << 20;
let bed: TestBed;
let registry: Registry;
let proxy: FaultyRegistry;
let daemon: Daemon;
/** Layers of the image `big`, bottom first: one of 12 MiB, and a small one. */
let layers: { digest: string; size: number }[];
const name = (): string => proxy.name("team/big:1");

beforeAll(async () => {
  bed = await TestBed.create();
  registry = await bed.registry();
  proxy = await FaultyRegistry.start(bed.netns, registry.address, 5100);
  const maker = await bed.daemon({ storageDriver: "overlay2" });
  const folder = bed.path("tree");
  mkdirSync(folder);
  writeFileSync(join(folder, "noise"), randomBytes(12 * MiB));
  await tarOf(folder, bed.path("tree.tar"));
  const image = registry.name("team/big:1");
  await maker.dockerOk("import", "--change", "CMD [\"x\"]", bed.path("tree.tar"), "base");
  await maker.dockerOk("create", "--name", "maker", "base");
  writeFileSync(bed.path("more"), "more");
  await maker.dockerOk("cp", bed.path("more"), "maker:/more");
  await maker.dockerOk("commit", "maker", image);
  await maker.dockerOk("push", "-q", image);
  const manifest = JSON.parse(await bed.netns.ok("curl", ["-sf", "-H", "Accept: application/vnd.docker.distribution.manifest.v2+json", `http://${registry.address}/v2/team/big/manifests/1`])) as { layers: { digest: string; size: number }[] };
  ({ layers } = manifest);
  await bed.end(maker);
  daemon = await bed.daemon({ storageDriver: "overlay2" });
}, 120_000);
afterAll(async () => {
  await proxy.stop();
  await bed.close();
}, 60_000);
afterEach(async () => {
  await proxy.faults();
  await daemon.docker(["rmi", "-f", name()]);
});

const blob = (i: number): string => `GET .*/blobs/${layers[i]!.digest}`;
const gets = async (i: number): Promise<Exchange[]> => (await proxy.exchanges()).filter((e) => new RegExp(blob(i)).test(`${e.method} ${e.path}`));
/** Bytes of a layer that were sent beyond its size, as a part of it. */
const twice = async (i: number): Promise<number> => (await gets(i)).reduce((sum, e) => sum + e.sent, 0) / layers[i]!.size - 1;
async function pulled(): Promise<void> {
  await daemon.dockerOk("pull", "-q", name());
  expect((await daemon.inspect(name(), "image")).RootFS.Layers).toHaveLength(2);
}
/** Bytes of the largest download that is under way. */
function ingested(): number {
  const folder = join(daemon.dataRoot, "content/ingest");
  return Math.max(0, ...readdirSync(folder).map((id) => statSync(join(folder, id, "data"), { throwIfNoEntry: false })?.size ?? 0));
}
const arrived = (bytes: number): Promise<true> => until(() => (ingested() >= bytes ? true : undefined), 60_000, `${bytes} bytes of a download`);

describe("a pull that is disturbed succeeds", () => {
  const cases: readonly (readonly [string, () => Fault[]])[] = [
    ["connections that break again and again", () => [{ on: blob(0), kind: "cut", after: MiB + 1000, times: 10 }]],
    ["429 and 503 with Retry-After", () => [
      { on: "GET .*/manifests/", kind: "status", status: 429, headers: { "Retry-After": "0" }, times: 2 },
      { on: blob(0), kind: "status", status: 503, headers: { "Retry-After": "1" }, times: 1 }, { on: blob(1), kind: "status", status: 500, times: 2 },
    ]],
    ["bodies that end early and look whole", () => [{ on: blob(0), kind: "truncate", after: 5 * MiB, times: 2 }]],
    ["a Content-Length that is too long", () => [{ on: blob(0), kind: "length", by: 1000, times: 1 }]],
    ["a Content-Length that is too short", () => [{ on: blob(0), kind: "length", by: -1000, times: 1 }]],
    ["a registry without ranges that breaks once", () => [{ on: blob(0), kind: "cut", after: 3 * MiB, times: 1 }, { on: blob(0), kind: "whole" }]],
    ["a slow registry", () => [{ on: blob(1), kind: "slow", bytesPerSecond: 2000 }]],
    ["a blob elsewhere", () => [{ on: "GET .*/blobs/", kind: "redirect", to: `http://localhost:${registry.address.split(":")[1]!}` }]],
  ];
  for (const [what, faults] of cases) {
    it(what, async () => {
      await proxy.faults(...faults());
      await pulled();
      if (!what.includes("without ranges")) expect(await twice(0)).toBeLessThan(0.05);
    }, 60_000);
  }
});

describe("a pull that cannot succeed says why, and leaves nothing that is wrong", () => {
  const cases: readonly (readonly [string, () => Fault, RegExp])[] = [
    ["wrong bytes", () => ({ on: blob(0), kind: "flip", at: 5 * MiB }), /verification failed for digest sha256:[0-9a-f]{64}/],
    ["a layer that is not there", () => ({ on: blob(1), kind: "status", status: 404, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ errors: [{ code: "BLOB_UNKNOWN", message: "blob unknown to registry" }] }) }), /blob unknown/],
    ["a layer that is refused", () => ({ on: blob(1), kind: "status", status: 403 }), /denied/],
    ["a registry that only breaks", () => ({ on: blob(0), kind: "cut", after: 0 }), /connection reset|unexpected EOF|aborted/],
    ["a registry that is overloaded for good", () => ({ on: "GET .*/manifests/", kind: "status", status: 429, headers: { "Retry-After": "0" } }), /toomanyrequests/],
    ["redirects without end", () => ({ on: blob(0), kind: "redirect", to: "" }), /stopped after 10 redirects/],
    ["a redirect to what is no HTTP", () => ({ on: blob(0), kind: "redirect", to: "ftp://elsewhere" }), /unsupported protocol scheme/],
  ];
  for (const [what, fault, message] of cases) {
    it(what, async () => {
      await proxy.faults(fault());
      const { code, stderr } = await daemon.docker(["pull", name()]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
      expect((await gets(0)).length).toBeLessThan(15);
      expect(await daemon.dockerOk("images", "-aq")).toBe("");
      expect(await disagreements(daemon)).toEqual([]);
      await proxy.faults();
      await pulled();
    }, 90_000);
  }
});

describe("a download goes on where it stopped", () => {
  it("after kill -9 of the daemon", async () => {
    for (let round = 0; round < 2; round++) {
      const reached = ingested() + 2 * MiB;
      await proxy.faults({ on: blob(0), kind: "hold", after: 4 * MiB, times: 1 });
      const client = daemon.dockerStart("pull", name());
      await arrived(reached);
      await daemon.kill9();
      await client.exit;
      await proxy.release();
      await daemon.start();
      expect(ingested()).toBeGreaterThanOrEqual(reached);
      // A collection does not take it for garbage.
      await daemon.dockerOk("image", "prune", "-af");
    }
    const before = ingested();
    await proxy.faults();
    await pulled();
    const [first] = await gets(0);
    expect(first!.range).toMatch(/^bytes=\d+-/);
    expect(first!.sent).toBe(layers[0]!.size - before);
  }, 120_000);

  it("after a cancel", async () => {
    await proxy.faults({ on: blob(0), kind: "hold", after: 6 * MiB, times: 1 });
    const client = daemon.dockerStart("pull", name());
    await arrived(5 * MiB);
    client.kill("SIGINT");
    await client.exit;
    await proxy.release();
    const before = ingested();
    expect(before).toBeGreaterThanOrEqual(5 * MiB);
    await proxy.faults();
    await pulled();
    expect((await gets(0)).map((e) => e.range)).toEqual([expect.stringMatching(/^bytes=\d+-/)]);
  }, 60_000);
});

describe("a layer is applied while it comes", () => {
  /** Where a driver puts the content of the large layer's file. */
  const parts: Readonly<Record<string, string>> = { overlay2: "diff/noise", erofs: "layer.tar" };
  for (const [driver, part] of Object.entries(parts)) {
    it(`${driver}: and with the download it is given up`, async () => {
      const own = await bed.daemon({ storageDriver: driver });
      const snapshots = join(own.dataRoot, driver);
      const applied = (): number => Math.max(0, ...readdirSync(snapshots).map((id) => statSync(join(snapshots, id, part), { throwIfNoEntry: false })?.size ?? 0));
      const begun = (): Promise<true> => until(() => applied() >= 4 * MiB || undefined, 60_000, "4 MiB to be applied");
      await proxy.faults({ on: blob(0), kind: "hold", after: 6 * MiB, times: 1 });
      const given = own.dockerStart("pull", name());
      await begun();
      given.kill("SIGINT");
      await given.exit;
      await proxy.release();
      await until(async () => (applied() === 0 && (await disagreements(own)).length === 0) || undefined, 60_000, "nothing of the layer to be there");
      expect((await own.api("GET", "/layers")).json).toEqual([]);

      // A crash in the middle of it; what came is not asked for again, and the layer is applied from its first byte.
      await proxy.faults({ on: blob(0), kind: "hold", after: 4 * MiB, times: 1 });
      const killed = own.dockerStart("pull", name());
      await until(() => applied() >= 6 * MiB || undefined, 60_000, "6 MiB to be applied");
      await own.kill9();
      await killed.exit;
      await proxy.release();
      await own.start();
      expect((await own.api("GET", "/layers")).json).toEqual([]);

      await proxy.faults({ on: blob(0), kind: "flip", at: 11 * MiB, times: 1 }, { on: blob(0), kind: "cut", after: 2 * MiB, times: 2 });
      await own.dockerOk("pull", "-q", name());
      await own.dockerOk("save", "-o", bed.path("whole.tar"), name());
      expect(await disagreements(own)).toEqual([]);
      await bed.end(own);
    }, 120_000);
  }
});

it("ten pulls at once fetch each blob once, each sees progress, and one that leaves does not disturb the others", async () => {
  await proxy.faults({ on: blob(0), kind: "hold", after: 2 * MiB });
  const clients = Array.from({ length: 10 }, () => daemon.dockerStart("pull", name()));
  const short = layers[0]!.digest.slice(7, 19);
  await Promise.all(clients.map((c) => c.waitFor(new RegExp(`${short}: Pulling fs layer`), 60_000)));
  await arrived(MiB);
  clients[0]!.kill("SIGINT");
  await clients[0]!.exit;
  await proxy.release();
  expect(await Promise.all(clients.slice(1).map((c) => c.exit))).toEqual(Array.from({ length: 9 }, () => 0));
  for (const { output } of clients.slice(1)) expect(output).toMatch(new RegExp(`${short}: Download complete[^]*${short}: Pull complete`));
  const blobs = (await proxy.exchanges()).filter((e) => e.path.includes("/blobs/")).map((e) => e.path);
  expect(blobs.length).toBe(new Set(blobs).size);
  expect(blobs.length).toBe(3);
}, 90_000);

it("credentials stay with the registry they are for", async () => {
  const other = await FaultyRegistry.start(bed.netns, registry.address, 5101);
  await proxy.faults(
    { on: "GET /v2/$", kind: "status", status: 401, headers: { "WWW-Authenticate": "Basic realm=\"x\"" }, times: 1 },
    { on: "GET .*/blobs/", kind: "redirect", to: `http://${other.address}` },
  );
  const auth = Buffer.from(JSON.stringify({ username: "me", password: "secret" })).toString("base64url");
  const { status, text } = await daemon.api("POST", "/images/create", { query: { fromImage: proxy.name("team/big"), tag: "1" }, headers: { "X-Registry-Auth": auth } });
  expect([status, text]).toEqual([200, expect.stringContaining("Downloaded newer image")]);
  expect((await proxy.exchanges()).filter((e) => e.path.includes("/manifests/")).every((e) => e.authorization?.startsWith("Basic "))).toBe(true);
  const there = await other.exchanges();
  expect(there.length).toBeGreaterThanOrEqual(3);
  expect(there.filter((e) => e.authorization !== undefined)).toEqual([]);
  await other.stop();
  expect(readFileSync(daemon.logFile, "utf8")).not.toContain("secret");
}, 60_000);
