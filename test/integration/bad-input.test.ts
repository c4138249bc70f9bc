import { existsSync, mkdirSync, readFileSync, readdirSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Background, type Daemon, type TestBed, busyboxTar, daemonNeeds, importBusybox, emptied, needs, ok, pushAppImage, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");
const withLoop = needs(...daemonNeeds, "docker", "loop", "registry");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemon({ storageDriver: "overlay2" });
});

/** Nothing of what failed is left: no image, no directory, no blob. Work in the background may need a moment. */
async function expectNothingLeft(of = daemon, options?: Parameters<typeof emptied>[1]): Promise<void> {
  expect((await of.api("GET", "/images/json", { query: { all: 1 } })).json).toEqual([]);
  await emptied(of, options);
}

describe("requests", () => {
  it("of unknown things are 404, with Docker's words", async () => {
    const cases: [string, string, string | RegExp][] = [
      ["GET", "/images/nope/json", /^No such image: nope/], ["DELETE", "/images/nope", /^No such image: nope/], ["POST", "/images/nope/tag?repo=a", /^No such image: nope/],
      ["GET", "/containers/nope/json", "No such container: nope"], ["POST", "/containers/nope/start", "No such container: nope"], ["DELETE", "/containers/nope", "No such container: nope"],
      ["GET", "/containers/nope/logs?stdout=1", "No such container: nope"], ["POST", "/containers/nope/wait", "No such container: nope"], ["GET", "/exec/nope/json", /No such exec instance/],
      ["GET", "/volumes/nope", /nope: no such volume/], ["GET", "/networks/nope", "network nope not found"], ["POST", "/commit?container=nope", "No such container: nope"],
    ];
    for (const [method, path, message] of cases) {
      const { status, json } = await daemon.api(method, path);
      expect({ method, path, status, message: json.message }).toEqual({ method, path, status: 404, message: typeof message === "string" ? message : expect.stringMatching(message) });
    }
  });

  it("that make no sense are 400, and name what", async () => {
    const json = { "content-type": "application/json" };
    const cases: [string, string, { headers?: Record<string, string>; body?: string; json?: unknown }, RegExp][] = [
      ["POST", "/containers/create", { headers: json, body: "{ broken" }, /JSON|json/],
      ["POST", "/containers/create", { headers: json, body: "" }, /./],
      ["POST", "/containers/create?name=a%20b", { json: { Image: "x" } }, /Invalid container name \(a b\)/],
      ["POST", "/containers/create", { json: { Image: "x", Cmd: 5 } }, /Cmd/],
      ["POST", "/containers/create", { json: { Cmd: ["true"] } }, /image|Image|no command/i],
      ["GET", "/containers/json?filters=%7Bbroken", {}, /filter/i],
      ["POST", "/images/create?fromImage=UPPER", {}, /repository name must be lowercase|invalid reference format/],
      ["POST", "/volumes/create", { json: { Name: "../up" } }, /volume name/i],
      ["POST", "/networks/create", { json: {} }, /name/i],
    ];
    for (const [method, path, call, message] of cases) {
      const answer = await daemon.api(method, path, call);
      expect({ path, body: call.body, status: answer.status, message: answer.json?.message }).toEqual({ path, body: call.body, status: 400, message: expect.stringMatching(message) });
    }
    await expectNothingLeft();
  });
});

describe("archives", () => {
  const importing = (body: Buffer): ReturnType<Daemon["docker"]> => daemon.docker(["import", "-", "bad:1"], { input: body });

  it("that are none are refused by import and load", async () => {
    const tar = readFileSync(await busyboxTar());
    writeFileSync(bed.path("whole.tar"), tar);
    await ok("gzip", ["-k", bed.path("whole.tar")]);
    const gzip = readFileSync(bed.path("whole.tar.gz"));
    for (const body of [Buffer.from("this is no archive ".repeat(100)), tar.subarray(0, tar.length >> 1), gzip.subarray(0, gzip.length - 1000)]) {
      const result = await importing(body);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/tar|EOF|gzip|archive|end of/i);
      await expectNothingLeft();
      const load = await daemon.docker(["load"], { input: body });
      expect(load.code).toBe(1);
      expect(load.stderr.trim()).not.toBe("");
      await expectNothingLeft();
    }
  });

  it("that contradict themselves are refused by load", async () => {
    const folder = bed.path("archive");
    mkdirSync(folder);
    await ok("cp", [await busyboxTar(), join(folder, "layer.tar")]);
    const config = (diffId: string): string => JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [diffId] } });
    const manifest = (layer: string): string => JSON.stringify([{ Config: "config.json", RepoTags: ["bad:1"], Layers: [layer] }]);
    const diffId = `sha256:${(await ok("sha256sum", [await busyboxTar()])).split(" ")[0]!}`;
    const cases = [
      { "manifest.json": manifest("layer.tar"), "config.json": config(`sha256:${"0".repeat(64)}`) },
      { "manifest.json": manifest("../layer.tar"), "config.json": config(diffId) },
      { "manifest.json": manifest("absent.tar"), "config.json": config(diffId) },
      { "manifest.json": manifest("layer.tar"), "config.json": "{ broken" },
      { "manifest.json": "{ broken", "config.json": config(diffId) },
    ];
    for (const files of cases) {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      await ok("tar", ["-cf", bed.path("bad.tar"), "-C", folder, "manifest.json", "config.json", "layer.tar"]);
      const result = await daemon.docker(["load", "-i", bed.path("bad.tar")]);
      expect({ files, code: result.code }).toEqual({ files, code: 1 });
      await expectNothingLeft();
    }
  });
});

describe("a registry that lies", () => {
  let server: Background;
  beforeAll(async () => {
    server = bed.netns.start(process.execPath, [join(__dirname, "../helpers/lying-registry.js"), "5099"]);
    await server.waitFor(/ready/);
  });
  afterAll(() => { server.kill("SIGKILL"); });
  const pull = (name: string): ReturnType<Daemon["docker"]> => daemon.docker(["pull", `127.0.0.1:5099/lies/${name}`], { timeoutMs: 60_000 });

  it("is believed when it tells the truth", async () => {
    expect(await pull("truth")).toMatchObject({ code: 0 });
    await daemon.dockerOk("rmi", "127.0.0.1:5099/lies/truth");
    await expectNothingLeft();
  });

  for (const lie of ["layer-bytes", "gzip-truncated", "not-gzip", "not-tar", "tar-truncated", "diff-id", "config-bytes", "manifest-json"]) {
    it(`is found out: ${lie}`, async () => {
      const { code, stderr } = await pull(lie);
      expect(code).toBe(1);
      expect(stderr.trim()).not.toBe("");
      await expectNothingLeft();
    }, 90_000);
  }

  it("cannot write outside the layer", async () => {
    await pull("escape");
    for (const n of [1, 2, 3, 4]) expect(existsSync(`/tmp/strata-escaped-${n}`)).toBe(false);
    await daemon.docker(["rmi", "127.0.0.1:5099/lies/escape"]);
    await expectNothingLeft();
  });

  // These look like a connection that broke: what came is kept for the next attempt, and nothing else.
  for (const lie of ["layer-short", "layer-size", "layer-cut"]) {
    it(`is waited for in vain: ${lie}`, async () => {
      const { code, stderr } = await pull(lie);
      expect(code).toBe(1);
      expect(stderr.trim()).not.toBe("");
      await expectNothingLeft(daemon, { butDownloads: true });
    }, 90_000);
  }
});

describe("a full disk", () => {
  withLoop("fails what does not fit, leaves nothing of it, and serves on", async () => {
    const disk = bed.path("disk.img"), mountPoint = bed.path("small");
    writeFileSync(disk, "");
    truncateSync(disk, 96 << 20);
    await ok("mkfs.ext4", ["-q", "-F", "-m", "0", disk]);
    mkdirSync(mountPoint);
    await ok("mount", ["-o", "loop", disk, mountPoint]);
    const registry = await bed.registry();
    const app = await pushAppImage(bed.netns, registry.address);
    const small = await bed.daemon({ storageDriver: "overlay2", dataRoot: join(mountPoint, "data") });
    try {
      const free = (): number => { const { bavail, bsize } = statfsSync(mountPoint); return bavail * bsize; };
      const before = free();
      const pulled = await small.docker(["pull", app]);
      expect(pulled.code).toBe(1);
      expect(pulled.stderr).toMatch(/no space left on device/i);
      await expectNothingLeft(small);
      expect(free()).toBeGreaterThan(before - (4 << 20));

      await importBusybox(small);
      const written = await small.docker(["run", "--name", "filler", "busybox", "sh", "-c", "head -c 200000000 /dev/zero > /big; echo wrote"]);
      expect(written.stdout).toBe("wrote\n");
      const committed = await small.docker(["commit", "filler", "too:big"]);
      expect(committed.code).toBe(1);
      expect((await small.dockerOk("images", "--format", "{{.Repository}}"))).toBe("busybox");
      await small.dockerOk("rm", "filler");
      // What is removed is answered for before the last of it has gone from the disk.
      await until(() => readdirSync(join(mountPoint, "data", "trash")).length === 0 || undefined, 20_000, "an empty trash");
      expect(await small.dockerOk("run", "--rm", "busybox", "echo", "fine")).toBe("fine");
      await small.dockerOk("rmi", "busybox");
      await expectNothingLeft(small);
    } finally {
      await small.destroy();
      await ok("umount", ["-l", mountPoint]);
    }
  }, 300_000);
});
