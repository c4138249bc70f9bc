import { chmodSync, closeSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { marksOf } from "../../../archive/marks.js";
import { tarOf } from "../../../archive/testing/tar-of.js";
import { treeOf } from "../../../archive/testing/tree-of.js";
import { WorkerPool } from "../../../archive/workers/pool.js";
import { silentLogger } from "../../../core/logger.js";
import { AT_FDCWD } from "../../../kernel/libc.js";
import { probeProjectQuotas } from "../../../kernel/project-quota.js";
import { isWhiteout, Stater } from "../../../kernel/stat.js";
import { storageConformance, type Subject } from "../conformance.js";
import { describeWrittenForm } from "../testing/copy-on-write-suite.js";
import { CAPABILITY } from "../testing/layers-suite.js";
import { noise, Rig } from "../testing/rig.js";
import { OverlayDriver, openOverlay } from "./overlay.js";
import { probeOverlay, type OverlayFeatures } from "./probe.js";

const probe = ((): ReturnType<typeof probeOverlay> => {
  if (process.getuid?.() !== 0) return { ok: false, reason: "needs root" };
  const dir = mkdtempSync(join(tmpdir(), "strata-probe-"));
  try { return probeOverlay(join(dir, "overlay")); } finally { rmSync(dir, { recursive: true }); }
})();
const features = (): OverlayFeatures => { if (!probe.ok) throw new Error(probe.reason); return probe.features; };

const subject = (change: Partial<OverlayFeatures> = {}) => (dataRoot: string, workers: WorkerPool): Subject => {
  const root = join(dataRoot, "overlay");
  const setup = { root, trash: join(dataRoot, "trash"), options: new Map(), report: () => undefined, workers, logger: silentLogger };
  return {
    driver: new OverlayDriver(setup, { ...features(), ...change }, probeProjectQuotas(root)),
    tree: (id) => join(root, id, "root"),
    crashes: [
      (id) => mkdirSync(join(root, id)),
      (id) => mkdirSync(join(root, id, "root/d"), { recursive: true }),
      (id) => { mkdirSync(join(root, id, "root/d"), { recursive: true }); writeFileSync(join(root, id, "tar-split.gz"), ""); mkdirSync(join(root, id, "tar-split.gz.kept")); },
      (id) => { mkdirSync(join(root, id)); writeFileSync(join(root, id, "lower-id"), ""); },
      (id) => { mkdirSync(join(root, id, "upper/half"), { recursive: true }); writeFileSync(join(root, id, "lower-id"), "gone"); },
      (id) => { mkdirSync(join(root, id, "compare/whole-x"), { recursive: true }); mkdirSync(join(root, id, "upper")); },
    ],
  };
};

storageConformance("overlay", subject(), () => (probe.ok ? undefined : probe.reason));

(probe.ok ? describe : describe.skip)(`overlay${probe.ok ? "" : ` (skipped: ${probe.reason})`}`, () => {
  let workers: WorkerPool, rig: Rig, root: string;
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  const open = (change: Partial<OverlayFeatures> = {}): void => { rig = new Rig(subject(change), workers); root = join(rig.dataRoot, "overlay"); };
  beforeEach(() => open());
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });
  const treeAt = (id: string): string => join(root, id, "root");

  describeWrittenForm(() => rig, () => ({
    upper: (id) => join(root, id, "upper"),
    isGone: (dir, name) => { const stat = new Stater().at(AT_FDCWD, join(dir, name)); return stat !== undefined && isWhiteout(stat); },
    isOpaque: (dir) => marksOf.overlay.isOpaque(new Stater(), dir),
  }));

  test("lies on disk as Docker's users know it", async () => {
    expect(readdirSync(root)).toEqual([]);
    const chain = await rig.chain([{ name: "a", content: "a" }, { name: "b", content: "b" }], [{ name: "b", content: "B" }, { name: "c", content: "c" }]);
    const [top, base] = chain as string[] as [string, string];
    expect(readdirSync(root).sort()).toEqual([...chain].sort());
    for (const id of chain) expect(readdirSync(join(root, id)).sort()).toEqual(["root", "tar-split.gz"]);
    expect([readdirSync(treeAt(base)).sort(), readdirSync(treeAt(top)).sort()]).toEqual([["a", "b"], ["a", "b", "c"]]);
    expect(statSync(join(treeAt(top), "a"))).toMatchObject({ ino: statSync(join(treeAt(base), "a")).ino, nlink: 2 });
    expect(statSync(join(treeAt(base), "b")).nlink).toBe(1);

    const init = await rig.create(chain);
    await rig.view(init, (tree) => writeFileSync(join(tree, "made"), ""), "volatile");
    const container = await rig.create(init);
    for (const id of [init[0]!, container[0]!]) {
      expect(readdirSync(join(root, id)).sort()).toEqual(["lower-id", "merged", "upper", "work"]);
      expect(readFileSync(join(root, id, "lower-id"), "utf8")).toBe(top);
      expect(readdirSync(join(root, id, "upper"))).toEqual(["made"]);
    }
    expect(statSync(join(root, container[0]!, "upper/made")).nlink).toBe(1);
    const at = (name: string): string => join(root, container[0]!, name);
    expect(rig.driver.describe(container[0]!, init)).toEqual({ LowerDir: treeAt(top), UpperDir: at("upper"), WorkDir: at("work"), MergedDir: at("merged") });
    expect(rig.driver.describe(top as never, [base as never])).toEqual({ RootDir: treeAt(top) });
    expect(await rig.driver.status()).toEqual([["Backing Filesystem", expect.stringMatching(/./)], ["Supports d_type", "true"]]);
  });

  test("whatever a layer does to files of its parent, the parent's stay as they are", async () => {
    const base = await rig.chain([
      { name: "d/", mode: 0o755 }, { name: "d/f", content: "f", mode: 0o644 }, { name: "d/g", type: "link", linkName: "d/f" }, { name: "cap", content: "c", xattrs: { "security.capability": CAPABILITY } },
      { name: "s", type: "symlink", linkName: "d/f" }, { name: "n", type: "char", major: 1, minor: 3 }, { name: "p", type: "fifo" }, { name: "kept", content: "kept" }, { name: "gone/" }, { name: "gone/x" },
    ]);
    const before = treeOf(treeAt(base[0]!));
    const chain = [...await rig.chain([]), ...base].slice(1);
    const own = { mode: 0o600, uid: 5, gid: 6, mtime: { seconds: 99, nanos: 1 }, xattrs: { "user.own": Buffer.from("o"), "trusted.own": Buffer.from("o") } };
    const top = await rig.apply([
      { name: "./", mode: 0o700, uid: 3 }, { name: "d/", mode: 0o700, uid: 9, mtime: { seconds: 1, nanos: 0 }, xattrs: { "user.d": Buffer.from("d") } }, { name: "d/f", content: "other", ...own },
      // Hard links to files of the parent, under new names and in the place of old ones, and files in the place of such links.
      { name: "new", type: "link", linkName: "kept", ...own }, { name: "d/h", type: "link", linkName: "d/g", ...own }, { name: "cap", type: "link", linkName: "kept", ...own },
      { name: "again", type: "link", linkName: "kept" }, { name: "again", content: "not kept's", ...own },
      { name: "s", type: "symlink", linkName: "elsewhere", uid: 5 }, { name: "n", type: "char", major: 1, minor: 5, ...own }, { name: "p", content: "no pipe" }, { name: ".wh.gone" },
    ], chain);
    expect(treeOf(treeAt(base[0]!))).toEqual(before);
    expect(statSync(treeAt(base[0]!))).toMatchObject({ uid: 0, mode: 0o040755 });
    const tree = treeAt(top.id);
    expect(lstatSync(join(tree, "new")).ino).toBe(lstatSync(join(treeAt(base[0]!), "kept")).ino);
    expect(statSync(join(tree, "d/h")).ino).toBe(statSync(join(treeAt(base[0]!), "d/g")).ino);
    expect([readFileSync(join(tree, "d/f"), "utf8"), readFileSync(join(tree, "again"), "utf8"), readFileSync(join(tree, "cap"), "utf8")]).toEqual(["other", "not kept's", "kept"]);
    // A container writes to links, too, and to nobody else's.
    const container = await rig.create([top.id, ...chain]);
    await rig.view(container, (merged) => { writeFileSync(join(merged, "new"), "written"); chmodSync(join(merged, "d/h"), 0o400); utimesSync(join(merged, "kept"), 1, 1); }, "rw");
    expect(treeOf(treeAt(base[0]!))).toEqual(before);
  });

  test("a layer takes what it does not share with its parent; the sum is what lies on disk", async () => {
    const big = noise(1 << 20);
    const base = await rig.apply([{ name: "d/" }, { name: "d/big", content: big }, { name: "d/link", type: "link", linkName: "d/big" }, { name: "small", content: "s" }]);
    const top = await rig.apply([{ name: "own", content: noise(200_000) }, { name: "more", type: "link", linkName: "d/big" }, { name: ".wh.small" }], [base.id]);
    const above = await rig.apply([{ name: ".wh.d" }], [top.id, base.id]);
    expect(base.applied.bytes).toBeGreaterThanOrEqual(1 << 20);
    expect(top.applied.bytes).toBeGreaterThanOrEqual(200_000);
    expect(top.applied.bytes).toBeLessThan(300_000);
    expect(above.applied.bytes).toBeLessThan(50_000);
    for (const [{ id, applied }, parents] of [[base, []], [top, [base.id]], [above, [top.id, base.id]]] as const) {
      expect(await rig.driver.usage(id, parents)).toMatchObject({ bytes: applied.bytes, inodes: applied.inodes });
    }
    const all = await workers.run("usage", { path: root });
    expect(base.applied.bytes + top.applied.bytes + above.applied.bytes + lstatSync(root).blocks * 512).toBe(all.bytes);
    expect(base.applied.inodes + top.applied.inodes + above.applied.inodes + 1).toBe(all.inodes);
  });

  test("a file with as many links as the file system makes is copied, and its names in the layer stay one", async () => {
    const [base] = await rig.chain([{ name: "a", content: "x", mtime: { seconds: 5, nanos: 6 } }, { name: "d/" }, { name: "d/b", type: "link", linkName: "a" }, { name: "d/c", type: "link", linkName: "a" }, { name: "other" }]);
    const outside = mkdtempSync(join(rig.dataRoot, "links-"));
    try {
      // Room for one more name only, where there is a limit at all: ext4 has 65000.
      const file = join(treeAt(base!), "a");
      for (let i = 0; i < 65000 - 4; i++) linkSync(file, join(outside, String(i)));
      const before = treeOf(treeAt(base!));
      const { id } = await rig.apply([{ name: "new" }], [base!]);
      const after = treeOf(treeAt(id));
      expect(after["/new"]).toBeDefined();
      delete after["/new"];
      expect(after).toEqual(before);
      expect(statSync(join(treeAt(id), "other")).ino).toBe(statSync(join(treeAt(base!), "other")).ino);
      expect(treeOf(treeAt(base!))).toEqual(before);
    } finally { rmSync(outside, { recursive: true }); }
  }, 60_000);

  describe.each([["told by the upper directory", {}], ["told by comparing", { nativeDiff: false }]])("a container on an init snapshot, %s", (_, change) => {
    test("counts from what that one made", async () => {
      await rig.destroy();
      open(change);
      const layers = await rig.chain([{ name: "etc/" }, { name: "etc/old", content: "o" }, { name: "etc/kept", content: "k" }, { name: "dir/" }, { name: "dir/x" }, { name: "dir/y" }, { name: "was-file" }]);
      const init = await rig.create(layers);
      await rig.view(init, (tree) => {
        for (const name of ["etc/hosts", "etc/hostname", "mark"]) writeFileSync(join(tree, name), "init");
        unlinkSync(join(tree, "etc/old"));
        mkdirSync(join(tree, "proc/sub"), { recursive: true });
        rmSync(join(tree, "dir"), { recursive: true });
        mkdirSync(join(tree, "dir"));
        writeFileSync(join(tree, "dir/x"), "init's");
        unlinkSync(join(tree, "was-file"));
        mkdirSync(join(tree, "was-file"));
      }, "volatile");
      const container = await rig.create(init);
      expect(await rig.changes(container)).toEqual([]);
      expect(await rig.diff(container)).toEqual(tarOf([]));
      expect((await rig.driver.usage(container[0]!, init)).size).toBe(0);
      await rig.view(container, (tree) => {
        expect([readdirSync(join(tree, "etc")).sort(), readdirSync(join(tree, "dir")), readdirSync(join(tree, "was-file"))]).toEqual([["hostname", "hosts", "kept"], ["x"], []]);
        writeFileSync(join(tree, "etc/hosts"), "changed");
        unlinkSync(join(tree, "etc/hostname"));
        writeFileSync(join(tree, "etc/old"), "again");
        rmSync(join(tree, "proc"), { recursive: true });
        unlinkSync(join(tree, "dir/x"));
        writeFileSync(join(tree, "dir/y"), "y");
        renameSync(join(tree, "mark"), join(tree, "was-file/mark"));
        unlinkSync(join(tree, "etc/kept"));
      }, "rw");
      expect(await rig.changes(container)).toEqual(["C /dir", "D /dir/x", "A /dir/y", "C /etc", "D /etc/hostname", "C /etc/hosts", "D /etc/kept", "A /etc/old", "D /mark", "D /proc", "C /was-file", "A /was-file/mark"]);
      expect((await rig.driver.usage(container[0]!, init)).size).toBe("changed".length + "y".length + "again".length + "init".length);
      // On the layers alone the diff does what the container did, apart from what the init snapshot had made.
      const copy = await rig.apply(await rig.diff(container), layers);
      await rig.view([copy.id, ...layers], (tree) => {
        expect(Object.keys(treeOf(tree)).sort()).toEqual(["/dir", "/dir/y", "/etc", "/etc/hosts", "/etc/old", "/was-file", "/was-file/mark"]);
      });
    });
  });

  test("a committed layer is not mounted for writing, one on no layer is its own tree", async () => {
    const [id] = await rig.chain([{ name: "a" }]);
    await expect(rig.driver.mounts(id!, [], "rw")).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(rig.driver.create(rig.id(), [], { size: 1 << 30 })).rejects.toMatchObject({ code: "InvalidArgument" });
    const [bare] = await rig.create([]);
    expect(await rig.driver.mounts(bare!, [], "rw")).toEqual({ target: treeAt(bare!), mounts: [] });
    expect(rig.driver.describe(bare!, [])).toEqual({ RootDir: treeAt(bare!) });
  });

  test("opens by a probe that leaves nothing", async () => {
    const setup = (at: string) => ({ root: at, trash: join(rig.dataRoot, "trash"), options: new Map(), report: () => undefined, workers, logger: silentLogger });
    expect((await openOverlay(setup(root))).name).toBe("overlay");
    expect(readdirSync(root)).toEqual([]);
    const lower = await rig.create(await rig.chain([{ name: "x" }]));
    await rig.view(lower, (path) => expect(openOverlay(setup(join(path, "below")))).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("overlayfs") }), "rw");
    expect(() => new OverlayDriver(setup("/a:b/overlay"), features(), { ok: false, reason: "" })).toThrow("colon");
    closeSync(openSync(treeAt(lower[1]!), "r"));
    expect(existsSync(join(root, "probe"))).toBe(false);
  });
});
