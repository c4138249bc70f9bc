import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { MediaType, chainIdsOf, digestOf, parseReference, withDefaultTag } from "@strata/oci";
import type { DiffId, ImageConfig } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "./client.js";
import type { RegistryClientOptions } from "./client.js";
import type { ProgressLine } from "./progress.js";
import { Puller } from "./pull.js";
import type { Pulled, PullRequest } from "./pull.js";
import { memoryWorld } from "./testing/memory-stores.js";
import type { MemoryWorld } from "./testing/memory-stores.js";
import { FakeRegistry, testImage } from "./testing/registry.js";

let directory: string, registry: FakeRegistry, world: MemoryWorld, puller: Puller;
const clients: RegistryClient[] = [];

function newPuller(options: RegistryClientOptions = {}): Puller {
  const client = new RegistryClient({ retry: { attempts: 3, baseMs: 1, maxMs: 20 }, ...options });
  clients.push(client);
  return new Puller({ ...world, registry: client, hostPlatform: { os: "linux", architecture: "amd64" }, logger: silentLogger, clock: systemClock });
}
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-pull-"));
  registry = new FakeRegistry();
  await registry.start();
  world = memoryWorld(directory);
  puller = newPuller();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await registry.stop();
  await rm(directory, { recursive: true, force: true });
});

const lines: ProgressLine[] = [];
async function pull(name: string, more: Partial<PullRequest> = {}, by = puller): Promise<Pulled> {
  lines.length = 0;
  const reference = withDefaultTag(parseReference(`${registry.host}/${name}`));
  return await by.pull({ reference, progress: (l) => lines.push(l), signal: new AbortController().signal, ...more });
}
const statuses = (id: string): (string | undefined)[] => lines.filter((l) => l.id === id).map((l) => l.status).filter((s, i, all) => s !== all[i - 1]);
const short = (bytes: Buffer): string => digestOf(bytes).slice(7, 19);
const big = (seed: string, size = 300_000): Buffer => Buffer.from(Array.from({ length: Math.ceil(size / 64) }, (_, i) => digestOf(`${seed}${i}`).slice(7)).join(""));
const leftovers = async (): Promise<string[]> => await readdir(directory).catch(() => []);

test("pulls an image, names it by tag and digest, and knows it the next time", async () => {
  const image = testImage(["one", "two"]);
  registry.add("lib/app", "v1", image);
  const pulled = await pull("lib/app:v1");
  expect(pulled).toEqual({ id: image.id, digest: image.manifestDigest, changed: true });
  const stored = world.images.get(image.id);
  expect(stored.tags).toEqual([`${registry.host}/lib/app:v1`]);
  expect(stored.digests).toEqual([`${registry.host}/lib/app@${image.manifestDigest}`]);
  expect(world.images.config(image.id)).toEqual(image.config);
  expect(world.images.sources(image.diffIds[0]!)[0]).toMatchObject({ digest: digestOf(image.layers[0]!), repository: `${registry.host}/lib/app` });
  expect(world.content.stat(image.manifestDigest)).toMatchObject({ mediaType: MediaType.dockerManifest });
  expect(lines[0]).toEqual({ id: "v1", status: "Pulling from lib/app" });
  expect(statuses(short(image.layers[0]!))).toEqual(["Pulling fs layer", "Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"]);
  expect(await leftovers()).toEqual([]);
  expect(world.leases.holds.size).toBe(0);

  expect(await pull("lib/app:v1")).toMatchObject({ changed: false });
  expect(statuses(short(image.layers[1]!))).toEqual(["Already exists"]);
  expect(registry.gets("/blobs/")).toBe(3);

  expect(await pull(`lib/app@${image.manifestDigest}`)).toMatchObject({ id: image.id, changed: false });
});

test("only missing layers are fetched; layers of a shared base are found", async () => {
  registry.add("base", "latest", testImage(["base", "more"]));
  await pull("base");
  const image = testImage(["base", "more", "own"]);
  registry.add("child", "latest", image);
  registry.requests.length = 0;
  await pull("child");
  expect(registry.gets("/blobs/")).toBe(2);
  expect(image.layers.map((l) => statuses(short(l))[0])).toEqual(["Already exists", "Already exists", "Pulling fs layer"]);
});

test("the same packed layer twice in one image is fetched once", async () => {
  const image = testImage(["same", "other", "same"]);
  registry.add("twice", "latest", image);
  await pull("twice");
  expect(world.images.get(image.id).config.rootfs.diff_ids).toEqual(image.diffIds);
  expect(registry.gets(digestOf(image.layers[0]!))).toBe(1);
  expect(await leftovers()).toEqual([]);
});

test("concurrent pulls share every layer, and each sees progress", async () => {
  const image = testImage([big("a"), big("b"), big("c")]);
  registry.add("x", "1", image);
  registry.add("y", "1", testImage([big("a"), big("b"), "z"]));
  const seen: ProgressLine[][] = [[], [], []];
  const results = await Promise.all(["x:1", "y:1", "x:1"].map((name, i) => puller.pull({ reference: parseReference(`${registry.host}/${name}`), progress: (l) => seen[i]!.push(l), signal: new AbortController().signal })));
  expect(results[0]!.id).toBe(results[2]!.id);
  for (const layer of [0, 1]) expect(registry.gets(digestOf(image.layers[layer]!))).toBe(1);
  expect(world.layers.log.filter((l) => l.startsWith("end"))).toHaveLength(4);
  for (const own of seen) expect(own.filter((l) => l.status === "Pull complete")).toHaveLength(3);
  expect(await leftovers()).toEqual([]);
  expect(world.leases.holds.size).toBe(0);
});

describe("platforms", () => {
  const [amd, arm] = [testImage(["amd"]), testImage(["arm"], { platform: { os: "linux", architecture: "arm64" } })];
  const index = (type: string): Buffer => Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: type, manifests: [[arm, "arm64"], [amd, "amd64"]].map(([image, architecture]) => ({
      mediaType: MediaType.dockerManifest, digest: (image as typeof amd).manifestDigest, size: (image as typeof amd).manifest.length, platform: { os: "linux", architecture },
    })),
  }));
  beforeEach(() => {
    for (const image of [amd, arm]) registry.add("multi", image === amd ? "amd" : "arm", image);
  });
  test.each([MediaType.ociIndex, MediaType.dockerManifestList])("%s: the host's by default, another when asked for", async (type) => {
    registry.addManifest("multi", "latest", index(type), type);
    const pulled = await pull("multi");
    expect(pulled.id).toBe(amd.id);
    expect(pulled.digest).toBe(digestOf(index(type)));
    expect(world.images.get(amd.id).digests).toEqual([`${registry.host}/multi@${digestOf(index(type))}`]);
    expect((await pull("multi", { platform: { os: "linux", architecture: "arm64" } })).id).toBe(arm.id);
    await expect(pull("multi", { platform: { os: "linux", architecture: "s390x" } })).rejects.toMatchObject({ code: "NotFound", message: "no matching manifest for linux/s390x in the manifest list entries" });
  });
  test("a single manifest of another platform than asked for is refused", async () => {
    await expect(pull("multi:amd", { platform: { os: "linux", architecture: "arm64" } })).rejects.toMatchObject({ code: "NotFound", message: expect.stringContaining("does not match the specified platform (linux/arm64)") as string });
  });
});

describe("refusals", () => {
  test("unknown manifest", async () => {
    await expect(pull("nothing:here")).rejects.toMatchObject({ code: "NotFound", message: `manifest for ${registry.host}/nothing:here not found: manifest unknown: manifest unknown` });
  });
  test("denied", async () => {
    registry.intercept = (request, response) => {
      if (!request.url!.includes("manifests")) return false;
      response.writeHead(403, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] }));
      return true;
    };
    await expect(pull("secret")).rejects.toMatchObject({ code: "NotFound", message: `pull access denied for ${registry.host}/secret, repository does not exist or may require 'docker login': denied: requested access to the resource is denied` });
  });
  test("no registry there", async () => {
    const { port } = registry;
    await registry.stop();
    registry = new FakeRegistry();
    await registry.start();
    await expect(pull("x", { reference: parseReference(`127.0.0.1:${port}/x:1`) })).rejects.toMatchObject({ code: "Unavailable", message: `Get "http://127.0.0.1:${port}/v2/": dial tcp 127.0.0.1:${port}: connect: connection refused` });
  });
  test.each<[string, object, RegExp]>([
    ["artifacts", { schemaVersion: 2, config: { mediaType: "application/vnd.cncf.helm.config.v1+json", digest: digestOf("x"), size: 1 }, layers: [] }, /unsupported media type .*helm.*not a container image/],
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, /schema version 1/],
    ["nonsense", { hello: 1 }, /without layers/],
    ["bad digests", { schemaVersion: 2, config: { mediaType: MediaType.ociConfig, digest: "sha256:../../etc/passwd", size: 1 }, layers: [] }, /unsupported digest/],
  ])("%s", async (_, manifest, message) => {
    registry.addManifest("odd", "latest", Buffer.from(JSON.stringify(manifest)), MediaType.ociManifest);
    await expect(pull("odd")).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(message) as string });
  });
  test("a manifest that is not what its digest says", async () => {
    const image = testImage(["a"]);
    registry.manifests.set(`x@${image.manifestDigest}`, { bytes: Buffer.from(image.manifest.toString().replace("2", "2 ")), mediaType: MediaType.dockerManifest });
    await expect(pull(`x@${image.manifestDigest}`)).rejects.toMatchObject({ code: "DataLoss", message: expect.stringContaining(`manifest verification failed for digest ${image.manifestDigest}`) as string });
  });
});

describe("damage", () => {
  const image = testImage([big("good"), big("bad")]);
  const bad = digestOf(image.layers[1]!);
  beforeEach(() => registry.add("img", "latest", image));
  const clean = async (): Promise<void> => {
    await world.gc.collect();
    expect(await leftovers()).toEqual([]);
    expect(world.layers.tars.size).toBe(0);
    expect(world.images.images.size).toBe(0);
    expect(world.leases.holds.size).toBe(0);
  };

  test("wrong bytes are named with both digests, and nothing stays", async () => {
    const wrong = Buffer.from(image.layers[1]!);
    wrong[5000]! ^= 1;
    registry.blobs.set(bad, wrong);
    await expect(pull("img")).rejects.toMatchObject({ code: "DataLoss", message: expect.stringMatching(new RegExp(`layer verification failed for digest ${bad}.*${digestOf(wrong)}`)) as string });
    await clean();
  });
  test("more bytes than the manifest says", async () => {
    registry.blobs.set(bad, Buffer.concat([image.layers[1]!, Buffer.from("x")]));
    await expect(pull("img")).rejects.toMatchObject({ code: "DataLoss", message: expect.stringContaining("sends more than") as string });
    await clean();
  });
  test("a layer that unpacks to something else than the configuration says", async () => {
    registry.add("lie", "latest", testImage(["truth"], { diffIds: [digestOf<DiffId>("lie")] }));
    await expect(pull("lie")).rejects.toMatchObject({ code: "DataLoss", message: expect.stringContaining(`the image says ${digestOf("lie")}`) as string });
    await clean();
  });
  test("a truncated gzip whose digest is right", async () => {
    registry.add("cut", "latest", testImage([big("x")], { packed: [gzipSync(big("x")).subarray(0, 1000)] }));
    await expect(pull("cut")).rejects.toThrow(/failed to register layer: .*unexpected end of file/);
    await clean();
  });
});

describe("interruptions", () => {
  const image = testImage([big("first"), big("second", 2_000_000)]);
  const [small, large] = [digestOf(image.layers[0]!), digestOf(image.layers[1]!)];
  beforeEach(() => registry.add("img", "latest", image));
  /** Sends `bytes` of the body and then cuts the connection, the first `times` times. */
  const drop = (digest: string, bytes: number, times: number): void => {
    registry.intercept = (request, response) => {
      if (!request.url!.includes(digest) || times-- <= 0) return false;
      const blob = registry.blobs.get(digest)!;
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { "Content-Length": blob.length - from, "Content-Range": `bytes ${from}-${blob.length - 1}/${blob.length}` });
      response.write(blob.subarray(from, from + bytes), () => response.destroy());
      return true;
    };
  };
  const ranges = (digest: string): (string | undefined)[] => registry.requests.filter((r) => r.url.includes(digest)).map((r) => r.headers.range);

  test("a dropped blob goes on where it stopped", async () => {
    drop(large, 400_000, 2);
    expect((await pull("img")).id).toBe(image.id);
    expect(ranges(large)).toEqual([undefined, "bytes=400000-", "bytes=800000-"]);
  });
  test("a registry without ranges: from the start again", async () => {
    let served = 0;
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large)) return false;
      const blob = registry.blobs.get(large)!;
      response.writeHead(200, { "Content-Length": blob.length });
      if (served++ === 0) response.write(blob.subarray(0, 100_000), () => response.destroy());
      else response.end(blob);
      return true;
    };
    expect((await pull("img")).id).toBe(image.id);
    expect(ranges(large)).toEqual([undefined, "bytes=100000-"]);
  });
  test("a pull that failed for good is taken up by the next one", async () => {
    drop(large, 500_000, 1);
    const dropping = registry.intercept;
    registry.intercept = (request, response) => {
      if (request.headers.range !== undefined) { request.socket.destroy(); return true; }
      return dropping(request, response);
    };
    await expect(pull("img")).rejects.toMatchObject({ code: "Unavailable" });
    expect(await leftovers()).toHaveLength(1);
    registry.intercept = () => false;
    registry.requests.length = 0;
    expect((await pull("img")).id).toBe(image.id);
    expect(ranges(large)).toEqual(["bytes=500000-"]);
    expect(await leftovers()).toEqual([]);
  });
  test("what suffered while it waited is fetched again from the start", async () => {
    drop(large, 500_000, 1);
    const dropping = registry.intercept;
    registry.intercept = (request, response) => {
      if (request.headers.range !== undefined) { request.socket.destroy(); return true; }
      return dropping(request, response);
    };
    await expect(pull("img")).rejects.toMatchObject({ code: "Unavailable" });
    const [file] = await leftovers();
    await writeFile(join(directory, file!), Buffer.alloc(500_000));
    registry.intercept = () => false;
    registry.requests.length = 0;
    expect((await pull("img")).id).toBe(image.id);
    expect(ranges(large)).toEqual(["bytes=500000-", undefined]);
  });
  test("a cancel keeps what is there; others who want the layer are not disturbed", async () => {
    const abort = new AbortController();
    let release = (): void => {};
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large)) return false;
      const blob = registry.blobs.get(large)!;
      response.writeHead(200, { "Content-Length": blob.length });
      response.write(blob.subarray(0, 1000));
      release = () => response.end(blob.subarray(1000));
      return true;
    };
    let started = (): void => {};
    const downloading = new Promise<void>((resolve) => { started = resolve; });
    const first = pull("img", { signal: abort.signal });
    const second = puller.pull({ reference: parseReference(`${registry.host}/img:latest`), progress: (l) => { if (l.id === large.slice(7, 19) && l.status === "Downloading") started(); }, signal: new AbortController().signal });
    await downloading;
    abort.abort();
    await expect(first).rejects.toMatchObject({ name: "AbortError" });
    release();
    expect((await second).id).toBe(image.id);
    expect(ranges(large)).toHaveLength(1);
  });
  test("a connection on which nothing moves any more is given up, and the download goes on", async () => {
    const by = newPuller({ patience: { readMs: 300, writeMs: 300 } });
    let stalls = 2;
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large) || stalls-- <= 0) return false;
      const blob = registry.blobs.get(large)!;
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { "Content-Length": blob.length - from, "Content-Range": `bytes ${from}-${blob.length - 1}/${blob.length}` });
      response.write(blob.subarray(from, from + 1000));
      return true;
    };
    expect((await pull("img", {}, by)).id).toBe(image.id);
    expect(ranges(large)).toEqual([undefined, "bytes=1000-", "bytes=2000-"]);
  });
  test("a registry that never answers is given up", async () => {
    registry.intercept = (request) => request.url!.includes("manifests");
    await expect(pull("img", {}, newPuller({ patience: { readMs: 50, writeMs: 50 } }))).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("i/o timeout") as string });
    expect(registry.gets("manifests")).toBe(3);
  });
  test("503 with Retry-After, 429, then the answer", async () => {
    const answers = [503, 429];
    registry.intercept = (request, response) => {
      if (!request.url!.includes("manifests") || answers.length === 0) return false;
      response.writeHead(answers.shift()!, { "Retry-After": "0" }).end();
      return true;
    };
    expect((await pull("img")).id).toBe(image.id);
    expect(registry.gets("manifests")).toBe(3);
  });
  test("lower layers are applied while upper ones are still on their way", async () => {
    let answer: (response: http.ServerResponse) => void;
    const asked = new Promise<http.ServerResponse>((resolve) => { answer = resolve; });
    registry.intercept = (request, response) => {
      if (!request.url!.includes(large)) return false;
      answer(response);
      return true;
    };
    let applied = (): void => {};
    const done = new Promise<void>((resolve) => { applied = resolve; });
    const pulling = pull("img", { progress: (l) => { if (l.id === small.slice(7, 19) && l.status === "Pull complete") applied(); } });
    await done;
    expect(world.layers.has(chainIdsOf((JSON.parse(image.config.toString()) as ImageConfig).rootfs.diff_ids)[0]!)).toBe(true);
    (await asked).writeHead(200, { "Content-Length": registry.blobs.get(large)!.length }).end(registry.blobs.get(large));
    await pulling;
  });
});

describe("who is asked", () => {
  const image = testImage(["m"]);
  test("mirrors first, then the registry itself; credentials stay away from mirrors", async () => {
    const mirror = new FakeRegistry();
    await mirror.start();
    try {
      registry.add("img", "latest", image);
      mirror.add("img", "latest", image);
      mirror.blobs.delete(digestOf(image.layers[0]!));
      const by = newPuller({ mirrors: { [registry.host]: [`http://${mirror.host}/`] } });
      expect((await pull("img", { credentials: { username: "u", password: "p" } }, by)).id).toBe(image.id);
      expect(mirror.gets("manifests")).toBe(1);
      expect(registry.gets("manifests")).toBe(0);
      expect(registry.gets("blobs")).toBe(1);
      expect(mirror.requests.every((r) => r.headers.authorization === undefined)).toBe(true);
    } finally {
      await mirror.stop();
    }
  });
  test("redirects are followed without the credentials", async () => {
    const storage = http.createServer((request, response) => {
      expect(request.headers.authorization).toBeUndefined();
      response.end(image.layers[0]);
    });
    await new Promise<void>((resolve) => storage.listen(0, "127.0.0.1", resolve));
    try {
      registry.add("img", "latest", image);
      registry.intercept = (request, response) => {
        if (request.headers.authorization !== `Basic ${Buffer.from("u:p").toString("base64")}`) response.writeHead(401, { "WWW-Authenticate": "Basic realm=\"r\"" }).end();
        else if (!request.url!.includes(digestOf(image.layers[0]!))) return false;
        else response.writeHead(307, { Location: `http://127.0.0.1:${(storage.address() as { port: number }).port}/blob` }).end();
        return true;
      };
      expect((await pull("img", { credentials: { username: "u", password: "p" } })).id).toBe(image.id);
      await expect(pull("img", { credentials: { username: "u", password: "wrong" } })).rejects.toMatchObject({ code: "Unauthenticated", message: "unauthorized: authentication required" });
      await expect(pull("img")).rejects.toMatchObject({ code: "PermissionDenied" });
    } finally {
      storage.closeAllConnections();
      await new Promise((resolve) => storage.close(resolve));
    }
  });
});
