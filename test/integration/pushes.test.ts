import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { type Daemon, FaultyRegistry, type Registry, type TestBed, daemonNeeds, emptied, importBusybox, needs, ok, setUp, tarOf } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry");
const withTools = needs(...daemonNeeds, "docker", "registry", "skopeo", "umoci");

const OCI = "application/vnd.oci.image";
const sha = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
let bed: TestBed;
let registry: Registry;
let daemon: Daemon;
setUp(async (made) => {
  bed = made;
  registry = await bed.registry(["validation: { manifests: { urls: { allow: [ \"^http://127\" ] } } }"]);
  daemon = await bed.daemon({ storageDriver: "overlay2" });
});
afterEach(() => daemon.docker(["image", "prune", "-af"]));

async function curl(...args: string[]): Promise<string> { return await bed.netns.ok("curl", ["-sS", "--fail", ...args]); }
let files = 0;
function file(bytes: Buffer): string {
  const path = bed.path(`f${files++}`);
  writeFileSync(path, bytes);
  return path;
}
interface Descriptor { readonly mediaType: string; readonly digest: string; readonly size: number }
async function putBlob(repository: string, mediaType: string, bytes: Buffer): Promise<Descriptor> {
  const headers = await curl("-X", "POST", "-D", "-", "-o", "/dev/null", `http://${registry.address}/v2/${repository}/blobs/uploads/`);
  const location = /^location: (\S+)/im.exec(headers)![1]!;
  await curl("-X", "PUT", "-H", "Content-Type: application/octet-stream", "--data-binary", `@${file(bytes)}`, `${location}&digest=${sha(bytes)}`);
  return { mediaType, digest: sha(bytes), size: bytes.length };
}
/** As another tool would write it: no other writes the same bytes. */
async function putDocument(repository: string, tag: string | undefined, document: { mediaType: string }): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document, undefined, 1));
  await curl("-X", "PUT", "-H", `Content-Type: ${document.mediaType}`, "--data-binary", `@${file(bytes)}`, `http://${registry.address}/v2/${repository}/manifests/${tag ?? sha(bytes)}`);
  return { mediaType: document.mediaType, digest: sha(bytes), size: bytes.length };
}
async function tar(name: string, content: string): Promise<Buffer> {
  const folder = bed.path(`t${files++}`);
  mkdirSync(folder);
  writeFileSync(join(folder, name), content);
  await tarOf(folder, `${folder}.tar`);
  return Buffer.from(await ok("base64", ["-w0", `${folder}.tar`]), "base64");
}
async function zstd(bytes: Buffer): Promise<Buffer> {
  const path = file(bytes);
  await ok("zstd", ["-q", path]);
  return Buffer.from(await ok("base64", ["-w0", `${path}.zst`]), "base64");
}
/** An OCI image of a gzip and a zstd layer, and what the `more` says. */
async function image(repository: string, architecture: string, tag?: string, more: (Descriptor & { urls?: string[]; diffId: string })[] = []): Promise<Descriptor> {
  const [a, b] = [await tar("a", `for ${architecture}`), await tar("b", architecture)];
  const config = Buffer.from(JSON.stringify({ architecture, os: "linux", config: { Cmd: ["x"] }, rootfs: { type: "layers", diff_ids: [sha(a), sha(b), ...more.map((m) => m.diffId)] } }));
  const layers = [await putBlob(repository, `${OCI}.layer.v1.tar+gzip`, gzipSync(a)), await putBlob(repository, `${OCI}.layer.v1.tar+zstd`, await zstd(b)), ...more.map(({ diffId: _, ...d }) => d)];
  return await putDocument(repository, tag, { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: await putBlob(repository, `${OCI}.config.v1+json`, config), layers } as { mediaType: string });
}
async function index(repository: string, tag: string): Promise<{ index: Descriptor; manifests: Descriptor[] }> {
  const manifests: Descriptor[] = [];
  for (const architecture of ["amd64", "arm64"]) manifests.push({ ...await image(repository, architecture), platform: { os: "linux", architecture } } as Descriptor);
  return { manifests, index: await putDocument(repository, tag, { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests } as { mediaType: string }) };
}
const digestOf = async (repository: string, tag: string): Promise<string> => /^docker-content-digest: (\S+)/im.exec(
  await curl("-I", "-H", `Accept: ${OCI}.index.v1+json,${OCI}.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json`, `http://${registry.address}/v2/${repository}/manifests/${tag}`))![1]!;
/** Pushes what was pulled as another name. */
async function pushAs(from: string, to: string, ...flags: string[]): Promise<string> {
  await daemon.dockerOk("tag", registry.name(from), registry.name(to));
  return await daemon.dockerOk("push", ...flags, registry.name(to));
}

describe("what was pulled is pushed as it was", () => {
  it("a manifest of another tool keeps its digest; its layers are mounted", async () => {
    const { digest } = await image("round/a", "amd64", "1");
    await daemon.dockerOk("pull", "-q", registry.name("round/a:1"));
    const told = await pushAs("round/a:1", "round/b:1");
    expect(told).toContain(`1: digest: ${digest} size:`);
    expect(told.match(/Mounted from round\/a/g)).toHaveLength(2);
    expect(await digestOf("round/b", "1")).toBe(digest);
    expect((await pushAs("round/a:1", "round/b:2")).match(/Layer already exists/g)).toHaveLength(2);
  }, 60_000);

  it("an index keeps its digest when all its images are here; else its one image that is", async () => {
    const made = await index("multi/a", "1");
    await daemon.dockerOk("pull", "-q", registry.name("multi/a:1"));
    expect(await pushAs("multi/a:1", "multi/one:1")).toContain(`digest: ${made.manifests[0]!.digest}`);
    await daemon.dockerOk("pull", "-q", "--platform", "linux/arm64", registry.name("multi/a:1"));
    expect(await pushAs("multi/a:1", "multi/both:1")).toContain(`digest: ${made.index.digest}`);
    expect(await digestOf("multi/both", "1")).toBe(made.index.digest);
    for (const { digest } of made.manifests) expect(await digestOf("multi/both", digest)).toBe(digest);
    expect(await pushAs("multi/a:1", "multi/arm:1", "--platform", "linux/arm64")).toContain(`digest: ${made.manifests[1]!.digest}`);
  }, 90_000);

  it("packed layers that are kept are sent as they came, to a registry that has nothing of them", async () => {
    const keeping = await bed.daemon({ storageDriver: "overlay2", flags: ["--keep-packed-layers"] });
    const { digest } = await image("kept/a", "amd64", "1");
    const from = registry.name("kept/a:1");
    await keeping.dockerOk("pull", "-q", from);
    const pushTo = async (to: Registry): Promise<string> => {
      await keeping.dockerOk("tag", from, to.name("kept/a:1"));
      return /digest: (\S+)/.exec(await keeping.dockerOk("push", to.name("kept/a:1")))![1]!;
    };
    expect(await pushTo(await bed.registry())).toBe(digest);
    // Over a restart and a collection; what is damaged is packed anew, and is a good image too.
    await keeping.restart();
    await keeping.dockerOk("image", "prune", "-f");
    const folder = join(keeping.dataRoot, "content/blobs/sha256");
    const { layers } = JSON.parse(readFileSync(join(folder, digest.slice(7)), "utf8")) as { layers: Descriptor[] };
    expect(layers.map((l) => statSync(join(folder, l.digest.slice(7))).size)).toEqual(layers.map((l) => l.size));
    writeFileSync(join(folder, layers[1]!.digest.slice(7)), Buffer.alloc(layers[1]!.size));
    const third = await bed.registry();
    expect(await pushTo(third)).not.toBe(digest);
    await daemon.dockerOk("pull", "-q", third.name("kept/a:1"));
    // They go with their layers.
    await keeping.dockerOk("image", "prune", "-af");
    await emptied(keeping);
    await bed.end(keeping);
  }, 120_000);

  it("foreign layers come from where their descriptor says, and are not pushed", async () => {
    const layer = await tar("f", "foreign");
    const packed = await putBlob("hidden", `${OCI}.layer.nondistributable.v1.tar+gzip`, gzipSync(layer));
    const foreign = { ...packed, urls: [`http://127.0.0.1:9/gone`, `http://${registry.address}/v2/hidden/blobs/${packed.digest}`], diffId: sha(layer) };
    const { digest } = await image("foreign/a", "amd64", "1", [foreign]);
    await daemon.dockerOk("pull", "-q", registry.name("foreign/a:1"));
    const told = await pushAs("foreign/a:1", "foreign/b:1");
    expect(told).toContain("Skipped foreign layer");
    expect(told).toContain(`digest: ${digest}`);
    expect((await bed.netns.run("curl", ["-sf", "-I", `http://${registry.address}/v2/foreign/b/blobs/${packed.digest}`])).code).not.toBe(0);
    // An ordinary layer is looked for nowhere else.
    const lost = { ...packed, mediaType: `${OCI}.layer.v1.tar+gzip`, urls: foreign.urls };
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: packed, layers: [lost] }));
    expect((await bed.netns.run("curl", ["-sf", "-X", "PUT", "-H", `Content-Type: ${OCI}.manifest.v1+json`, "--data-binary", `@${file(bytes)}`, `http://${registry.address}/v2/foreign/a/manifests/lost`])).code).not.toBe(0);
  }, 60_000);
});

describe("a layer that was here once", () => {
  let proxy: FaultyRegistry;
  beforeAll(async () => { proxy = await FaultyRegistry.start(bed.netns, registry.address, 5110); }, 60_000);
  afterAll(() => proxy.stop(), 60_000);

  async function forget(): Promise<void> {
    await daemon.dockerOk("image", "prune", "-af");
    await emptied(daemon);
  }
  /** An image that is in the registry by this name, and in an archive; none is here. */
  async function made(by: Daemon, name: string): Promise<{ digest: string; archive: string }> {
    const folder = bed.path(`once${files++}`), archive = `${folder}.saved`;
    mkdirSync(folder);
    writeFileSync(join(folder, "noise"), randomBytes(1 << 20));
    await tarOf(folder, `${folder}.tar`);
    await by.dockerOk("import", `${folder}.tar`, name);
    const digest = /digest: (\S+)/.exec(await by.dockerOk("push", name))![1]!;
    await by.dockerOk("save", "-o", archive, name);
    await forget();
    await proxy.faults();
    return { digest, archive };
  }
  /** Bytes of blobs that the registry was sent. */
  const sent = async (): Promise<number> => (await proxy.exchanges()).filter(({ path }) => path.includes("/blobs/")).reduce((sum, { received }) => sum + received, 0);

  it("and was pushed is linked into another repository, and not sent", async () => {
    const name = proxy.name("once/pushed:1"), to = proxy.name("elsewhere/pushed:1");
    const { digest, archive } = await made(daemon, name);
    await daemon.restart();
    await daemon.dockerOk("load", "-i", archive);
    await daemon.dockerOk("tag", name, to);
    const told = await daemon.dockerOk("push", to);
    expect([told.includes(`digest: ${digest}`), told.includes("Mounted from once/pushed")]).toEqual([true, true]);
    // The configuration is all that was sent.
    expect(await sent()).toBeLessThan(10_000);
    await proxy.faults();
    expect(await daemon.dockerOk("push", name)).toContain("Layer already exists");
    expect(await sent()).toBe(0);
  }, 120_000);

  it("and was pulled is linked into another repository, and not sent", async () => {
    const name = proxy.name("once/pulled:1"), to = proxy.name("elsewhere/pulled:1");
    const other = await bed.daemon({ storageDriver: "overlay2" });
    const { digest, archive } = await made(other, name);
    await bed.end(other);
    await daemon.dockerOk("pull", "-q", name);
    await forget();
    await daemon.dockerOk("load", "-i", archive);
    await daemon.dockerOk("tag", name, to);
    const told = await daemon.dockerOk("push", to);
    expect([told.includes(`digest: ${digest}`), told.includes("Mounted from once/pulled")]).toEqual([true, true]);
    expect(await sent()).toBeLessThan(10_000);
  }, 120_000);

  it("is sent where the registry has lost it", async () => {
    const name = proxy.name("once/lost:1"), to = proxy.name("elsewhere/lost:1");
    const { digest, archive } = await made(daemon, name);
    const { layers } = JSON.parse(await curl("-H", "Accept: application/vnd.docker.distribution.manifest.v2+json", `http://${proxy.name("v2/once/lost/manifests/1")}`)) as { layers: Descriptor[] };
    await curl("-X", "DELETE", `http://${proxy.name(`v2/once/lost/blobs/${layers[0]!.digest}`)}`);
    await daemon.dockerOk("load", "-i", archive);
    await daemon.dockerOk("tag", name, to);
    const told = await daemon.dockerOk("push", to);
    expect([told.includes(`digest: ${digest}`), told.includes("Pushed")]).toEqual([true, true]);
    expect(await sent()).toBeGreaterThan(1 << 20);
    await forget();
    await daemon.dockerOk("pull", "-q", to);
  }, 120_000);
});

describe("uploads", () => {
  it("go on from where the registry has them", async () => {
    const patient = bed.netns.start(process.execPath, [resolve(__dirname, "../helpers/patient-registry.js"), "5101"]);
    await patient.waitFor(/^ready$/m, 60_000);
    const proxy = await FaultyRegistry.start(bed.netns, "127.0.0.1:5101", 5102);
    try {
      const folder = bed.path("upload");
      mkdirSync(folder);
      writeFileSync(join(folder, "noise"), randomBytes(12 << 20));
      await tarOf(folder, `${folder}.tar`);
      const name = proxy.name("cut/a:1");
      const id = await daemon.dockerOk("import", `${folder}.tar`, name);
      await proxy.faults({ on: "PATCH ", kind: "cut-upload", after: 2 << 20, times: 3 }, { on: "PATCH ", kind: "status", status: 503, headers: { "Retry-After": "0" }, times: 1 });
      await daemon.dockerOk("push", name);
      const exchanges = await proxy.exchanges();
      expect(exchanges.filter((e) => e.method === "POST")).toHaveLength(2);
      expect(exchanges.filter((e) => e.method === "GET" && e.path.includes("/uploads/")).length).toBeGreaterThanOrEqual(4);
      const { layers } = JSON.parse(await curl(`http://127.0.0.1:5101/v2/cut/a/manifests/1`)) as { layers: Descriptor[] };
      // No byte twice.
      expect(exchanges.filter((e) => e.method === "PATCH").reduce((sum, e) => sum + e.received, 0)).toBe(layers[0]!.size);
      await daemon.dockerOk("rmi", name);
      await daemon.dockerOk("pull", "-q", name);
      expect(await daemon.dockerOk("images", "-q", "--no-trunc", name)).toBe(id);
      await daemon.dockerOk("save", "-o", bed.path("back.tar"), name);
    } finally {
      await proxy.stop();
      patient.kill("SIGTERM");
      await patient.exit;
    }
  }, 120_000);

  // This registry forgets an upload whose connection broke.
  it("survive breaks, and give the same bytes each time", async () => {
    const proxy = await FaultyRegistry.start(bed.netns, registry.address, 5100);
    try {
      const folder = bed.path("noise");
      mkdirSync(folder);
      writeFileSync(join(folder, "noise"), randomBytes(12 << 20));
      await tarOf(folder, `${folder}.tar`);
      await daemon.dockerOk("import", `${folder}.tar`, proxy.name("cut/a:1"));
      await proxy.faults({ on: "PATCH ", kind: "cut-upload", after: 4 << 20, times: 2 }, { on: "PATCH ", kind: "status", status: 503, headers: { "Retry-After": "0" }, times: 1 });
      const told = await daemon.dockerOk("push", proxy.name("cut/a:1"));
      expect((await proxy.exchanges()).filter((e) => e.method === "PATCH").length).toBeGreaterThanOrEqual(4);
      const digest = /digest: (\S+)/.exec(told)![1]!;
      // Another daemon packs the same tar to the same bytes.
      const other = await bed.daemon({ storageDriver: "overlay2" });
      await other.dockerOk("pull", "-q", proxy.name("cut/a:1"));
      await other.dockerOk("save", "-o", bed.path("cut.tar"), proxy.name("cut/a:1"));
      await other.dockerOk("image", "prune", "-af");
      await other.dockerOk("load", "-i", bed.path("cut.tar"));
      await other.dockerOk("tag", proxy.name("cut/a:1"), registry.name("cut/again:1"));
      expect(await other.dockerOk("push", registry.name("cut/again:1"))).toContain(`digest: ${digest}`);
      await bed.end(other);
    } finally { await proxy.stop(); }
  }, 120_000);

  withTools("are what skopeo and umoci find valid", async () => {
    await importBusybox(daemon);
    await daemon.dockerOk("tag", "busybox", registry.name("valid/a:1"));
    await daemon.dockerOk("push", "-q", registry.name("valid/a:1"));
    const layout = bed.path("layout");
    await bed.netns.ok("skopeo", ["--insecure-policy", "copy", "--src-tls-verify=false", `docker://${registry.name("valid/a:1")}`, `oci:${layout}:1`]);
    await ok("umoci", ["unpack", "--image", `${layout}:1`, bed.path("bundle")]);
    // And back: pull A, push B, digests equal.
    await bed.netns.ok("skopeo", ["--insecure-policy", "copy", "--dest-tls-verify=false", `oci:${layout}:1`, `docker://${registry.name("valid/b:1")}`]);
    await daemon.dockerOk("pull", "-q", registry.name("valid/b:1"));
    await pushAs("valid/b:1", "valid/c:1");
    expect(await digestOf("valid/c", "1")).toBe(await digestOf("valid/b", "1"));
  }, 60_000);
});

it("nothing stays behind", async () => {
  await daemon.dockerOk("image", "prune", "-af");
  await emptied(daemon);
}, 60_000);
