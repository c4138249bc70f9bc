/** Large layers are applied while they are downloaded. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, parseReference } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "./client.js";
import type { ProgressLine } from "./progress.js";
import { Puller } from "./pull.js";
import type { Pulled } from "./pull.js";
import { memoryWorld } from "./testing/memory-stores.js";
import type { MemoryWorld } from "./testing/memory-stores.js";
import { FakeRegistry, testImage } from "./testing/registry.js";

let directory: string, registry: FakeRegistry, world: MemoryWorld, client: RegistryClient, puller: Puller;
const lines: ProgressLine[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-pull-"));
  registry = new FakeRegistry();
  await registry.start();
  world = memoryWorld(directory);
  client = new RegistryClient({ retry: { attempts: 3, baseMs: 1, maxMs: 20 } });
  puller = new Puller({ ...world, registry: client, hostPlatform: { os: "linux", architecture: "amd64" }, logger: silentLogger, clock: systemClock });
  registry.add("wide", "latest", image);
});
afterEach(async () => {
  client.close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

const pull = async (name: string, signal = new AbortController().signal): Promise<Pulled> => {
  lines.length = 0;
  return await puller.pull({ reference: parseReference(`${registry.host}/${name}:latest`), progress: (l) => lines.push(l), signal });
};
const statuses = (id: string): (string | undefined)[] => lines.filter((l) => l.id === id).map((l) => l.status).filter((s, i, all) => s !== all[i - 1]);
const big = (seed: string): Buffer => Buffer.from(Array.from({ length: 62_500 }, (_, i) => digestOf(`${seed}${i}`).slice(7)).join(""));
const leftovers = (): Promise<string[]> => readdir(directory);
const image = testImage([big("wide")]);
const [packed] = image.layers as [Buffer];
const digest = digestOf(packed);
const begun = (): number => world.layers.log.filter((l) => l.startsWith("start on")).length;
const reached = (): number => Math.max(0, ...world.layers.log.map((l) => Number(/^reached (\d+)/.exec(l)?.[1] ?? 0)));
const until = async (condition: () => boolean): Promise<void> => { while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10)); };
/** Holds back the second half of the first body until it is told to go on; `after` says how. */
const hold = (after: (response: http.ServerResponse, rest: Buffer) => void): { go: () => void } => {
  const half = packed.length >> 1, held = { go: (): void => {} };
  let times = 1;
  registry.intercept = (request, response) => {
    if (!request.url!.includes(digest) || times-- <= 0) return false;
    response.writeHead(200, { "Content-Length": packed.length }).write(packed.subarray(0, half));
    held.go = () => after(response, packed.subarray(half));
    return true;
  };
  return held;
};

test("a large layer is taken while it comes", async () => {
  const held = hold((response, rest) => response.end(rest));
  const pulling = pull("wide");
  await until(() => reached() > 500_000);
  expect(world.layers.tars.size).toBe(0);
  held.go();
  expect((await pulling).id).toBe(image.id);
  expect(begun()).toBe(1);
  expect(statuses(digest.slice(7, 19))).toEqual(["Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"]);
  expect(await leftovers()).toEqual([]);
});
test("a drop of the connection does not end that", async () => {
  const held = hold((response) => response.destroy());
  const pulling = pull("wide");
  await until(() => reached() > 500_000);
  held.go();
  expect((await pulling).id).toBe(image.id);
  expect(begun()).toBe(1);
});
test("it is taken once more where all of it is sent again", async () => {
  const held = hold((response) => {
    registry.intercept = (request, again) => request.url!.includes(digest) && again.writeHead(200, { "Content-Length": packed.length }).end(packed) !== undefined;
    response.destroy();
  });
  const pulling = pull("wide");
  await until(() => reached() > 500_000);
  held.go();
  expect((await pulling).id).toBe(image.id);
  expect(begun()).toBe(2);
  expect(world.layers.log.filter((l) => l.startsWith("end"))).toHaveLength(1);
});
test("it is given up when its bytes are wrong", async () => {
  const wrong = Buffer.from(packed);
  wrong[wrong.length - 20]! ^= 1;
  registry.blobs.set(digest, wrong);
  await expect(pull("wide")).rejects.toMatchObject({ code: "DataLoss", message: expect.stringContaining(`verification failed for digest ${digest}`) as string });
  expect(world.layers.log.filter((l) => l.startsWith("end"))).toEqual([]);
  expect([await leftovers(), world.layers.tars.size, world.leases.holds.size]).toEqual([[], 0, 0]);
});
test("it is given up with the pull; what came is kept", async () => {
  const abort = new AbortController();
  hold((response) => response.destroy());
  const pulling = pull("wide", abort.signal);
  await until(() => reached() > 500_000);
  // Of this realm: jest's tests have an Error of their own.
  abort.abort(Object.assign(new Error("cancelled"), { name: "AbortError" }));
  await expect(pulling).rejects.toMatchObject({ name: "AbortError" });
  expect([world.layers.tars.size, world.leases.holds.size]).toEqual([0, 0]);
  expect((await pull("wide")).id).toBe(image.id);
  expect(registry.requests.filter((r) => r.url.includes(digest)).at(-1)!.headers.range).toMatch(/^bytes=\d{6,}-$/);
});
test("who leaves gives up its own; others who want the same bytes go on", async () => {
  const abort = new AbortController(), held = hold((response, rest) => response.end(rest));
  // Another image has the packed layer on another place.
  const upper = testImage(["below", big("wide")]);
  registry.add("upper", "latest", upper);
  const first = pull("wide", abort.signal);
  const second = pull("upper");
  await until(() => begun() === 3 && reached() > 500_000);
  abort.abort();
  await expect(first).rejects.toMatchObject({ name: "AbortError" });
  held.go();
  expect((await second).id).toBe(upper.id);
  expect(registry.gets(digest)).toBe(1);
});
