import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Background, call, Dockerd, FaultyRegistry, type Registry, type Result, TestBed, busyboxTar, daemonNeeds, makeContext, needs, ok, run, until } from "../helpers/index.js";

/** `strata doctor` on a root that Debian's dockerd made, and hurt when it was killed. What is to be found is worked out here from listings alone. */
const it = needs(...daemonNeeds, "docker", "dockerd", "registry", "curl");
jest.setTimeout(180_000);

const strata = resolve(__dirname, "../../../packages/cli/bin/strata.js");
const hex = (text: string): string => createHash("sha256").update(text).digest("hex");

interface Finding { kind: string; path: string; certainty: string; bytes: number; remove: string[]; why: string }
interface Report {
  use: { running: boolean; pids: number[] };
  drivers: { name: string; images: { id: string; tags: string[]; size: number }[] }[];
  containers: { name: string; logs: number; volumes: string[] }[];
  volumes: { name: string; bytes: number; containers: string[] }[];
  buildCache: { bytes: number; snapshots: number; database: string };
  findings: Finding[];
  totals: Record<string, number>;
}

let bed: TestBed;
let registry: Registry;
let faulty: FaultyRegistry;
let dockerd: Dockerd | undefined;
let root: string;
const start = async (): Promise<void> => {
  await dockerd?.stop();
  dockerd = await Dockerd.start(bed.netns, bed.path("dd"));
};
const docker = (...args: string[]): Promise<string> => dockerd!.dockerOk(...args);

beforeAll(async () => {
  bed = await TestBed.create();
  registry = await bed.registry();
  faulty = await FaultyRegistry.start(bed.netns, registry.address, 5100);
  root = join(bed.path("dd"), "data");
  await start();
  await docker("import", "--change", 'CMD ["sh"]', await busyboxTar(), "base:1");
  await build("keep:1", { c: "kept\n" });
  await build("lost:1", { d: "lost\n" });
  await build(registry.name("two:1"), { a: noise(3), b: noise(3) });
  await build(registry.name("large:1"), {}, "RUN dd if=/dev/zero of=/zeros bs=1M count=250 2>/dev/null");
  for (const name of ["two:1", "large:1"]) {
    await docker("push", "-q", registry.name(name));
    await docker("rmi", registry.name(name));
  }
  await docker("run", "--name", "box", "--network", "none", "-v", "data:/v", "keep:1", "sh", "-c", "echo a line of the log; head -c 100000 /dev/urandom > /own; head -c 200000 /dev/urandom > /v/x");
}, 240_000);
afterAll(async () => {
  await dockerd?.stop();
  await faulty?.stop();
  await bed?.close();
}, 60_000);

let noises = 0;
/** Text that does not compress, each time another. */
const noise = (megabytes: number): string => {
  let text = "";
  for (let n = 0; text.length < megabytes << 20; n++) text += hex(`${noises} ${n}`);
  noises++;
  return text;
};

/** An image by the classic builder: a layer for each file. */
async function build(name: string, files: Readonly<Record<string, string>>, ...more: string[]): Promise<void> {
  const context = makeContext(bed.folder, { ...files, Dockerfile: ["FROM base:1", ...Object.keys(files).map((file) => `COPY ${file} /${file}`), ...more].join("\n") });
  await ok("docker", ["build", "-q", "--network", "none", "-t", name, context], { env: { ...process.env, DOCKER_HOST: `unix://${dockerd!.socket}`, DOCKER_CONFIG: bed.folder, DOCKER_BUILDKIT: "0" } });
}

const doctor = (...args: string[]): Promise<Result> => run(process.execPath, [strata, "doctor", "--docker-root", root, ...args]);
async function examined(): Promise<Report> {
  const { code, stdout, stderr } = await doctor("--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Report;
}
/** Names, modes, times, links and contents of everything. */
const everything = (): Promise<string> => ok("sh", ["-c", `tar --sort=name --xattrs --format=gnu -C '${root}' -cf - . | sha256sum && cd '${root}' && find . -printf '%p %i %s %T@ %C@ %n\\n' | sort | sha256sum`]);
/** Bytes of paths below the root, each inode once. */
async function du(...paths: string[]): Promise<number> {
  if (paths.length === 0) return 0;
  const lines = await ok("du", ["-s", "-c", "--block-size=1", ...paths.map((path) => join(root, path))]);
  return Number(lines.split("\n").at(-1)!.split("\t")[0]);
}

const names = (path: string): string[] => (existsSync(join(root, path)) ? readdirSync(join(root, path)) : []);
const text = (path: string): string => readFileSync(join(root, path), "utf8").trim();
const database = (): Buffer => readFileSync(join(root, "buildkit/snapshots.db"));
const layerdb = "image/overlay2/layerdb";

/** What nothing refers to, by listings. A name that stands anywhere in BuildKit's database counts as its own. */
function expected(): { directories: string[]; layers: string[]; unfinished: string[] } {
  const records = names(`${layerdb}/sha256`), mounts = names(`${layerdb}/mounts`), bytes = database();
  const chains = new Set<string>();
  const climb = (chain: string): void => {
    chains.add(chain);
    const parent = `${layerdb}/sha256/${chain}/parent`;
    if (existsSync(join(root, parent))) climb(text(parent).slice(7));
  };
  for (const id of names("image/overlay2/imagedb/content/sha256")) {
    const { rootfs } = JSON.parse(text(`image/overlay2/imagedb/content/sha256/${id}`)) as { rootfs: { diff_ids: string[] } };
    let chain = "";
    for (const diff of rootfs.diff_ids) {
      chain = chain === "" ? diff : `sha256:${hex(`${chain} ${diff}`)}`;
      chains.add(chain.slice(7));
    }
  }
  for (const mount of mounts) climb(text(`${layerdb}/mounts/${mount}/parent`).slice(7));
  for (const chain of records) if (bytes.includes(chain)) climb(chain);
  const used = new Set(["l", ...records.map((chain) => text(`${layerdb}/sha256/${chain}/cache-id`)), ...mounts.flatMap((mount) => [text(`${layerdb}/mounts/${mount}/mount-id`), text(`${layerdb}/mounts/${mount}/init-id`)])]);
  return {
    directories: names("overlay2").filter((name) => !used.has(name) && !bytes.includes(name)).map((name) => `overlay2/${name}`).sort(),
    layers: records.filter((chain) => !chains.has(chain)).map((chain) => `${layerdb}/sha256/${chain}`).sort(),
    unfinished: names(`${layerdb}/tmp`).map((name) => `${layerdb}/tmp/${name}`).sort(),
  };
}
const found = (report: Report, kind: string): string[] => report.findings.filter((finding) => finding.kind === kind).map(({ path }) => path).sort();

/** Every byte once, as du counts. */
async function balanced({ totals: { all, ...parts } }: Report): Promise<void> {
  expect(all).toBe(await du(""));
  expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(all);
}

it("a sound root: sizes as Docker tells them, nothing found, nothing changed", async () => {
  const told = (await call(dockerd!.socket, "GET", "/images/json", { query: { all: true } })).json as { Id: string; Size: number; RepoTags: string[] }[];
  const running = await examined();
  expect(running.use.running).toBe(true);
  expect(running.findings).toEqual([]);
  await dockerd!.stop();
  const before = await everything();
  const report = await examined();
  expect(report.findings).toEqual([]);
  expect(report.use.running).toBe(false);
  const sizes = (list: readonly [string, number][]): [string, number][] => [...list].sort();
  expect(sizes(report.drivers[0]!.images.map(({ id, size }) => [id, size]))).toEqual(sizes(told.map(({ Id, Size }) => [Id, Size])));
  const [box] = report.containers;
  expect(box).toMatchObject({ name: "box", volumes: ["data"] });
  expect(box!.logs).toBeGreaterThan(0);
  expect(report.volumes).toMatchObject([{ name: "data", bytes: await du("volumes/data"), containers: [expect.any(String)] }]);
  await balanced(report);
  expect((await doctor()).stdout).toMatch(/^Docker root .*: no daemon works with it\n/);
  expect((await doctor("--script")).code).toBe(0);
  expect(await everything()).toBe(before);
});

it("what BuildKit keeps is its own", async () => {
  await start();
  await buildWithBuildKit();
  await docker("rmi", "bk:1");
  await dockerd!.stop();
  const report = await examined();
  expect(report.findings).toEqual([]);
  expect(report.buildCache).toMatchObject({ database: "read" });
  // Without a look at its database these would belong to nobody.
  const records = new Set(names(`${layerdb}/sha256`).map((chain) => text(`${layerdb}/sha256/${chain}/cache-id`)));
  const own = names("overlay2").filter((name) => database().includes(name) && !records.has(name));
  expect(own.length).toBeGreaterThan(0);
  expect(report.buildCache.bytes).toBeGreaterThanOrEqual(await du("buildkit", ...own.map((name) => `overlay2/${name}`)));
  await balanced(report);
});

/** The session that clients open is for contexts of their own and for credentials: a tar in the body needs none. */
async function buildWithBuildKit(): Promise<string> {
  const context = makeContext(bed.folder, { f: noise(1), Dockerfile: "FROM base:1\nCOPY f /f\nRUN echo made > /made\n" });
  const tar = `${context}.tar`;
  await ok("tar", ["-C", context, "-cf", tar, "."]);
  const { status, text: said } = await call(dockerd!.socket, "POST", "/build", { query: { version: 2, t: "bk:1", networkmode: "none" }, body: readFileSync(tar), headers: { "content-type": "application/x-tar" } });
  expect([status, /"errorDetail":(.*)/.exec(said)?.[1]]).toEqual([200, undefined]);
  return said;
}

describe("orphans", () => {
  let kept: string[];
  let report: Report;

  it("are not yet any while a pull is under way", async () => {
    await start();
    kept = (await docker("images", "-q", "--no-trunc")).split("\n").sort();
    const layers = new Set(names(`${layerdb}/sha256`));
    const pull = await pullHeld();
    const [layer, ...others] = names(`${layerdb}/sha256`).filter((chain) => !layers.has(chain));
    expect(others).toEqual([]);
    const running = await examined();
    expect(running.findings.filter(({ certainty }) => certainty === "certain")).toEqual([]);
    expect(found(running, "orphan-layer")).toEqual([`${layerdb}/sha256/${layer!}`]);
    const { code, stdout, stderr } = await doctor("--script");
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(/^a daemon works with .*: stop it first\n$/)]);
    expect((await doctor()).stdout).toMatch(/Maybe in progress:\n/);
    await dockerd!.kill9();
    await pull.exit;
  });

  it("are found, exactly those, and nothing is changed", async () => {
    await killWhileUnpacking();
    loseLayerOf("lost:1");
    const before = await everything(), wanted = expected();
    expect(wanted.directories.length).toBeGreaterThanOrEqual(2);
    expect(wanted.layers.length).toBeGreaterThanOrEqual(1);
    expect(wanted.unfinished.length).toBeGreaterThanOrEqual(1);
    report = await examined();
    expect([found(report, "orphan-directory"), found(report, "orphan-layer"), found(report, "unfinished-layer")]).toEqual([wanted.directories, wanted.layers, wanted.unfinished]);
    expect(report.findings.filter(({ kind }) => !["orphan-directory", "orphan-layer", "unfinished-layer"].includes(kind)).map(({ kind, why }) => [kind, why])).toEqual([["missing-layer", "image lost:1 lacks 1 of its 2 layers"]]);
    expect(report.findings.every(({ certainty }) => certainty === "certain")).toBe(true);
    const own = [...wanted.directories, ...wanted.layers.map((path) => `overlay2/${text(`${path}/cache-id`)}`)];
    const links = own.filter((path) => existsSync(join(root, path, "link"))).map((path) => `overlay2/l/${text(`${path}/link`)}`);
    expect(report.totals["unreferenced"]).toBe(await du(...own, ...links, ...wanted.layers, ...wanted.unfinished));
    await balanced(report);
    expect(await everything()).toBe(before);
  });

  it("go by the script; Docker starts, and all that it had works", async () => {
    const script = bed.path("remove.sh");
    const { code, stdout } = await doctor("--script");
    expect(code).toBe(0);
    writeFileSync(script, stdout);
    const before = await du("");
    expect(await run("sh", [script])).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(before - await du("")).toBe(report.totals["unreferenced"]);
    const after = await examined();
    expect(after.findings.map(({ kind }) => kind)).toEqual(["missing-layer"]);
    await start();
    // The image that lost its layer is gone for Docker too.
    expect((await docker("images", "-q", "--no-trunc")).split("\n").filter((id) => !kept.includes(id))).toEqual([]);
    expect(await docker("run", "--rm", "--network", "none", "keep:1", "cat", "/c")).toBe("kept");
    expect(await docker("start", "-a", "box")).toBe("a line of the log");
    await docker("pull", "-q", registry.name("two:1"));
    expect((await docker("run", "--rm", "--network", "none", registry.name("two:1"), "sh", "-c", "wc -c < /a; wc -c < /b")).split("\n").map(Number)).toEqual([3 << 20, 3 << 20]);
    await buildWithBuildKit();
    expect(await docker("run", "--rm", "--network", "none", "bk:1", "cat", "/made")).toBe("made");
    expect((await run("sh", [script])).stderr).toMatch(/^nothing was removed: /);
  });

  /** A pull that has one layer and waits for the rest of the next. */
  async function pullHeld(): Promise<Background> {
    const before = names(`${layerdb}/sha256`).length;
    const { layers } = JSON.parse(await bed.netns.ok("curl", ["-sf", "-H", "Accept: application/vnd.docker.distribution.manifest.v2+json", `http://${registry.address}/v2/two/manifests/1`])) as { layers?: { digest: string }[] };
    const last = layers?.at(-1)?.digest ?? "";
    await faulty.faults({ on: `GET /v2/two/blobs/${last}`, kind: "hold", after: 1000 });
    const pull = new Background("docker", ["pull", faulty.name("two:1")], { env: { ...process.env, DOCKER_HOST: `unix://${dockerd!.socket}`, DOCKER_CONFIG: bed.folder } });
    await until(() => (names(`${layerdb}/sha256`).length > before ? true : undefined), 60_000, () => `a layer of the pull:\n${pull.output}`, () => pull.ended);
    return pull;
  }

  async function killWhileUnpacking(): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      await start();
      const before = new Set(names("overlay2"));
      const pull = new Background("docker", ["pull", registry.name("large:1")], { env: { ...process.env, DOCKER_HOST: `unix://${dockerd!.socket}`, DOCKER_CONFIG: bed.folder } });
      const seen = await until(() => names(`${layerdb}/tmp`).length > 0 && names("overlay2").some((name) => !before.has(name)) ? true : undefined, 60_000, "a layer that is unpacked", () => pull.ended).catch(() => undefined);
      await dockerd!.kill9();
      await pull.exit;
      if (seen === true && expected().unfinished.length > 0) return;
    }
    throw new Error("no pull was caught while it unpacked");
  }

  /** As a crash of the file system would. */
  function loseLayerOf(name: string): void {
    const { Repositories } = JSON.parse(text("image/overlay2/repositories.json")) as { Repositories: Record<string, Record<string, string>> };
    const id = Object.values(Repositories).map((tags) => tags[name]).find((one) => one !== undefined)!;
    const { rootfs } = JSON.parse(text(`image/overlay2/imagedb/content/sha256/${id.slice(7)}`)) as { rootfs: { diff_ids: string[] } };
    const [base, diff] = rootfs.diff_ids;
    rmSync(join(root, layerdb, "sha256", hex(`${base!} ${diff!}`)), { recursive: true });
  }
});
