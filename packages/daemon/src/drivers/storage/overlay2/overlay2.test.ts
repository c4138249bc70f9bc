import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Member } from "../../../archive/testing/tar-of.js";
import { treeOf } from "../../../archive/testing/tree-of.js";
import { marksOf } from "../../../archive/marks.js";
import { Stater } from "../../../kernel/stat.js";
import { WorkerPool } from "../../../archive/workers/pool.js";
import type { SnapshotId } from "../../../core/ids.js";
import { silentLogger } from "../../../core/logger.js";
import { lgetxattr } from "../../../kernel/libc.js";
import { mountOne, unmountSync } from "../../../kernel/mount.js";
import { mountOf, mountsBelow } from "../../../kernel/mount-table.js";
import { run } from "../../../kernel/spawn.js";
import { storageConformance, type Subject } from "../conformance.js";
import { describeCopyOnWrite, describeWrittenForm } from "../testing/copy-on-write-suite.js";
import { describeWritable } from "../testing/writable-suite.js";
import { noise, Rig } from "../testing/rig.js";
import { Overlay2Driver } from "./overlay2.js";
import { probeOverlay, type OverlayFeatures } from "../overlay/probe.js";

const probe = ((): ReturnType<typeof probeOverlay> => {
  if (process.getuid?.() !== 0) return { ok: false, reason: "needs root" };
  const dir = mkdtempSync(join(tmpdir(), "strata-probe-"));
  try { return probeOverlay(join(dir, "overlay2")); } finally { rmSync(dir, { recursive: true }); }
})();
const features = (): OverlayFeatures => { if (!probe.ok) throw new Error(probe.reason); return probe.features; };

const subject = (change: Partial<OverlayFeatures> = {}) => (dataRoot: string, workers: WorkerPool): Subject => {
  const root = join(dataRoot, "overlay2");
  return {
    driver: new Overlay2Driver({ root, trash: join(dataRoot, "trash"), options: new Map(), report: () => undefined, workers, logger: silentLogger }, { ...features(), ...change }, { ok: false, reason: "not asked" }),
    tree: (id) => join(root, id, "diff"),
    crashes: [
      (id) => mkdirSync(join(root, id)),
      (id) => mkdirSync(join(root, id, "diff"), { recursive: true }),
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "link"), ""); },
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "link"), "ABCDEFGHIJKLMNOPQRSTUVWXYZ"); },
      (id) => {
        mkdirSync(join(root, id, "diff/d"), { recursive: true });
        writeFileSync(join(root, id, "link"), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        symlinkSync(`../${id}/diff`, join(root, "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
        mkdirSync(join(root, id, "tar-split.gz.kept"));
      },
      // The power went before the link file's bytes were on disk.
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "link"), ""); symlinkSync(`../${id}/diff`, join(root, "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ")); },
    ],
  };
};

const unable = (): string | undefined => (probe.ok ? undefined : probe.reason);
storageConformance("overlay2", subject(), unable);

(probe.ok ? describe : describe.skip)(`overlay2${probe.ok ? "" : ` (skipped: ${probe.reason})`}`, () => {
  let workers: WorkerPool, rig: Rig, root: string;
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  const open = (change?: Partial<OverlayFeatures>): void => { rig = new Rig(subject(change), workers); root = join(rig.dataRoot, "overlay2"); };
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });

  test("lies on disk as Docker's users know it", async () => {
    open();
    const chain = await rig.chain([{ name: "a" }], [{ name: "b" }]);
    const [top, base] = chain as string[] as [string, string];
    const [id] = await rig.create(chain);
    expect(readdirSync(join(root, base)).sort()).toEqual(["committed", "diff", "link", "tar-split.gz"]);
    expect(readdirSync(join(root, top)).sort()).toEqual(["committed", "diff", "link", "lower", "tar-split.gz"]);
    expect(readdirSync(join(root, id!)).sort()).toEqual(["diff", "link", "lower", "merged", "work"]);
    const link = (of: string): string => readFileSync(join(root, of, "link"), "utf8");
    for (const of of [base, top, id!]) {
      expect(link(of)).toMatch(/^[A-Z2-7]{26}$/);
      expect(readlinkSync(join(root, "l", link(of)))).toBe(`../${of}/diff`);
    }
    expect(readFileSync(join(root, top, "lower"), "utf8")).toBe(`l/${link(base)}`);
    expect(readFileSync(join(root, id!, "lower"), "utf8")).toBe(`l/${link(top)}:l/${link(base)}`);
    expect(statSync(join(root, id!, "work")).mode & 0o777).toBe(0o700);
    const paths = (of: string, name: string): string => join(root, of, name);
    expect(rig.driver.describe(id as never, chain)).toEqual({ LowerDir: `${paths(top, "diff")}:${paths(base, "diff")}`, UpperDir: paths(id!, "diff"), MergedDir: paths(id!, "merged"), WorkDir: paths(id!, "work") });
    expect(rig.driver.describe(base as never, [])).toEqual({ UpperDir: paths(base, "diff"), MergedDir: paths(base, "merged"), WorkDir: paths(base, "work") });
  });

  test("mounts an overlay on merged, and says what it is", async () => {
    open();
    const chain = await rig.create(await rig.chain([{ name: "a" }]));
    await rig.view(chain, (path) => {
      expect(path).toBe(join(root, chain[0]!, "merged"));
      expect(mountOf(path)).toMatchObject({ target: path, type: "overlay", source: "overlay" });
    }, "rw");
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Supports d_type", "true"], ["Native Overlay Diff", "true"]]));
  });

  describe("an upper directory that another engine wrote", () => {
    const layers: Member[][] = [
      [{ name: "d/" }, { name: "d/sub/" }, { name: "d/sub/f", content: "f" }, { name: "d/gone", content: "g" }, { name: "big", content: noise(100_000) }, { name: "same", content: "s" }],
      [{ name: "d/" }, { name: "d/upper", content: "u" }],
    ];
    /** Work in a container on the layers, mounted by hand with renamed directories and files without content. */
    const foreign = async (): Promise<{ chain: SnapshotId[]; tree: Record<string, string> }> => {
      open();
      const chain = await rig.create(await rig.chain(...layers));
      const [own, ...below] = chain.map((id) => join(root, id)), target = join(own!, "merged");
      const lowers = below.map((path) => ["lowerdir+", join(path, "diff")] as const);
      mountOne({ type: "overlay", source: "overlay", options: [...lowers, ["upperdir", join(own!, "diff")], ["workdir", join(own!, "work")], ["redirect_dir", "on"], ["metacopy", "on"]] }, target);
      try {
        renameSync(join(target, "d"), join(target, "moved"));
        unlinkSync(join(target, "moved/gone"));
        chmodSync(join(target, "big"), 0o600);
        return { chain, tree: treeOf(target) };
      } finally { unmountSync(target); }
    };
    const changes = ["C /big", "D /d", "A /moved", "A /moved/sub", "A /moved/sub/f", "A /moved/upper"];

    test("is told by comparing the whole", async () => {
      const { chain, tree } = await foreign();
      const upper = join(root, chain[0]!, "diff");
      expect([lgetxattr(join(upper, "moved"), "trusted.overlay.redirect")?.toString(), lgetxattr(join(upper, "big"), "trusted.overlay.metacopy")]).toEqual(["d", expect.any(Buffer)]);
      expect(await rig.changes(chain)).toEqual(changes);
      const copy = await rig.apply(await rig.diff(chain), chain.slice(1));
      expect(await rig.view([copy.id, ...chain.slice(1)], treeOf)).toEqual(tree);
      expect(readdirSync(join(root, chain[0]!)).sort()).toEqual(["diff", "link", "lower", "merged", "work"]);
    });
    test("a file without content alone is told, with what it is", async () => {
      open();
      const chain = await rig.create(await rig.chain(...layers));
      const [own, ...below] = chain.map((id) => join(root, id)), target = join(own!, "merged");
      mountOne({ type: "overlay", source: "overlay", options: [...below.map((path) => ["lowerdir+", join(path, "diff")] as const), ["upperdir", join(own!, "diff")], ["workdir", join(own!, "work")], ["metacopy", "on"]] }, target);
      try { chmodSync(join(target, "big"), 0o600); renameSync(join(target, "big"), join(target, "bigger")); } finally { unmountSync(target); }
      expect(await rig.changes(chain)).toEqual(["D /big", "A /bigger"]);
      const copy = await rig.apply(await rig.diff(chain), chain.slice(1));
      await rig.view([copy.id, ...chain.slice(1)], (path) => expect(readFileSync(join(path, "bigger"))).toEqual(layers[0]!.find(({ name }) => name === "big")!.content));
    });
    test("several at once, and while it is removed", async () => {
      const { chain } = await foreign();
      expect(await Promise.all([rig.changes(chain), rig.changes(chain), rig.diff(chain).then((tar) => tar.length > 100_000)])).toEqual([changes, changes, true]);
      const last = rig.changes(chain).catch(() => undefined);
      await rig.driver.remove(chain[0]!);
      await last;
    });
    test("what a killed daemon left mounted goes with the snapshot", async () => {
      const { chain } = await foreign();
      const target = join(root, chain[0]!, "compare/whole-x");
      mkdirSync(target, { recursive: true });
      mountOne({ type: "overlay", source: "overlay", options: ["ro", ["lowerdir", `${join(root, chain[0]!, "diff")}:${join(root, chain[1]!, "diff")}`]] }, target);
      await rig.driver.remove(chain[0]!);
      expect(mountsBelow(root)).toEqual([]);
    });
  });

  describe("where an upper directory alone tells nothing", () => {
    beforeEach(() => open({ nativeDiff: false }));
    describeWritable(() => rig, () => workers);
    describeCopyOnWrite(() => rig);
  });
  describe("where it does", () => {
    beforeEach(() => open());
    describeWrittenForm(() => rig, () => ({
      upper: (id) => join(root, id, "diff"),
      isGone: (dir, name) => { const stat = lstatSync(join(dir, name), { throwIfNoEntry: false }); return stat?.isCharacterDevice() === true && stat.rdev === 0; },
      isOpaque: (dir) => marksOf.overlay.isOpaque(new Stater(), dir),
    }));
  });

  test("a kernel whose uppers are not plain: the whole is compared, mounted or not, and info says so", async () => {
    open({ nativeDiff: false });
    const chain = await rig.create(await rig.chain([{ name: "d/" }, { name: "d/a", content: "a" }]));
    await rig.view(chain, async (path) => {
      writeFileSync(join(path, "d/b"), "b");
      unlinkSync(join(path, "d/a"));
      expect(await rig.changes(chain)).toEqual(["C /d", "D /d/a", "A /d/b"]);
    }, "rw");
    expect(await rig.changes(chain)).toEqual(["C /d", "D /d/a", "A /d/b"]);
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Native Overlay Diff", "false"], ["Using metacopy", "false"], ["userxattr", "false"]]));
  });

  test("a directory of a layer below cannot be renamed: programs copy it", async () => {
    open();
    const chain = await rig.create(await rig.chain([{ name: "d/" }, { name: "d/a", content: "a" }]));
    await rig.view(chain, async (path) => {
      expect(() => renameSync(join(path, "d"), join(path, "e"))).toThrow("EXDEV");
      await run("mv", [join(path, "d"), join(path, "e")]);
    }, "rw");
    expect(await rig.changes(chain)).toEqual(["D /d", "A /e", "A /e/a"]);
  });

  test("a committed layer is not mounted for writing", async () => {
    open();
    const [id] = await rig.chain([{ name: "a" }]);
    await expect(rig.driver.mounts(id!, [], "rw")).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("a link whose snapshot is gone is cleared by list", async () => {
    open();
    symlinkSync("../gone/diff", join(root, "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    expect(await rig.list()).toEqual([]);
    expect(existsSync(join(root, "l/ABCDEFGHIJKLMNOPQRSTUVWXYZ"))).toBe(false);
    expect(readdirSync(join(root, "l"))).toEqual([]);
  });

  test("a kernel that takes all lowers in one string: a few layers mount, too many are refused clearly", async () => {
    open({ manyLowers: false, volatile: false });
    const chain = await rig.chain(...Array.from({ length: 20 }, (_, i) => [{ name: `f${i}` }]));
    await rig.view(await rig.create(chain), (path) => expect(readdirSync(path)).toHaveLength(20), "volatile");
    const more = await rig.create([...chain, ...chain, ...chain, ...chain]);
    await expect(rig.driver.mounts(more[0]!, more.slice(1), "rw")).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("exceed a page") });
  });

  test("a data root that overlayfs would cut in pieces is refused", () => {
    open();
    expect(() => new Overlay2Driver({ root: "/a:b/overlay2", trash: "/a:b/trash", options: new Map(), report: () => undefined, workers, logger: silentLogger }, features(), { ok: false, reason: "not asked" })).toThrow("colon");
  });

  test("the probe leaves nothing, and says why not where there is no overlay", async () => {
    open();
    expect(readdirSync(root)).toEqual(["l"]);
    const chain = await rig.create([]);
    const lower = await rig.create(await rig.chain([{ name: "x" }]));
    await rig.view(lower, (path) => expect(probeOverlay(join(path, "below"))).toMatchObject({ ok: false, reason: expect.stringContaining("overlayfs") }), "rw");
    expect(chain).toHaveLength(1);
  });
});
