import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { marksOf } from "../../../archive/marks.js";
import type { Member } from "../../../archive/testing/tar-of.js";
import { treeOf } from "../../../archive/testing/tree-of.js";
import { WorkerPool } from "../../../archive/workers/pool.js";
import type { SnapshotId } from "../../../core/ids.js";
import { silentLogger } from "../../../core/logger.js";
import { mountPlan, unmountAll } from "../../../kernel/mount.js";
import { mountsBelow } from "../../../kernel/mount-table.js";
import { Stater } from "../../../kernel/stat.js";
import { storageConformance, type Subject } from "../conformance.js";
import { probeOverlay } from "../overlay/probe.js";
import { describeWrittenForm } from "../testing/copy-on-write-suite.js";
import { noise, Rig } from "../testing/rig.js";
import { ErofsDriver, openErofs } from "./erofs.js";
import type { LayerMode } from "./layer-view.js";
import { probeErofs, type ErofsProbe } from "./probe.js";

const isRoot = process.getuid?.() === 0;
const scratch = <T>(use: (dir: string) => T): T => {
  const dir = mkdtempSync(join(tmpdir(), "strata-probe-"));
  try { return use(dir); } finally { rmSync(dir, { recursive: true }); }
};
const overlay: ReturnType<typeof probeOverlay> = isRoot ? scratch((dir) => probeOverlay(join(dir, "erofs"))) : { ok: false, reason: "needs root" };
const ways: Record<LayerMode, ErofsProbe> = isRoot ? scratch((dir) => ({ file: probeErofs(dir, ["file"]), loop: probeErofs(dir, ["loop"]), extract: probeErofs(dir, []) })) : { file: none(), loop: none(), extract: none() };
function none(): ErofsProbe { return { mode: "extract", direct: false, reasons: ["needs root"] }; }
const unable = (mode: LayerMode): string | undefined => (!overlay.ok ? overlay.reason : ways[mode].mode === mode ? undefined : ways[mode].reasons.join("; "));

const driverOn = (dataRoot: string, workers: WorkerPool, mode: LayerMode, graceMs: number): ErofsDriver => {
  if (!overlay.ok) throw new Error(overlay.reason);
  const setup = { root: join(dataRoot, "erofs"), trash: join(dataRoot, "trash"), options: new Map<string, string>(), report: () => undefined, workers, logger: silentLogger };
  return new ErofsDriver(setup, { overlay: overlay.features, quota: { ok: false, reason: "not asked" }, mode, direct: ways[mode].direct, graceMs });
};
const subject = (mode: LayerMode, graceMs = 50) => (dataRoot: string, workers: WorkerPool): Subject => {
  const root = join(dataRoot, "erofs");
  return {
    driver: driverOn(dataRoot, workers, mode, graceMs),
    tree: (id) => join(root, id),
    crashes: [
      (id) => mkdirSync(join(root, id)),
      (id) => mkdirSync(join(root, id, "diff"), { recursive: true }),
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "layer.tar"), "half"); },
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); writeFileSync(join(root, id, "layer.tar"), "half"); writeFileSync(join(root, id, "layer.erofs.next"), ""); },
      // The power went before the files' bytes were on disk.
      (id) => { mkdirSync(join(root, id, "diff"), { recursive: true }); for (const file of ["layer.tar", "layer.erofs"]) writeFileSync(join(root, id, file), Buffer.alloc(4096)); },
      (id) => { mkdirSync(join(root, id, "diff", "d"), { recursive: true }); writeFileSync(join(root, id, "extracted"), ""); },
      (id) => { for (const name of ["diff", "work", "merged"]) mkdirSync(join(root, id, name), { recursive: true }); writeFileSync(join(root, id, "lower"), ""); },
    ],
  };
};

for (const mode of ["file", "loop", "extract"] as const) storageConformance(`erofs (${mode})`, subject(mode), () => unable(mode));

const reason = unable("file");
(reason === undefined ? describe : describe.skip)(`erofs${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  let workers: WorkerPool, rig: Rig, root: string;
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  const open = (mode: LayerMode = "file", graceMs = 50): void => { rig = new Rig(subject(mode, graceMs), workers); root = join(rig.dataRoot, "erofs"); };
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); } finally { await rig.destroy(); } });
  const mounted = (): string[] => mountsBelow(root).filter(({ type }) => type === "erofs").map(({ target }) => target.split("/").at(-2)!).sort();
  const until = async (done: () => boolean): Promise<void> => { while (!done()) await new Promise((resolve) => setTimeout(resolve, 5)); };
  const another = (mode: LayerMode, graceMs = 50): ErofsDriver => driverOn(rig.dataRoot, workers, mode, graceMs);

  const base: Member[] = [{ name: "etc/", mode: 0o750, uid: 7 }, { name: "etc/passwd", content: "root" }, { name: "var/" }, { name: "var/old", content: "o" }, { name: "big", content: noise(700_000) }, { name: "hard", type: "link", linkName: "big" }];
  const upper: Member[] = [{ name: "etc/hosts", content: "h" }, { name: "var/.wh.old" }, { name: "var/new", content: "n" }];

  test("lies on disk as two files and a mount point; a container as with overlay2", async () => {
    open();
    const chain = await rig.chain(base, upper);
    const [id] = await rig.create(chain);
    for (const layer of chain) expect(readdirSync(join(root, layer)).sort()).toEqual(["diff", "layer.erofs", "layer.tar"]);
    expect(readdirSync(join(root, id!)).sort()).toEqual(["diff", "lower", "merged", "work"]);
    expect(readFileSync(join(root, id!, "lower"), "utf8")).toBe(chain.map((layer) => `${layer}/diff`).join(":"));
    const paths = (of: string, name: string): string => join(root, of, name);
    expect(rig.driver.describe(id!, chain)).toEqual({ LowerDir: chain.map((layer) => paths(layer, "diff")).join(":"), UpperDir: paths(id!, "diff"), MergedDir: paths(id!, "merged"), WorkDir: paths(id!, "work") });
    expect(await rig.driver.status()).toEqual(expect.arrayContaining([["Supports d_type", "true"], ["Layer Mounts", "file-backed"]]));
  });

  test("what it takes is what the disk says", async () => {
    open();
    const { id, applied } = await rig.apply(base);
    const onDisk = (): number => Number(execFileSync("du", ["-sB1", join(root, id)], { encoding: "utf8" }).split("\t")[0]);
    expect(applied.bytes).toBe(onDisk());
    const seen = await rig.view([id], () => rig.driver.usage(id, []));
    await rig.driver.close();
    // Where the whole is mounted is one more directory.
    expect(seen).toEqual({ bytes: onDisk(), inodes: applied.inodes + 1, size: applied.size });
  });

  test("a byte of an index that is not what the tar makes is found, and the index made anew, also while it is mounted", async () => {
    open("file", 60_000);
    const [id, below] = await rig.chain(base, upper), index = join(root, id!, "layer.erofs"), sound = readFileSync(index);
    for (const at of [0, 1024, 1030, 1152 + 7, 1280, ...Array.from({ length: 20 }, (_, i) => Math.floor(((i + 1) * sound.length) / 21)), sound.length - 1]) {
      const spoilt = Buffer.from(sound);
      spoilt[at]! ^= 1;
      writeFileSync(index, spoilt);
      const fault = await rig.driver.audit(id!, [below!]);
      expect({ at, detail: fault?.detail }).toEqual({ at, detail: `${index} is missing, or is not the index that its tar makes` });
      await fault!.mend!();
      expect(readFileSync(index).equals(sound)).toBe(true);
      expect(await rig.driver.audit(id!, [below!])).toBeUndefined();
    }
    for (const lose of [() => truncateSync(index, 2000), () => unlinkSync(index), () => writeFileSync(index, Buffer.concat([sound, Buffer.alloc(1)]))]) {
      lose();
      await (await rig.driver.audit(id!, [below!]))!.mend!();
      expect(readFileSync(index).equals(sound)).toBe(true);
    }
    // Mounted as it is wrong: whoever comes after the repair sees it right, whoever was there is left alone.
    const right = await rig.view([id!, below!], treeOf);
    await rig.driver.close();
    const wrong = Buffer.from(sound), REGULAR_0644 = Buffer.from([0xa4, 0x81]);
    wrong[wrong.lastIndexOf(REGULAR_0644)]! ^= 0o200;
    writeFileSync(index, wrong);
    const early = await rig.create([id!, below!]), late = await rig.create([id!, below!]);
    await rig.view(early, async (tree) => {
      const shown = treeOf(tree);
      expect(shown).not.toEqual(right);
      await (await rig.driver.audit(id!, [below!]))!.mend!();
      expect(treeOf(tree)).toEqual(shown);
      await rig.view(late, (other) => expect(treeOf(other)).toEqual(right), "rw");
    }, "rw");
  });
  test("a layer that was unpacked is compared with its tar, and unpacked anew", async () => {
    open("extract");
    const [id, below] = await rig.chain(base, upper), hosts = join(root, id!, "diff/etc/hosts"), { mode } = statSync(hosts);
    chmodSync(hosts, 0o600);
    const fault = await rig.driver.audit(id!, [below!]);
    expect(fault?.detail).toContain("/etc/hosts has mode 600, not 644");
    await fault!.mend!();
    expect(statSync(hosts).mode).toBe(mode);
    expect(await rig.driver.audit(id!, [below!])).toBeUndefined();
  });

  test("layers are mounted when somebody needs them, once, and for a while after", async () => {
    open("file", 60_000);
    const chain = await rig.chain(base, upper);
    await rig.driver.close();
    expect(mounted()).toEqual([]);
    const [one, two] = [await rig.create(chain), await rig.create(chain)];
    const plan = (of: readonly SnapshotId[]): ReturnType<typeof rig.driver.mounts> => rig.driver.mounts(of[0]!, of.slice(1), "rw");
    await Promise.all([plan(one), plan(two), plan(one)]);
    expect(mounted()).toEqual([...chain].sort());
    await rig.driver.unmounted(one[0]!);
    await rig.driver.close();
    expect(mounted()).toEqual([...chain].sort());
    await rig.driver.unmounted(two[0]!);
    expect(mounted()).toEqual([...chain].sort());
    await rig.driver.close();
    expect(mounted()).toEqual([]);
  });
  test("nobody comes back: the mounts go", async () => {
    open("file", 1);
    const chain = await rig.chain(base, upper);
    await rig.view(await rig.create(chain), () => expect(mounted()).toEqual([...chain].sort()), "rw");
    await until(() => mounted().length === 0);
  });
  test("a container goes on when its layers' mounts are gone", async () => {
    open("file", 60_000);
    const chain = await rig.create(await rig.chain(base, upper));
    await rig.view(chain, async (tree) => {
      await rig.driver.unmounted(chain[0]!);
      await rig.driver.close();
      expect(mounted()).toEqual([]);
      expect(readFileSync(join(tree, "etc/passwd"), "utf8")).toBe("root");
    }, "rw");
  });
  test("a daemon that comes after a crash takes the mounts over: those that are held stay, the others go", async () => {
    open("file", 60_000);
    const chain = await rig.chain(base), other = await rig.chain(base);
    const container = await rig.create(chain);
    await rig.driver.mounts(container[0]!, chain, "rw");
    await rig.driver.mounts(other[0]!, [], "ro");
    const next = another("file", 1);
    await next.mounts(container[0]!, chain, "rw");
    await until(() => mounted().length === 1);
    expect(mounted()).toEqual(chain);
    await next.unmounted(container[0]!);
    await until(() => mounted().length === 0);
  });
  test("a layer that an administrator unmounted is mounted again", async () => {
    open("file", 60_000);
    const chain = await rig.chain(base);
    await rig.driver.mounts(chain[0]!, [], "ro");
    await unmountAll(join(root, chain[0]!, "diff"));
    await rig.view(chain, (tree) => expect(readdirSync(tree)).toContain("etc"));
  });

  describe("the index is but a copy", () => {
    const harm: Record<string, (index: string) => void> = {
      "lost": (index) => unlinkSync(index),
      "empty": (index) => truncateSync(index, 0),
      "cut off": (index) => truncateSync(index, 1536),
      "all zeros, as after a power cut": (index) => writeFileSync(index, Buffer.alloc(statSync(index).size)),
      "of a former format": (index) => { const bytes = readFileSync(index); bytes.write("strata 0", 1152, "latin1"); writeFileSync(index, bytes); },
      "damaged where the kernel looks first": (index) => { const bytes = readFileSync(index); bytes.fill(0xff, 1280, 1344); writeFileSync(index, bytes); },
    };
    test.each(Object.keys(harm))("%s: it is made anew, also in the middle of a stack", async (what) => {
      open();
      const chain = await rig.chain(base, upper, [{ name: "top" }]);
      const before = await rig.view(chain, treeOf);
      await rig.driver.close();
      const index = join(root, chain[1]!, "layer.erofs"), sound = readFileSync(index);
      harm[what]!(index);
      expect(await rig.view(chain, treeOf)).toEqual(before);
      expect(readFileSync(index).equals(sound)).toBe(true);
    });
    test("the tar is lost, or shorter than it was: DataLoss", async () => {
      open();
      const [id] = await rig.chain(base);
      await rig.driver.close();
      const tar = join(root, id!, "layer.tar");
      truncateSync(tar, 1024);
      await expect(rig.driver.mounts(id!, [], "ro")).rejects.toMatchObject({ code: "DataLoss" });
      unlinkSync(join(root, id!, "layer.erofs"));
      await expect(rig.driver.mounts(id!, [], "ro")).rejects.toMatchObject({ code: "DataLoss" });
      unlinkSync(tar);
      await expect(rig.driver.mounts(id!, [], "ro")).rejects.toMatchObject({ code: "DataLoss" });
    });
  });

  describe("a layer belongs to no machine", () => {
    const modes: LayerMode[] = ["file", "loop", "extract"];
    const pairs = modes.flatMap((from) => modes.filter((to) => to !== from).map((to) => [from, to] as const));
    test.each(pairs.filter((pair) => pair.every((mode) => unable(mode) === undefined)))("made as %s, used as %s", async (from, to) => {
      open(from);
      const chain = await rig.chain(base, upper);
      const container = await rig.create(chain);
      await rig.view(container, (tree) => writeFileSync(join(tree, "written"), "w"), "rw");
      const before = await rig.view(container, treeOf, "rw");
      const tar = await rig.tar(chain);
      await rig.driver.close();
      const next = another(to);
      const plan = await next.mounts(container[0]!, chain, "rw");
      try {
        await mountPlan(plan);
        expect(treeOf(plan.target)).toEqual(before);
      } finally { await unmountAll(plan.target); await next.unmounted(container[0]!); }
      const added = rig.id();
      await next.apply(added, chain, await rig.driver.diff(container[0]!, chain));
      expect((await rig.view([added, ...chain], treeOf))["/written"]).toBe(before["/written"]);
      expect((await rig.tar(chain)).equals(tar)).toBe(true);
      await next.close();
    });
  });

  describe("on disk, in the container's own directory", () => {
    beforeEach(() => open());
    describeWrittenForm(() => rig, () => ({
      upper: (id) => join(root, id, "diff"),
      isGone: (parent, name) => { const stat = lstatSync(join(parent, name), { throwIfNoEntry: false }); return stat?.isCharacterDevice() === true && stat.rdev === 0; },
      isOpaque: (directory) => marksOf.overlay.isOpaque(new Stater(), directory),
    }));
  });

  test("a size for every container is refused where there are no quotas, naming the option", () => {
    open();
    const setup = { root, trash: join(rig.dataRoot, "trash"), options: new Map([["erofs.size", "10M"]]), report: () => undefined, workers, logger: silentLogger };
    if (!overlay.ok) throw new Error(overlay.reason);
    const features = { overlay: overlay.features, quota: { ok: false, reason: "none here" } as const, mode: "file" as const, direct: false, graceMs: 1 };
    expect(() => new ErofsDriver(setup, features)).toThrow("storage-opt erofs.size: the storage driver erofs cannot limit the size of a container here: none here");
  });

  test("opens by what the machine can", async () => {
    open();
    const setup = { root: join(rig.dataRoot, "other"), trash: join(rig.dataRoot, "trash"), options: new Map<string, string>(), report: () => undefined, workers, logger: silentLogger };
    expect(await (await openErofs(setup, false)).status()).toContainEqual(["Layer Mounts", ways.file.mode === "file" ? "file-backed" : "loop"]);
    expect(readdirSync(setup.root)).toEqual([]);
    expect(probeErofs(setup.root, [])).toEqual({ mode: "extract", direct: false, reasons: [] });
  });
  const noDirect = ways.file.direct ? undefined : "the disk or the kernel cannot read layers directly";
  (noDirect === undefined ? test : test.skip)(`large files are read past the cache of the tar, small ones through it${noDirect === undefined ? "" : ` (skipped: ${noDirect})`}`, async () => {
    open();
    const large = noise(3 << 20);
    const chain = await rig.chain([{ name: "large", content: large }], [{ name: "small", content: "s" }]);
    await rig.view(chain, (tree) => {
      const direct = readFileSync("/proc/self/mounts", "utf8").split("\n").filter((line) => line.includes(`${root}/`) && line.includes(" erofs ") && line.includes("directio")).map((line) => line.split(" ")[1]);
      expect(direct).toEqual([join(root, chain[1]!, "diff")]);
      expect(readFileSync(join(tree, "large")).equals(large)).toBe(true);
      expect(readFileSync(join(tree, "small"), "utf8")).toBe("s");
    });
  });
  test("a data root that mount options would cut in pieces is refused", () => {
    open();
    expect(() => driverOn("/a:b", workers, "file", 1)).toThrow("colon");
    expect(existsSync("/a:b")).toBe(false);
  });
});
