import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { MediaType, digestOf, hexOf } from "@strata/oci";
import type { ImageId } from "@strata/oci";
import { EPOCH, noXattrs } from "../archive/tar-entry.js";
import { encodeHeader, padding, TRAILER } from "../archive/tar-writer.js";
import { testImage } from "../distribution/testing/registry.js";
import { Workshop, actions, d, make, signal } from "./testing/images-engine.js";
import type { Engine } from "./testing/images-engine.js";
import type { Progress } from "./types.js";

let workshop: Workshop;
beforeEach(async () => { workshop = await Workshop.open(); });
afterEach(async () => { await workshop.close(); });
const engine = async (name?: string): Promise<Engine> => await workshop.engine(name);

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
    const foreign = { schemaVersion: 2, manifests: [{ mediaType: MediaType.ociManifest, digest: images[1]!.manifestDigest, size: images[1]!.manifest.length, platform: { os: "linux", architecture: "arm64" } }] };
    await expect(load(e, tar([["index.json", JSON.stringify(foreign)], ...blobs]))).rejects.toMatchObject({ code: "NotFound", message: "the archive holds no image for linux/amd64" });
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
    ["a gzip that ends early", () => gzipSync(oldArchive(image)).subarray(0, 300), "InvalidArgument", /unexpected end|corrupt gzip/],
    ["the format before 1.10", () => tar([["repositories", "{}"], ["abc/layer.tar", "x"]]), "InvalidArgument", /not supported/],
    ["manifest.json that is none", () => tar([["manifest.json", "{"]]), "InvalidArgument", /not valid JSON/],
    ["a missing configuration", () => tar([["manifest.json", json([{ Config: "c.json", Layers: [] }])]]), "InvalidArgument", /lacks c\.json/],
    ...([["config", ["x"], "config"], ["config", { Env: "A=b" }, "config\\.Env"], ["config", { Labels: { a: 1 } }, "config\\.Labels"], ["history", {}, "history"], ["history", ["x"], "history\\[0\\]"], ["created", 5, "created"]] as const).map(([key, value, place]) =>
      [`a configuration whose ${key} is ${json(value)}`, () => tar([["c.json", json({ os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] }, [key]: value })], ["manifest.json", json([{ Config: "c.json", Layers: [] }])]]), "InvalidArgument", new RegExp(`: ${place} is not`)] as [string, () => Buffer, string, RegExp]),
    ["an image of another system", () => tar([["c.json", json({ os: "windows", architecture: "amd64", rootfs: { type: "layers", diff_ids: [] } })], ["manifest.json", json([{ Config: "c.json", Layers: [] }])]]), "InvalidArgument", /system "windows" cannot be used/],
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
    const file = join(workshop.directory, "app.tar");
    await writeFile(file, await buffer(await e.service.save(["app:1"], {})));
    const run = (...args: string[]): string => execFileSync("skopeo", args, { encoding: "utf8", cwd: workshop.directory });
    for (const source of ["docker-archive:app.tar", "docker-archive:app.tar:app:1", "oci-archive:app.tar", "oci-archive:app.tar:1"]) {
      expect((JSON.parse(run("inspect", source)) as { Layers: string[] }).Layers).toEqual(content.map((c) => digestOf(c)));
      expect(digestOf(run("inspect", "--config", "--raw", source))).toBe(id);
    }
    run("copy", "-q", "--insecure-policy", "oci-archive:app.tar:1", "oci:copied:1");
    run("copy", "-q", "--insecure-policy", "oci:copied:1", "oci-archive:back.tar:reg.io/back:1");
    run("copy", "-q", "--insecure-policy", "docker-archive:app.tar", "docker-archive:again.tar:reg.io/again:1");
    for (const name of ["back", "again"]) {
      const other = await engine(name);
      expect((await load(other, await readFile(join(workshop.directory, `${name}.tar`)))).ids).toEqual([id]);
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
    expect(config).toMatchObject({ architecture: "amd64", os: "linux", config: { Cmd: ["/bin/sh"], Env: ["A=1"] }, rootfs: { diff_ids: [digestOf(layer)] } });
    expect(e.service.history(id)[0]).toMatchObject({ id, comment: "Imported from -" });
    expect(e.world.events.events.slice(0, 2)).toMatchObject([{ action: "tag", id, attributes: { name: "base:latest" } }, { action: "import", id, attributes: { name: id } }]);
  });
  test("without a name; for another platform; bad changes before anything is read", async () => {
    const e = await engine();
    const id = await e.service.import(Readable.from([layer]), { changes: [], message: "mine", platform: { os: "linux", architecture: "arm64" } });
    expect(e.service.inspect(id).image.config).toMatchObject({ architecture: "arm64", history: [{ comment: "mine" }] });
    await expect(e.service.import(Readable.from([layer]), { changes: ["RUN x"], message: "" })).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(e.service.import(Readable.from([layer]), { ref: "BAD", changes: [], message: "" })).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});
