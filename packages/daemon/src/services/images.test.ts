import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { MediaType, chainIdsOf, digestOf, hexOf } from "@strata/oci";
import type { DiffId, ImageConfig, ImageId } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import type { Container, ContainerStatus } from "../core/index.js";
import { EPOCH, noXattrs } from "../archive/tar-entry.js";
import { encodeHeader, padding, TRAILER } from "../archive/tar-writer.js";
import { RegistryClient } from "../distribution/client.js";
import { ArchiveLoader } from "../distribution/load.js";
import { Puller } from "../distribution/pull.js";
import { Pusher } from "../distribution/push.js";
import { memoryContainers, memoryWorld } from "../distribution/testing/memory-stores.js";
import type { MemoryWorld } from "../distribution/testing/memory-stores.js";
import { FakeRegistry, testImage } from "../distribution/testing/registry.js";
import { Images } from "./images.js";
import type { Filters, Progress } from "./types.js";

let directory: string;
const clients: RegistryClient[] = [];
beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), "strata-images-")); });
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await rm(directory, { recursive: true, force: true });
});

interface Engine { world: MemoryWorld; service: Images; containers: Container[]; temporary: string }
async function engine(name = "a"): Promise<Engine> {
  const temporary = join(directory, `${name}-tmp`);
  await mkdir(temporary);
  const world = memoryWorld(join(directory, name));
  const containers: Container[] = [];
  world.images.users = (id) => containers.filter((c) => c.imageId === id).length;
  const client = new RegistryClient({ retry: { attempts: 2, baseMs: 1, maxMs: 5 } });
  clients.push(client);
  const common = { ...world, registry: client, logger: silentLogger, clock: systemClock, hostPlatform: { os: "linux", architecture: "amd64" }, temporary };
  const service = new Images({
    ...common, driver: "memory", containers: memoryContainers(() => containers),
    puller: new Puller(common), pusher: new Pusher(common), loader: new ArchiveLoader(common),
  });
  return { world, service, containers, temporary };
}

/** An image of these layers, made here. */
async function make({ world }: Engine, layers: readonly string[], more: { tags?: string[]; labels?: Record<string, string>; created?: string; parent?: ImageId } = {}): Promise<ImageId> {
  const image = testImage(layers, more);
  return await world.leases.with("test", async (lease) => {
    let parent = null;
    for (const l of layers) parent = (await world.layers.register(Readable.from([Buffer.from(l)]), parent)).chainId;
    const id = world.images.create(image.config, lease, { parent: more.parent });
    for (const tag of more.tags ?? []) world.images.tag(id, tag);
    return id;
  });
}
const use = ({ containers }: Engine, imageId: ImageId, status: ContainerStatus): void => {
  containers.push({ id: "c".repeat(64), imageId, state: { status } } as Container);
};
const chainsOf = (layers: readonly string[]): string[] => chainIdsOf(layers.map((l) => digestOf<DiffId>(l)));
const filters = (f: Record<string, string[]>): Filters => new Map(Object.entries(f));
const actions = ({ world }: Engine): string[] => world.events.events.map((e) => e.action);
const signal = (): AbortSignal => new AbortController().signal;
const d = "docker.io/library/";

describe("tag and list", () => {
  test("tagging names, moves names, and refuses what is no name", async () => {
    const e = await engine();
    const [a, b] = [await make(e, ["a"]), await make(e, ["b"])];
    e.service.tag(a, "app");
    e.service.tag("app", "app:v2");
    e.service.tag(b.slice(7, 19), "app");
    expect(e.service.inspect("app").image.id).toBe(b);
    expect(e.service.inspect("app:v2").image.tags).toEqual([`${d}app:v2`]);
    expect(actions(e)).toEqual(["tag", "tag", "tag"]);
    expect(e.world.events.events[1]).toMatchObject({ type: "image", id: a, attributes: { name: "app:v2" } });
    expect(() => e.service.tag(a, "UPPER")).toThrow(/invalid reference format/);
    expect(() => e.service.tag(a, `x@${a}`)).toThrow(/digest reference/);
    expect(() => e.service.tag("nope", "x")).toThrow("No such image: nope");
  });

  test("filters", async () => {
    const e = await engine();
    const old = await make(e, ["old"], { tags: [`${d}old:1`, "reg.io/team/old:1"], created: "2020-01-01T00:00:00Z", labels: { keep: "yes" } });
    const mid = await make(e, ["mid"], { tags: [`${d}mid:1`], created: "2021-01-01T00:00:00Z", labels: { keep: "no" } });
    const lost = await make(e, ["lost"], { created: "2022-01-01T00:00:00Z" });
    const step = await make(e, ["old", "step"], { created: "2023-01-01T00:00:00Z", parent: mid });
    await make(e, ["old", "step", "child"], { created: "2024-01-01T00:00:00Z", parent: step, tags: [`${d}child:1`] });
    const ids = (f: Record<string, string[]>, all = false): Set<ImageId> => new Set(e.service.list({ all, filters: filters(f), sharedSize: false }).map((i) => i.id));
    expect(ids({}).has(step)).toBe(false);
    expect(ids({}, true).has(step)).toBe(true);
    expect(ids({ dangling: ["true"] })).toEqual(new Set([lost]));
    expect(ids({ dangling: ["false"] }).has(lost)).toBe(false);
    expect(ids({ label: ["keep"] })).toEqual(new Set([old, mid]));
    expect(ids({ label: ["keep=no"] })).toEqual(new Set([mid]));
    expect(ids({ "label!": ["keep"] }).has(old)).toBe(false);
    expect(ids({ before: ["mid:1"] })).toEqual(new Set([old]));
    expect(ids({ since: ["old:1"], before: [lost] })).toEqual(new Set([mid]));
    expect(ids({ until: ["2020-06-01T00:00:00Z"] })).toEqual(new Set([old]));
    expect(ids({ id: [old.slice(7, 20)] })).toEqual(new Set([old]));
    expect(ids({ reference: ["*"] }).size).toBe(3);
    const [found] = e.service.list({ all: false, filters: filters({ reference: ["reg.io/*/old"] }), sharedSize: false });
    expect(found!.tags).toEqual(["reg.io/team/old:1"]);
    expect(ids({ reference: ["m[a-k]d:?"] })).toEqual(new Set([mid]));
    expect(() => ids({ nonsense: ["x"] })).toThrow("invalid filter 'nonsense'");
    expect(() => ids({ dangling: ["perhaps"] })).toThrow(/invalid filter/);
    expect(() => ids({ before: ["unknown"] })).toThrow(/No such image/);
  });

  test("history and layers", async () => {
    const e = await engine();
    const base = await make(e, ["one"], { tags: [`${d}base:1`] });
    const child = await make(e, ["one", "second"], { tags: [`${d}child:1`], parent: base });
    expect(e.service.history("child:1").map(({ id, size, created_by, tags }) => ({ id, size, created_by, tags }))).toEqual([
      { id: child, size: 6, created_by: "step 1", tags: [`${d}child:1`] },
      { id: base, size: 3, created_by: "step 0", tags: [`${d}base:1`] },
    ]);
    expect(e.service.history("base:1")).toHaveLength(1);
    expect(e.service.layers().map((l) => [l.chainId, new Set(l.images)])).toEqual([[chainsOf(["one"])[0], new Set([base, child])], [chainsOf(["one", "second"])[1], new Set([child])]]);
  });
});

describe("remove", () => {
  test("by name: names first, the image and its own layers with the last one", async () => {
    const e = await engine();
    const id = await make(e, ["base", "own"], { tags: [`${d}app:1`, `${d}app:2`] });
    await make(e, ["base"], { tags: [`${d}base:1`] });
    e.world.images.tag(id, `${d}app@${digestOf("m")}`);
    expect(await e.service.remove("app:1", { force: false, prune: true })).toEqual([{ untagged: "app:1" }]);
    expect(await e.service.remove("app:2", { force: false, prune: true })).toEqual([
      { untagged: "app:2" }, { untagged: `app@${digestOf("m")}` }, { deleted: id }, { deleted: chainsOf(["base", "own"])[1] },
    ]);
    expect(actions(e)).toEqual(["untag", "untag", "untag", "delete"]);
    await expect(e.service.remove("app:1", { force: false, prune: true })).rejects.toMatchObject({ code: "NotFound", message: expect.stringContaining("No such image") as string });
  });

  test("by ID: all names of one repository; of several only with force", async () => {
    const e = await engine();
    const one = await make(e, ["one"], { tags: [`${d}one:1`] });
    const two = await make(e, ["two"], { tags: [`${d}two:1`, "reg.io/two:1"] });
    expect(await e.service.remove(one, { force: false, prune: true })).toEqual([{ untagged: "one:1" }, { deleted: one }, { deleted: chainsOf(["one"])[0] }]);
    await expect(e.service.remove(two.slice(7, 19), { force: false, prune: true })).rejects.toMatchObject({
      code: "Conflict", message: `conflict: unable to delete ${two.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    });
    expect(new Set(await e.service.remove(two.slice(7, 19), { force: true, prune: true }))).toEqual(new Set([{ untagged: "two:1" }, { untagged: "reg.io/two:1" }, { deleted: two }, { deleted: chainsOf(["two"])[0] }]));
  });

  test.each<[ContainerStatus, boolean, string, RegExp | undefined]>([
    ["running", false, "app:1", /^conflict: unable to remove repository reference "app:1" \(must force\) - container c{12} is using its referenced image [0-9a-f]{12}$/],
    ["exited", false, "app:1", /unable to remove repository reference/],
    ["running", true, "app:1", undefined],
    ["exited", true, "app:1", undefined],
    ["running", false, "id", /\(cannot be forced\) - image is being used by running container c{12}$/],
    ["running", true, "id", /\(cannot be forced\) - image is being used by running container c{12}$/],
    ["exited", false, "id", /\(must be forced\) - image is being used by stopped container c{12}$/],
    ["exited", true, "id", undefined],
  ])("in use: %s container, force %s, by %s", async (status, force, by, refusal) => {
    const e = await engine();
    const id = await make(e, ["x"], { tags: [`${d}app:1`] });
    use(e, id, status);
    const removing = e.service.remove(by === "id" ? id : by, { force, prune: true });
    if (refusal !== undefined) {
      await expect(removing).rejects.toMatchObject({ code: "Conflict", message: expect.stringMatching(refusal) as string });
      expect(e.service.inspect("app:1").image.id).toBe(id);
    } else {
      expect(await removing).toEqual([{ untagged: "app:1" }]);
      expect(e.service.inspect(id).image.tags).toEqual([]);
    }
  });

  test("children stand in the way; unnamed parents go along", async () => {
    const e = await engine();
    const root = await make(e, ["r"], { tags: [`${d}root:1`] });
    const step = await make(e, ["r", "s"], { parent: root });
    const leaf = await make(e, ["r", "s", "l"], { parent: step, tags: [`${d}leaf:1`] });
    await expect(e.service.remove(step, { force: true, prune: true })).rejects.toMatchObject({ code: "Conflict", message: `conflict: unable to delete ${step.slice(7, 19)} (cannot be forced) - image has dependent child images` });
    const chains = chainsOf(["r", "s", "l"]);
    expect(await e.service.remove("leaf:1", { force: false, prune: true })).toEqual([{ untagged: "leaf:1" }, { deleted: leaf }, { deleted: step }, { deleted: chains[2] }, { deleted: chains[1] }]);
    const again = await make(e, ["r", "s"], { parent: root });
    await make(e, ["r", "s", "l"], { parent: again, tags: [`${d}leaf:1`] });
    await e.service.remove("leaf:1", { force: false, prune: false });
    expect(e.service.inspect(again).image.id).toBe(again);
  });

  test("prune", async () => {
    const e = await engine();
    const lost = await make(e, ["lost"], { created: "2020-01-01T00:00:00Z" });
    const byDigest = await make(e, ["digest"], { created: "2021-01-01T00:00:00Z" });
    e.world.images.tag(byDigest, `${d}x@${digestOf("m")}`);
    const used = await make(e, ["used"], { created: "2020-01-01T00:00:00Z" });
    use(e, used, "exited");
    const tagged = await make(e, ["tagged"], { tags: [`${d}t:1`, "reg.io/t:1"], labels: { a: "b" } });
    expect((await e.service.prune(filters({ until: ["2019-01-01T00:00:00Z"] }))).removed).toEqual([]);
    const first = await e.service.prune(filters({ until: ["2020-06-01T00:00:00Z"] }));
    expect(first).toEqual({ removed: [{ deleted: lost }, { deleted: chainsOf(["lost"])[0] }], bytes: 4 });
    expect((await e.service.prune(filters({}))).removed).toContainEqual({ untagged: `x@${digestOf("m")}` });
    expect((await e.service.prune(filters({ dangling: ["false"], "label!": ["a=b"] }))).removed).toEqual([]);
    expect((await e.service.prune(filters({ dangling: ["0"] }))).removed).toContainEqual({ deleted: tagged });
    expect([...e.world.images.images.keys()]).toEqual([used]);
    await expect(e.service.prune(filters({ before: ["x"] }))).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

/** A tar of these members, in this order. */
function tar(members: readonly (readonly [string, Buffer | string])[], type: "file" | "symlink" = "file"): Buffer {
  return Buffer.concat([...members.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    const entry = { type, name, linkName: type === "symlink" ? bytes.toString() : "", mode: 0o644, uid: 0, gid: 0, size: type === "file" ? bytes.length : 0, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs };
    return type === "file" ? [encodeHeader(entry), bytes, padding(bytes.length)] : [encodeHeader(entry)];
  }), TRAILER]);
}

async function load(e: Engine, bytes: Buffer, more: { chunk?: number; platform?: { os: string; architecture: string } } = {}): Promise<{ ids: ImageId[]; lines: Progress[] }> {
  const lines: Progress[] = [];
  const size = more.chunk ?? 65536;
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const ids = await e.service.load(Readable.from(chunks, { objectMode: false }), { platform: more.platform, progress: (l) => lines.push(l), signal: signal() });
  expect(await readdir(e.temporary)).toEqual([]);
  return { ids, lines };
}
async function nothingStays(e: Engine): Promise<void> {
  await e.world.gc.collect();
  expect(e.world.layers.tars.size).toBe(0);
  expect(e.world.images.images.size).toBe(0);
  expect(e.world.leases.holds.size).toBe(0);
  expect(await readdir(e.temporary)).toEqual([]);
  expect(e.world.gc.notes).toContain("deletion");
}

describe("save and load", () => {
  const layers = ["bottom".repeat(30_000), "middle", "top"];

  test("what is saved is loaded again with IDs and names; layers go once and are not kept aside", async () => {
    const [a, b] = [await engine("a"), await engine("b")];
    const one = await make(a, layers, { tags: [`${d}one:1`, `${d}one:2`, "reg.io/one:1"] });
    const two = await make(a, [layers[0]!, "other"], { tags: [`${d}two:1`] });
    const archive = await buffer(await a.service.save(["one:1", "one:2", "two", two], {}));
    expect(archive.equals(await buffer(await a.service.save(["one:1", "one:2", "two", two], {})))).toBe(true);
    expect(archive.indexOf("bottombottom", archive.indexOf("bottombottom") + layers[0]!.length)).toBe(-1);
    expect(a.world.leases.holds.size).toBe(0);
    const { ids, lines } = await load(b, archive);
    expect(ids).toEqual([one, two]);
    expect(b.world.images.get(one).tags).toEqual([`${d}one:1`, `${d}one:2`]);
    expect(b.world.images.config(one)).toEqual(a.world.images.config(one));
    expect(lines.filter((l) => l.stream)).toEqual([{ stream: "Loaded image: one:1\n" }, { stream: "Loaded image: one:2\n" }, { stream: "Loaded image: two:1\n" }]);
    expect(lines.find((l) => l.id === digestOf(layers[0]!).slice(7, 19))).toMatchObject({ status: "Loading layer" });
    expect(actions(b)).toEqual(["load", "load"]);
    // Everything is there already.
    expect((await load(b, archive)).lines.filter((l) => l.id !== undefined)).toEqual([]);
  });

  test("by ID: no name goes along", async () => {
    const [a, b] = [await engine("a"), await engine("b")];
    const id = await make(a, layers, { tags: [`${d}x:1`] });
    const { lines } = await load(b, await buffer(await a.service.save([id.slice(7, 20)], {})));
    expect(lines.at(-1)).toEqual({ stream: `Loaded image ID: ${id}\n` });
    expect(b.world.images.get(id).tags).toEqual([]);
  });

  test("an unknown name is told before the first byte", async () => {
    const e = await engine();
    await make(e, layers, { tags: [`${d}x:1`] });
    await expect(e.service.save(["x:1", "unknown"], {})).rejects.toMatchObject({ code: "NotFound" });
    await expect(e.service.save(["x:1"], { platform: { os: "linux", architecture: "s390x" } })).rejects.toMatchObject({ code: "NotFound" });
  });

  /** As Docker before 25 wrote it: layers first, the description last, shared layers as links. */
  function oldArchive(image: ReturnType<typeof testImage>, content: readonly (Buffer | string)[] = layers): Buffer {
    const config = `${hexOf(image.id)}.json`;
    return tar([
      ...content.map((l, i) => [`l${i}/layer.tar`, l] as const), [config, image.config],
      ["manifest.json", JSON.stringify([{ Config: config, RepoTags: ["app:1"], Layers: content.map((_, i) => `l${i}/layer.tar`) }])],
    ]);
  }

  test.each([512, 700, 65536])("the description at the end, in pieces of %i bytes", async (chunk) => {
    const e = await engine();
    const image = testImage(layers);
    expect((await load(e, oldArchive(image), { chunk })).ids).toEqual([image.id]);
    expect(e.service.inspect("app:1").image.id).toBe(image.id);
  });
  test("compressed as a whole, or layer by layer", async () => {
    const image = testImage(layers);
    const [a, b] = [await engine("a"), await engine("b")];
    expect((await load(a, gzipSync(oldArchive(image)))).ids).toEqual([image.id]);
    expect((await load(b, oldArchive(image, layers.map((l) => gzipSync(l))))).ids).toEqual([image.id]);
  });
  test("links to a layer that is there once", async () => {
    const e = await engine();
    const image = testImage(["same", "same"]);
    const config = `${hexOf(image.id)}.json`;
    const links = tar([["b/layer.tar", "../a/layer.tar"]], "symlink").subarray(0, -1024);
    const rest = tar([["a/layer.tar", "same"], [config, image.config], ["manifest.json", JSON.stringify([{ Config: config, RepoTags: null, Layers: ["a/layer.tar", "b/layer.tar"] }])]]);
    expect((await load(e, Buffer.concat([links, rest]))).ids).toEqual([image.id]);
  });
  test("an OCI layout: by platform, compressed layers, names from annotations", async () => {
    const e = await engine();
    const images = ["amd64", "arm64"].map((architecture) => testImage([architecture], { platform: { os: "linux", architecture } }));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: images.map((i, k) => ({ mediaType: MediaType.ociManifest, digest: i.manifestDigest, size: i.manifest.length, platform: { os: "linux", architecture: ["amd64", "arm64"][k] } })) }));
    const top = { schemaVersion: 2, manifests: [{ mediaType: MediaType.ociIndex, digest: digestOf(index), size: index.length, annotations: { "org.opencontainers.image.ref.name": "quay.io/x/y:1" } }] };
    const blobs = new Map([...images.flatMap((i) => [...i.blobs.values(), i.manifest]), index].map((b) => [`blobs/sha256/${hexOf(digestOf(b))}`, b]));
    const archive = tar([["oci-layout", '{"imageLayoutVersion":"1.0.0"}'], ["index.json", JSON.stringify(top)], ...blobs]);
    expect((await load(e, archive)).ids).toEqual([images[0]!.id]);
    expect(e.service.inspect("quay.io/x/y:1").image.id).toBe(images[0]!.id);
    expect((await load(e, archive, { platform: { os: "linux", architecture: "arm64" } })).ids).toEqual([images[1]!.id]);
  });
  test("a name that moves is told", async () => {
    const e = await engine();
    const before = await make(e, ["before"], { tags: [`${d}app:1`] });
    const { lines } = await load(e, oldArchive(testImage(layers)));
    expect(lines).toContainEqual({ stream: `The image app:1 already exists, renaming the old one with ID ${before} to empty string\n` });
  });

  const image = testImage(layers);
  const json = (value: unknown): string => JSON.stringify(value);
  const config = ["c.json", image.config] as const;
  test.each<[string, () => Buffer, string, RegExp]>([
    ["no tar", () => Buffer.from("hello".repeat(500)), "InvalidArgument", /tar/],
    ["an empty tar", () => tar([]), "InvalidArgument", /holds no image/],
    ["a tar that ends early", () => oldArchive(image).subarray(0, 3000), "InvalidArgument", /unexpected end/],
    ["a gzip that ends early", () => gzipSync(oldArchive(image)).subarray(0, 300), "InvalidArgument", /unexpected end/],
    ["the format before 1.10", () => tar([["repositories", "{}"], ["abc/layer.tar", "x"]]), "InvalidArgument", /not supported/],
    ["manifest.json that is none", () => tar([["manifest.json", "{"]]), "InvalidArgument", /not valid JSON/],
    ["a missing configuration", () => tar([["manifest.json", json([{ Config: "c.json", Layers: [] }])]]), "InvalidArgument", /lacks c\.json/],
    ["a missing layer", () => tar([config, ["manifest.json", json([{ Config: "c.json", Layers: ["a", "b", "c"] }])], ["a", layers[0]!]]), "InvalidArgument", /lacks b/],
    ["a layer too few", () => tar([config, ["manifest.json", json([{ Config: "c.json", Layers: ["a"] }])]]), "InvalidArgument", /lists 3 layers/],
    ["a layer that is another", () => tar([config, ["manifest.json", json([{ Config: "c.json", Layers: ["a", "b", "c"] }])], ["a", layers[0]!], ["b", "evil"], ["c", layers[2]!]]), "DataLoss", /diff ID/],
    ["the same, description last", () => tar([["a", layers[0]!], ["b", "evil"], ["c", layers[2]!], config, ["manifest.json", json([{ Config: "c.json", Layers: ["a", "b", "c"] }])]]), "DataLoss", /diff ID/],
    ["a path that leads out", () => tar([["../../etc/passwd", "x"]]), "InvalidArgument", /invalid path/],
    ["a path in manifest.json that leads out", () => tar([["manifest.json", json([{ Config: "../../etc/passwd", Layers: [] }])]]), "InvalidArgument", /invalid path/],
    ["a link that leads out", () => tar([["c.json", "../../../etc/passwd"]], "symlink"), "InvalidArgument", /leads out/],
    ["a bad name", () => tar([config, ["manifest.json", json([{ Config: "c.json", RepoTags: ["BAD NAME"], Layers: ["a", "b", "c"] }])]]), "InvalidArgument", /invalid reference format/],
    ["a manifest that is not its digest", () => tar([["index.json", json({ manifests: [{ mediaType: MediaType.ociManifest, digest: digestOf("x"), size: 1 }] })], [`blobs/sha256/${hexOf(digestOf("x"))}`, "y"]]), "DataLoss", /has digest/],
  ])("refuses %s and leaves nothing", async (_, archive, code, message) => {
    const e = await engine();
    await expect(load(e, archive())).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    await nothingStays(e);
  });

  test("a load that is cancelled leaves nothing", async () => {
    const e = await engine();
    const abort = new AbortController();
    const bytes = oldArchive(image);
    const endless = new Readable({ read() {} });
    endless.push(bytes.subarray(0, 4096));
    const loading = e.service.load(endless, { progress: () => {}, signal: abort.signal });
    setImmediate(() => abort.abort());
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    await nothingStays(e);
  });

  const skopeo = existsSync("/usr/bin/skopeo");
  (skopeo ? test : test.skip)(`skopeo reads what is saved, both ways${skopeo ? "" : " (skipped: skopeo is not installed)"}`, async () => {
    const e = await engine();
    const content = [tar([["hello", "world"]]), tar([["more", "x".repeat(5000)]])].map(String);
    const id = await make(e, content, { tags: [`${d}app:1`] });
    const file = join(directory, "app.tar");
    await writeFile(file, await buffer(await e.service.save(["app:1"], {})));
    const run = (...args: string[]): string => execFileSync("skopeo", args, { encoding: "utf8", cwd: directory });
    for (const source of ["docker-archive:app.tar", "docker-archive:app.tar:app:1", "oci-archive:app.tar", "oci-archive:app.tar:1"]) {
      expect((JSON.parse(run("inspect", source)) as { Layers: string[] }).Layers).toEqual(content.map((c) => digestOf(c)));
      expect(digestOf(run("inspect", "--config", "--raw", source))).toBe(id);
    }
    run("copy", "-q", "--insecure-policy", "oci-archive:app.tar:1", "oci:copied:1");
    run("copy", "-q", "--insecure-policy", "oci:copied:1", "oci-archive:back.tar:reg.io/back:1");
    run("copy", "-q", "--insecure-policy", "docker-archive:app.tar", "docker-archive:again.tar:reg.io/again:1");
    for (const name of ["back", "again"]) {
      const other = await engine(name);
      expect((await load(other, await readFile(join(directory, `${name}.tar`)))).ids).toEqual([id]);
      expect(other.service.inspect(`reg.io/${name}:1`).image.id).toBe(id);
    }
  });
});

describe("import", () => {
  const layer = tar([["etc/hostname", "x"]]);
  test.each([["plain", layer], ["gzip", gzipSync(layer)]])("%s: one layer, changes and history", async (_, bytes) => {
    const e = await engine();
    const id = await e.service.import(Readable.from([bytes]), { ref: "base", changes: ["CMD [\"/bin/sh\"]", "ENV A=1"], message: "" });
    const { config, tags } = e.service.inspect("base:latest").image;
    expect(tags).toEqual([`${d}base:latest`]);
    expect(config).toMatchObject({ architecture: "amd64", os: "linux", config: { Cmd: ["/bin/sh"], Env: ["A=1"] }, rootfs: { diff_ids: [digestOf(layer)] } } satisfies Partial<ImageConfig>);
    expect(e.service.history(id)[0]).toMatchObject({ id, comment: "Imported from -" });
    expect(e.world.events.events[0]).toMatchObject({ action: "import", id, attributes: { name: "base:latest" } });
  });
  test("without a name; for another platform; bad changes before anything is read", async () => {
    const e = await engine();
    const id = await e.service.import(Readable.from([layer]), { changes: [], message: "mine", platform: { os: "linux", architecture: "arm64" } });
    expect(e.service.inspect(id).image.config).toMatchObject({ architecture: "arm64", history: [{ comment: "mine" }] });
    await expect(e.service.import(Readable.from([layer]), { changes: ["RUN x"], message: "" })).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(e.service.import(Readable.from([layer]), { ref: "BAD", changes: [], message: "" })).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

describe("pull and push", () => {
  test("lines, events, all tags; names that are not there", async () => {
    const e = await engine();
    const registry = new FakeRegistry();
    await registry.start();
    try {
      const image = testImage(["one"]);
      registry.add("app", "1", image);
      registry.add("app", "2", testImage(["two"]));
      const lines: Progress[] = [];
      const options = { progress: (l: Progress) => void lines.push(l), signal: signal() };
      await e.service.pull(`${registry.host}/app:1`, options);
      expect(lines.slice(-2)).toEqual([{ status: `Digest: ${image.manifestDigest}` }, { status: `Status: Downloaded newer image for ${registry.host}/app:1` }]);
      expect(e.world.events.events[0]).toMatchObject({ action: "pull", id: `${registry.host}/app:1`, attributes: { name: `${registry.host}/app` } });
      await e.service.pull(`${registry.host}/app:1`, options);
      expect(lines.at(-1)).toEqual({ status: `Status: Image is up to date for ${registry.host}/app:1` });
      await e.service.pull(`${registry.host}/app`, { ...options, all: true });
      expect(e.service.list({ all: false, filters: filters({}), sharedSize: false })).toHaveLength(2);
      await expect(e.service.pull("Bad Name", options)).rejects.toMatchObject({ code: "InvalidArgument" });
      await expect(e.service.push(`${registry.host}/none`, options)).rejects.toMatchObject({ code: "NotFound", message: `An image does not exist locally with the tag: ${registry.host}/none` });
      await expect(e.service.push(`${registry.host}/app:9`, options)).rejects.toMatchObject({ code: "NotFound", message: `tag does not exist: ${registry.host}/app:9` });
    } finally {
      await registry.stop();
    }
  });
});
