import { spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { examine } from "./examine.js";
import type { Report } from "./report.js";
import { removalScript } from "./script.js";
import { showReport } from "./show.js";
import { BoltWriter } from "./testing/bolt-writer.js";
import { MadeRoot } from "./testing/root.js";

let root: MadeRoot;
afterEach(() => root.remove());

const found = (report: Report): string[] => report.findings.map(({ kind, path, certainty }) => `${kind} ${path}${certainty === "certain" ? "" : ` (${certainty})`}`).sort();
const du = (path: string): number => Number(spawnSync("du", ["-s", "--block-size=1", path], { encoding: "utf8" }).stdout.split("\t")[0]);
/** The sum of the kinds is what du says. */
function balanced(report: Report): void {
  const { all, ...parts } = report.totals;
  expect(all).toBe(du(report.root));
  expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(all);
  for (const [kind, bytes] of Object.entries(parts)) expect([kind, bytes >= 0]).toEqual([kind, true]);
}

describe("a sound root", () => {
  beforeEach(() => { root = new MadeRoot(); });

  test("has nothing to find, and every byte has its kind", () => {
    const [base, top] = root.layers("base", "top");
    root.layers("base", "other");
    const [image, other] = [root.image("base", "top"), root.image("base", "other")];
    root.tags({ "a:1": image, "a:2": image, "b:1": other, "a@sha256:1": image });
    const id = root.container("box", image, top!, { MountPoints: { "/v": { Type: "volume", Name: "data", Driver: "local" }, "/b": { Type: "bind", Source: "/x" } } });
    root.file(`containers/${id}/${id}-json.log`, "x".repeat(9000));
    root.file(`containers/${id}/${id}-json.log.1`, "x".repeat(5000));
    root.file("volumes/data/_data/file", "x".repeat(30_000));
    root.file("volumes/loose/_data/file", "x".repeat(100));
    root.file("volumes/metadata.db", "");
    const report = examine(root.path);
    expect(found(report)).toEqual([]);
    balanced(report);
    expect(report.use).toMatchObject({ running: false, pids: [] });
    expect(report.drivers[0]!.images.find((one) => one.id === image)).toMatchObject({ tags: ["a:1", "a:2"], layers: 2, size: 20_000, containers: 1, missing: 0 });
    expect(report.drivers[0]!.layers.find((layer) => layer.chainId === base)).toMatchObject({ images: 2, containers: 1, buildCache: false });
    expect(report.containers).toMatchObject([{ id, name: "box", logs: du(join(root.path, `containers/${id}/${id}-json.log`)) + du(join(root.path, `containers/${id}/${id}-json.log.1`)), volumes: ["data"] }]);
    expect(report.volumes.map(({ name, containers }) => [name, containers])).toEqual([["data", [id]], ["loose", []]]);
    const text = showReport(report).join("\n");
    expect(text).toMatch(/^Docker root .*: no daemon works with it\n/);
    expect(text).toMatch(/a:1, a:2 {2,}2 {2,}20kB/);
    expect(text).not.toMatch(/Nothing refers to these|Broken references/);
  });

  test("counts a file with several names once", () => {
    const orphan = root.layerDirectory(root.idOf("x"), 50_000);
    linkSync(join(root.path, `overlay2/${orphan}/diff/file`), join(root.path, `overlay2/${orphan}/diff/again`));
    const report = examine(root.path);
    balanced(report);
    expect(report.findings[0]!.bytes).toBe(du(join(root.path, "overlay2", orphan)) + du(join(root.path, "overlay2/l", root.shortOf(orphan))));
  });

  test("names that are no text are walked too", () => {
    const folder = join(root.path, `overlay2/${root.layerDirectory(root.idOf("x"))}/diff`);
    mkdirSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe])]));
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe, 0x2f, 0xe9])]), "x".repeat(20_000));
    balanced(examine(root.path));
  });
});

describe("what nothing refers to", () => {
  beforeEach(() => { root = new MadeRoot(); });

  test("is found, and what refers to something is not", () => {
    root.layers("base");
    root.tags({ "a:1": root.image("base") });
    const [, lost] = root.layers("base", "lost");
    const directory = root.layerDirectory(root.idOf("free"));
    root.layerDirectory("scratch-of-an-admin");
    const writable = root.writable("f".repeat(64), lost!);
    const unfinished = root.file("image/overlay2/layerdb/tmp/write-set-1/diff", "x");
    const removing = `${root.recordOf(`sha256:${"e".repeat(64)}`)}-abc-removing`;
    root.file(`${removing}/cache-id`, root.layerDirectory(root.idOf("removing")));
    root.layerDirectory(root.idOf("dangling"));
    rmSync(join(root.path, "overlay2", root.idOf("dangling")), { recursive: true });
    const report = examine(root.path);
    expect(found(report)).toEqual([
      `dangling-link overlay2/l/${root.shortOf(root.idOf("dangling"))}`,
      `orphan-directory overlay2/${directory}`,
      "orphan-directory overlay2/scratch-of-an-admin (unsure)",
      `orphan-layer ${root.recordOf(lost!)}`,
      `orphan-writable ${writable}`,
      "unfinished-layer image/overlay2/layerdb/tmp/write-set-1",
      `unfinished-removal ${removing}`,
    ].sort());
    balanced(report);
    expect(unfinished).toContain("write-set-1");
    const script = removalScript(report);
    expect(spawnSync("sh", ["-n"], { input: script }).status).toBe(0);
    expect(script).not.toContain("scratch-of-an-admin");
  });

  test("leaves layers alone that an image may need that cannot be read", () => {
    root.layers("base");
    root.file(`image/overlay2/imagedb/content/sha256/${"1".repeat(64)}`, "{}");
    const report = examine(root.path);
    expect(found(report)).toEqual([`damaged-image image/overlay2/imagedb/content/sha256/${"1".repeat(64)}`, expect.stringMatching(/^orphan-layer .* \(unsure\)$/)]);
    expect(removalScript(report)).not.toMatch(/^remove '/m);
  });

  test("is not what BuildKit holds, whatever its database looks like", () => {
    const [held] = root.layers("of a build"), [plain, committed, free] = ["k".repeat(25), "m".repeat(25), "z".repeat(25)];
    for (const name of [plain!, committed!, free!]) root.layerDirectory(name);
    const snapshots = BoltWriter.write({ [plain!]: { parent: "" }, other: { committed: committed!, parent: "" }, layer: { chainid: held! } });
    root.file("buildkit/snapshots.db", snapshots);
    const read = examine(root.path);
    expect(found(read)).toEqual([`orphan-directory overlay2/${free!}`]);
    expect(read.buildCache).toMatchObject({ database: "read", snapshots: 3 });
    expect(read.buildCache.bytes).toBe(du(join(root.path, "buildkit")) + [plain!, committed!, root.idOf(held!)].reduce((sum, name) => sum + du(join(root.path, "overlay2", name)), 0));
    balanced(read);
    snapshots[16]! ^= 1;
    snapshots[4096 + 16]! ^= 1;
    root.file("buildkit/snapshots.db", snapshots);
    const scanned = examine(root.path);
    expect(scanned.buildCache.database).toBe("scanned");
    expect(found(scanned)).toEqual([`orphan-directory overlay2/${free!}`]);
    expect(showReport(scanned).join("\n")).toContain("its database cannot be read");
  });

  test("is removed from the top down, so that a removal that is cut off leaves no layer without its parent", () => {
    const chains = root.layers("one", "two", "three", "four");
    const script = removalScript(examine(root.path));
    expect([...script.matchAll(/^remove '(image\/\S+)'/gm)].map(([, path]) => path)).toEqual([...chains].reverse().map((chain) => root.recordOf(chain)));
  });

  test("on vfs is found by the same records", () => {
    root.remove();
    root = new MadeRoot("vfs");
    root.layers("base");
    root.tags({ "a:1": root.image("base") });
    const free = root.layerDirectory(root.idOf("free"));
    const report = examine(root.path);
    expect(found(report)).toEqual([`orphan-directory vfs/dir/${free}`]);
    expect(removalScript(report)).toContain(`remove 'vfs/dir/${free}'`);
  });
});

test("references to what is not there", () => {
  root = new MadeRoot();
  const [base, top] = root.layers("base", "top");
  const image = root.image("base", "top", "never");
  root.tags({ "a:1": image, "gone:1": `sha256:${"9".repeat(64)}` });
  const id = root.container("box", image, top!, { MountPoints: { "/v": { Type: "volume", Name: "gone", Driver: "local" } } });
  const bare = root.container("bare", image, top!);
  rmSync(join(root.path, `image/overlay2/layerdb/mounts/${bare}`), { recursive: true });
  for (const name of [root.idOf(bare), `${root.idOf(bare)}-init`]) rmSync(join(root.path, "overlay2", name), { recursive: true });
  for (const name of [root.idOf(bare), `${root.idOf(bare)}-init`]) rmSync(join(root.path, "overlay2/l", root.shortOf(name)));
  rmSync(join(root.path, "overlay2", root.idOf(base!)), { recursive: true });
  rmSync(join(root.path, "overlay2/l", root.shortOf(root.idOf(top!))));
  root.file(`${root.recordOf(top!)}/parent`, `sha256:${"8".repeat(64)}`);
  root.directory(`containers/${"c".repeat(64)}`);
  const report = examine(root.path);
  expect(new Set(found(report))).toEqual(new Set([
    `missing-directory ${root.recordOf(base!)}`, `dangling-link overlay2/l/${root.shortOf(root.idOf(base!))}`, `missing-link overlay2/${root.idOf(top!)}`, `damaged-layer ${root.recordOf(top!)}`,
    `missing-layer image/overlay2/imagedb/content/sha256/${image.slice(7)}`, "missing-image image/overlay2/repositories.json", `missing-volume containers/${id}`,
    `missing-writable containers/${bare}`, `damaged-container containers/${"c".repeat(64)}`,
  ]));
  balanced(report);
  expect(showReport(report).join("\n")).toMatch(/Broken references:\nKIND +PATH +WHY\n/);
});

describe("the script", () => {
  const run = (script: string) => spawnSync("sh", ["-s"], { input: script, encoding: "utf8" });
  const asRoot = process.getuid?.() === 0 ? test : test.skip;

  asRoot("removes what it names, from a root of an unpleasant name", () => {
    root = new MadeRoot("overlay2", "it's a \"root\" $(touch x) \\ `y`\tz");
    root.layers("base");
    root.tags({ "a:1": root.image("base") });
    const free = root.layerDirectory(root.idOf("free"), 100_000);
    const before = du(root.path), report = examine(root.path);
    const { status, stderr } = run(removalScript(report));
    expect([status, stderr]).toEqual([0, ""]);
    expect(existsSync(join(root.path, "overlay2", free))).toBe(false);
    expect(before - du(root.path)).toBe(report.totals.unreferenced);
    expect(found(examine(root.path))).toEqual([]);
  });

  asRoot("refuses a root that has changed, or that somebody has open", () => {
    root = new MadeRoot();
    const free = root.layerDirectory(root.idOf("free"));
    const script = removalScript(examine(root.path));
    const [chain] = root.layers("new");
    expect(run(script)).toMatchObject({ status: 1, stderr: expect.stringContaining("has changed since it was examined") as string });
    rmSync(join(root.path, root.recordOf(chain!)), { recursive: true });
    rmSync(join(root.path, "overlay2", root.idOf(chain!)), { recursive: true });
    root.file("volumes/metadata.db", "");
    const locked = spawnSync("flock", [join(root.path, "volumes/metadata.db"), "sh", "-s"], { input: script, encoding: "utf8" });
    expect(locked).toMatchObject({ status: 1, stderr: expect.stringContaining("a daemon works with") as string });
    const open = spawnSync("sh", ["-c", `exec 9<"$1"; exec sh -c "$2"`, "sh", join(root.path, "containers"), `(cd /; true); ${script}`], { encoding: "utf8" });
    expect(open).toMatchObject({ status: 1, stderr: expect.stringContaining("has files of") as string });
    expect(existsSync(join(root.path, "overlay2", free))).toBe(true);
    expect(run(script)).toMatchObject({ status: 0, stderr: "" });
    expect(existsSync(join(root.path, "overlay2", free))).toBe(false);
  });

  asRoot("is not given while a daemon has a database of the root locked", () => {
    root = new MadeRoot();
    root.layerDirectory(root.idOf("free"));
    const database = join(root.path, root.file("volumes/metadata.db", ""));
    // Examined by a process that runs while flock holds the lock.
    const program = `const { examine } = require(${JSON.stringify(join(__dirname, "examine.js"))}), { removalScript } = require(${JSON.stringify(join(__dirname, "script.js"))});
      const report = examine(${JSON.stringify(root.path)}); console.log(JSON.stringify(report)); try { removalScript(report); } catch (error) { console.log(error.message); }`;
    const [report, refusal] = spawnSync("flock", [database, process.execPath, "-e", program], { encoding: "utf8" }).stdout.split("\n");
    const { use, findings } = JSON.parse(report!) as Report;
    expect(use).toMatchObject({ running: true, pids: [expect.any(Number)], since: expect.any(Number) });
    expect(findings.map(({ certainty }) => certainty)).toEqual(["maybe-in-progress"]);
    expect(refusal).toMatch(/^a daemon works with .*: stop it first$/);
  });
});

test("stores that are not examined are named", () => {
  root = new MadeRoot("devicemapper");
  root.layers("base");
  root.tags({ "a:1": root.image("base") });
  root.directory("100000.100000/image");
  root.directory("rootfs/overlayfs/x");
  root.directory("graph");
  root.file("containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/x", "x");
  const report = examine(root.path);
  expect(found(report)).toEqual([]);
  expect(report.drivers).toMatchObject([{ name: "devicemapper", examined: false, plain: false, images: [{ tags: ["a:1"], missing: 0 }] }]);
  const text = showReport(report).join("\n");
  for (const words of ["thin devices in a pool", "images are kept by containerd (snapshotter overlayfs)", "100000.100000 is the root of a daemon with --userns-remap", "graph/ holds images of Docker before 1.10"]) expect(text).toContain(words);
});

test("what is no root of Docker's is refused by name", () => {
  root = new MadeRoot();
  expect(() => examine("/no/such/root")).toThrow(/--docker-root: .*ENOENT/);
  expect(() => examine("/proc/self/task")).toThrow("is not a data root of Docker's");
  root.file("strata.db", "");
  expect(() => examine(root.path)).toThrow("is a data root of Strata's");
});
