import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { MediaType, digestOf, parseReference } from "@strata/oci";
import type { ImageId, Manifest } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "./client.js";
import type { ProgressLine } from "./progress.js";
import { Puller } from "./pull.js";
import { Pusher } from "./push.js";
import { memoryWorld } from "./testing/memory-stores.js";
import type { MemoryWorld } from "./testing/memory-stores.js";
import { FakeRegistry, noDockerRegistry, startDockerRegistry, testImage } from "./testing/registry.js";
import type { TestImage } from "./testing/registry.js";

let directory: string, client: RegistryClient;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-push-"));
  client = new RegistryClient({ retry: { attempts: 3, baseMs: 1, maxMs: 20 } });
});
afterEach(async () => {
  client.close();
  await rm(directory, { recursive: true, force: true });
});

interface Engine { world: MemoryWorld; pusher: Pusher; puller: Puller; lines: ProgressLine[] }
function engine(name: string): Engine {
  const world = memoryWorld(join(directory, name));
  const common = { ...world, registry: client, logger: silentLogger, clock: systemClock };
  return { world, pusher: new Pusher(common), puller: new Puller({ ...common, hostPlatform: { os: "linux", architecture: "amd64" } }), lines: [] };
}
/** As if it had been made here. */
async function install({ world }: Engine, image: TestImage, layers: readonly string[]): Promise<ImageId> {
  return await world.leases.with("test", async (lease) => {
    let parent = null;
    for (const l of layers) parent = (await world.layers.register(Readable.from([Buffer.from(l)]), parent)).chainId;
    return world.images.create(image.config, lease);
  });
}
const push = async (e: Engine, id: ImageId, name: string): Promise<{ digest: string; size: number }> => {
  e.lines.length = 0;
  return await e.pusher.push({ id, reference: parseReference(name), progress: (l) => e.lines.push(l), signal: new AbortController().signal });
};
const pull = async (e: Engine, name: string): Promise<ImageId> =>
  (await e.puller.pull({ reference: parseReference(name), progress: (l) => e.lines.push(l), signal: new AbortController().signal })).id;

const describeWithRegistry = noDockerRegistry === undefined ? describe : describe.skip;
describeWithRegistry(`with Debian's docker-registry${noDockerRegistry === undefined ? "" : ` (skipped: ${noDockerRegistry})`}`, () => {
  let registry: { host: string; stop: () => Promise<void> };
  beforeAll(async () => { registry = await startDockerRegistry(); });
  afterAll(async () => { await registry.stop(); });

  test("there and back: the image ID stays; then layers are found or mounted", async () => {
    const layers = ["bottom".repeat(50_000), "same", "top", "same"];
    const image = testImage(layers);
    const [a, b] = [engine("a"), engine("b")];
    const id = await install(a, image, layers);
    const name = `${registry.host}/team/app:v1`;
    const { digest, size } = await push(a, id, name);
    const short = image.diffIds[0]!.slice(7, 19);
    expect(a.lines.filter((l) => l.id === short).map((l) => l.status)).toEqual(expect.arrayContaining(["Preparing", "Pushing", "Pushed"]));
    expect(a.lines.slice(-2)).toEqual([{ status: `v1: digest: ${digest} size: ${size}` }, { aux: { Tag: "v1", Digest: digest, Size: size } }]);
    expect(a.world.images.get(id).digests).toEqual([`${registry.host}/team/app@${digest}`]);
    expect(await pull(b, name)).toBe(id);
    expect(b.world.images.get(id).digests).toEqual([`${registry.host}/team/app@${digest}`]);
    expect(b.world.images.config(id)).toEqual(image.config);

    // The same bytes again: everything is there, and the manifest is the same.
    expect(await push(a, id, `${registry.host}/team/app:v2`)).toEqual({ digest, size });
    expect(a.lines.filter((l) => l.status === "Layer already exists")).toHaveLength(3);
    await push(b, id, `${registry.host}/other/app:v1`);
    expect(b.lines.filter((l) => l.status === "Mounted from team/app")).toHaveLength(3);

    expect(await b.puller.tags(parseReference(name), undefined, new AbortController().signal)).toEqual(["v1", "v2"]);
    expect(a.world.leases.holds.size).toBe(0);
  });

  test("packed layers that were kept are sent as they came; what is damaged is packed anew", async () => {
    const source = new FakeRegistry(), layers = ["kept".repeat(100_000), "small"];
    await source.start();
    try {
      // Packed as nobody packs here.
      const image = testImage(layers, { packed: layers.map((l) => gzipSync(l, { level: 1 })) });
      source.add("team/kept", "1", image);
      const e = engine("keeper");
      e.puller.keepPackedLayers = true;
      const id = await pull(e, `${source.host}/team/kept:1`);
      for (const layer of image.layers) expect(await e.world.content.read(digestOf(layer))).toEqual(layer);
      expect(e.world.leases.holds.size).toBe(0);
      expect(await push(e, id, `${registry.host}/team/kept:1`)).toMatchObject({ digest: image.manifestDigest });
      // A layer that is gone is made of what was kept, without the registry.
      e.world.layers.tars.clear();
      source.requests.length = 0;
      expect(await pull(e, `${source.host}/team/kept:1`)).toBe(id);
      expect(source.gets("/blobs/")).toBe(0);
      // What is damaged is fetched anew for that, and packed anew for a push.
      e.world.layers.tars.clear();
      e.world.content.blobs.get(digestOf(image.layers[0]!))!.bytes[10]! ^= 1;
      expect(await pull(e, `${source.host}/team/kept:1`)).toBe(id);
      expect(source.gets("/blobs/")).toBe(1);
      e.world.content.damaged.add(digestOf(image.layers[0]!));
      // Nor is there a neighbour to have it from.
      for (const [diffId, sources] of e.world.images.packed) e.world.images.packed.set(diffId, sources.filter((s) => !s.repository.startsWith(registry.host)));
      expect((await push(e, id, `${registry.host}/other/kept:1`)).digest).not.toBe(image.manifestDigest);
      expect(await pull(engine("b"), `${registry.host}/other/kept:1`)).toBe(id);
    } finally {
      await source.stop();
    }
  });

  test("an image without layers; unknown manifest and repository", async () => {
    const a = engine("a");
    const id = await install(a, testImage([]), []);
    await push(a, id, `${registry.host}/empty:1`);
    expect(await pull(engine("b"), `${registry.host}/empty:1`)).toBe(id);
    await expect(pull(a, `${registry.host}/empty:none`)).rejects.toMatchObject({ code: "NotFound", message: `manifest for ${registry.host}/empty:none not found: manifest unknown: manifest unknown` });
    await expect(pull(a, `${registry.host}/no/such:1`)).rejects.toMatchObject({ code: "NotFound" });
  });
});

test("an upload that breaks is begun anew; what the registry refuses is told", async () => {
  const registry = new FakeRegistry();
  await registry.start();
  try {
    const layers = ["x".repeat(100_000)];
    const image = testImage(layers);
    const e = engine("a");
    const id = await install(e, image, layers);
    const uploads: Buffer[] = [];
    let broken = 0;
    let manifest: Buffer | undefined;
    registry.intercept = (request, response) => {
      const chunks: Buffer[] = [];
      if (request.method === "HEAD") response.writeHead(404).end();
      else if (request.method === "POST") response.writeHead(202, { Location: `/v2/app/blobs/uploads/${uploads.length}?_state=s` }).end();
      else if (request.method === "PATCH" && broken++ === 0) request.once("data", () => request.socket.destroy());
      else if (request.method === "PATCH" || request.method === "PUT") {
        request.on("data", (c: Buffer) => chunks.push(c)).on("end", () => {
          const body = Buffer.concat(chunks);
          if (request.url!.includes("/manifests/")) manifest = body;
          else if (body.length > 0) uploads.push(body);
          const wanted = new URL(request.url!, "http://x").searchParams.get("digest");
          if (wanted !== null && digestOf(uploads.at(-1)!) !== wanted) response.writeHead(400, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code: "DIGEST_INVALID", message: "bad" }] }));
          else response.writeHead(request.method === "PATCH" ? 202 : 201, { Location: request.url }).end();
        });
      } else return false;
      return true;
    };
    await push(e, id, `${registry.host}/app:1`);
    expect(broken).toBe(2);
    expect((JSON.parse(manifest!.toString()) as Manifest).config.digest).toBe(id);

    registry.intercept = (request, response) => {
      if (request.method === "GET") return false;
      request.resume();
      response.writeHead(403, { "Content-Type": "application/json" }).end(JSON.stringify({ errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] }));
      return true;
    };
    const other = await install(e, testImage(["new"]), ["new"]);
    await expect(push(e, other, `${registry.host}/app:2`)).rejects.toMatchObject({ code: "PermissionDenied", message: "denied: requested access to the resource is denied" });
  } finally {
    await registry.stop();
  }
});

test("an upload goes on from where the registry has it", async () => {
  const registry = new FakeRegistry();
  await registry.start();
  try {
    const layers = [randomBytes(3_000_000).toString("base64")];
    const e = engine("a");
    const id = await install(e, testImage(layers), layers);
    let had = Buffer.alloc(0), breaks = 2;
    const ranges: (string | undefined)[] = [];
    registry.intercept = (request, response) => {
      const { method, url = "" } = request;
      if (url.includes("/manifests/")) request.resume().on("end", () => response.writeHead(201).end());
      else if (method === "HEAD") response.writeHead(404).end();
      else if (method === "POST") response.writeHead(202, { Location: "/v2/app/blobs/uploads/1" }).end();
      else if (method === "GET" && url.endsWith("/uploads/1")) response.writeHead(204, { Range: `0-${had.length - 1}`, Location: "/v2/app/blobs/uploads/1" }).end();
      else if (method === "PATCH") {
        ranges.push(request.headers["content-range"]);
        request.on("data", (chunk: Buffer) => {
          had = Buffer.concat([had, chunk]);
          if (had.length > (3 - breaks) * 700_000 && breaks > 0) { breaks--; request.destroy(); }
        }).on("end", () => response.writeHead(202, { Location: "/v2/app/blobs/uploads/1" }).end());
      } else if (method === "PUT") {
        request.resume().on("end", () => {
          const wanted = new URL(url, "http://x").searchParams.get("digest");
          const right = Number(request.headers["content-length"]) > 0 || digestOf(had) === wanted;
          response.writeHead(right ? 201 : 400).end();
        });
      } else return false;
      return true;
    };
    await push(e, id, `${registry.host}/app:1`);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^7\d{5}-\d+$/), expect.stringMatching(/^1\d{6}-\d+$/)]);
    expect(e.lines.filter((l) => l.status === "Pushed")).toHaveLength(1);
  } finally {
    await registry.stop();
  }
});

test("what is remembered counts once the registry says so: a blob of another size is not it, neither found nor linked", async () => {
  const registry = new FakeRegistry();
  await registry.start();
  try {
    const layers = ["x".repeat(100_000)], image = testImage(layers), remembered = digestOf(Buffer.from("remembered"));
    const e = engine("a"), id = await install(e, image, layers), posts: string[] = [];
    e.world.images.addSource(image.diffIds[0]!, { digest: remembered, size: 10, mediaType: MediaType.dockerLayerGzip, repository: `${registry.host}/neighbour` });
    let manifest: Manifest | undefined;
    registry.intercept = (request, response) => {
      const { method, url = "" } = request;
      if (method === "HEAD") response.writeHead(url.endsWith(remembered) ? 200 : 404, url.endsWith(remembered) ? { "Content-Length": 11 } : {}).end();
      else if (method === "POST") {
        posts.push(url);
        response.writeHead(url.includes("mount=") ? 201 : 202, { Location: "/v2/app/blobs/uploads/1" }).end();
      } else if (method === "PATCH" || method === "PUT") {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
          if (url.includes("/manifests/")) manifest = JSON.parse(Buffer.concat(chunks).toString()) as Manifest;
          response.writeHead(method === "PATCH" ? 202 : 201, { Location: url }).end();
        });
      } else return false;
      return true;
    };
    await push(e, id, `${registry.host}/app:1`);
    expect(posts[0]).toContain(`mount=${encodeURIComponent(remembered)}`);
    expect(manifest!.layers.map(({ digest }) => digest === remembered)).toEqual([false]);
    expect(e.lines.filter((line) => line.status === "Pushed")).toHaveLength(1);
  } finally {
    await registry.stop();
  }
});
