import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, parseReference } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "./client.js";
import { Puller } from "./pull.js";
import type { Pulled } from "./pull.js";
import { memoryWorld } from "./testing/memory-stores.js";
import { FakeRegistry, testImage } from "./testing/registry.js";

let directory: string, registry: FakeRegistry, client: RegistryClient, puller: Puller;
const big = (seed: string, size: number): Buffer => Buffer.from(Array.from({ length: Math.ceil(size / 64) }, (_, i) => digestOf(`${seed}${i}`).slice(7)).join(""));
const image = testImage([big("first", 300_000), big("second", 2_000_000)]);
const large = digestOf(image.layers[1]!);
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-pieces-"));
  registry = new FakeRegistry();
  await registry.start();
  registry.add("img", "latest", image);
  client = new RegistryClient({ retry: { attempts: 3, baseMs: 1, maxMs: 20 } });
  const pieces = { least: 1_000_000, piece: 300_000, connections: 3 };
  puller = new Puller({ ...memoryWorld(directory), registry: client, hostPlatform: { os: "linux", architecture: "amd64" }, logger: silentLogger, clock: systemClock, pieces });
});
afterEach(async () => {
  client.close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});
const pull = (): Promise<Pulled> => puller.pull({ reference: parseReference(`${registry.host}/img:latest`), progress: () => undefined, signal: new AbortController().signal });
const ranges = (digest: string): (string | undefined)[] => registry.requests.filter((r) => r.url.includes(digest)).map((r) => r.headers.range);

describe("a large layer over several connections", () => {
  const size = image.layers[1]!.length;
  /** Cuts the first `times` answers about the layer after some bytes. */
  const cut = (times: number, after: number): void => {
    registry.intercept = (request, response) => {
      const [, from, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      if (!request.url!.includes(large) || times-- <= 0) return false;
      const bytes = registry.blobs.get(large)!.subarray(Number(from), Number(last) + 1);
      response.writeHead(206, { "Content-Length": bytes.length, "Content-Range": `bytes ${from}-${last}/${size}` });
      response.write(bytes.subarray(0, after), () => response.destroy());
      return true;
    };
  };
  test("in order, each byte once", async () => {
    expect((await pull()).id).toBe(image.id);
    const asked = ranges(large);
    expect(asked).toHaveLength(Math.ceil(size / 300_000));
    expect(asked).toEqual(expect.arrayContaining(["bytes=0-299999", "bytes=300000-599999"]));
  });
  test("a connection that breaks costs the others nothing", async () => {
    cut(4, 100_000);
    expect((await pull()).id).toBe(image.id);
    const asked = ranges(large);
    expect(asked).toHaveLength(Math.ceil(size / 300_000) + 4);
    expect(new Set(asked).size).toBe(asked.length);
  });
  test("a registry without ranges sends all at once", async () => {
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large)) return false;
      response.end(registry.blobs.get(large));
      return true;
    };
    expect((await pull()).id).toBe(image.id);
    expect(ranges(large)).toHaveLength(1);
  });
  test("wrong bytes are found, and a registry that only breaks is given up", async () => {
    const right = registry.blobs.get(large)!, wrong = Buffer.from(right);
    wrong[700_000]! ^= 1;
    registry.blobs.set(large, wrong);
    await expect(pull()).rejects.toMatchObject({ code: "DataLoss" });
    registry.blobs.set(large, right);
    cut(Infinity, 0);
    await expect(pull()).rejects.toMatchObject({ code: "Unavailable" });
    expect(ranges(large).length).toBeLessThan(40);
    registry.intercept = () => false;
    expect((await pull()).id).toBe(image.id);
  });
});
