import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WorkerPool } from "../../../archive/workers/pool.js";
import { silentLogger } from "../../../core/logger.js";
import type { OpenedDriver } from "../../../core/storage.js";
import { AT_FDCWD, lgetxattr, llistxattr, lsetxattr, mknodat } from "../../../kernel/libc.js";
import { mountOne, mountPlan, unmountAll } from "../../../kernel/mount.js";
import { mountOf } from "../../../kernel/mount-table.js";
import { S_IFCHR } from "../../../kernel/stat.js";
import { findProgram } from "../../../kernel/spawn.js";
import { storageConformance, type Subject } from "../conformance.js";
import type { DriverSetup } from "../setup.js";
import { describeWrittenForm } from "../testing/copy-on-write-suite.js";
import { CAPABILITY } from "../testing/layers-suite.js";
import { Rig } from "../testing/rig.js";
import { FuseOverlayfs, probeFuseOverlayfs } from "./fuse.js";
import { KernelAufs } from "./kernel-aufs.js";
import { AufsLayout, LinkedLayout } from "./layout.js";
import { openAufs, openFuseOverlayfs } from "./open.js";
import { UnionDriver } from "./union.js";

const program = findProgram("fuse-overlayfs");
const unable = (): string | undefined => (program === undefined ? "fuse-overlayfs is not installed" : existsSync("/dev/fuse") ? undefined : "no /dev/fuse on this machine");
const reason = process.getuid?.() === 0 ? unable() : "needs root";

const setupOf = (dataRoot: string, name: string, workers: WorkerPool): DriverSetup =>
  ({ root: join(dataRoot, name), trash: join(dataRoot, "trash"), options: new Map(), report: () => undefined, workers, logger: silentLogger });

const SHORT = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const linked = (dataRoot: string, workers: WorkerPool): Subject => {
  const setup = setupOf(dataRoot, "fuse-overlayfs", workers), { root } = setup;
  const made = (id: string, link: string): void => { mkdirSync(join(root, id, "diff/d"), { recursive: true }); writeFileSync(join(root, id, "link"), link); };
  return {
    driver: new UnionDriver("fuse-overlayfs", setup, new LinkedLayout(root), new FuseOverlayfs(program ?? "", true), async () => []),
    longestName: 251, losesOpenFiles: true,
    tree: (id) => join(root, id, "diff"),
    crashes: [
      (id) => mkdirSync(join(root, id)),
      (id) => mkdirSync(join(root, id, "diff"), { recursive: true }),
      (id) => made(id, ""),
      (id) => made(id, SHORT),
      (id) => { made(id, SHORT); symlinkSync(`../${id}/diff`, join(root, "l", SHORT)); mkdirSync(join(root, id, "tar-split.gz.kept")); },
      (id) => { made(id, ""); symlinkSync(`../${id}/diff`, join(root, "l", SHORT)); mkdirSync(join(root, id, "work/work/1"), { recursive: true }); },
    ],
  };
};
const aufs = (dataRoot: string, workers: WorkerPool): Subject => {
  const setup = setupOf(dataRoot, "aufs", workers), { root } = setup;
  return {
    driver: new UnionDriver("aufs", setup, new AufsLayout(root), new FuseOverlayfs(program ?? "", true), async () => []),
    longestName: 251, losesOpenFiles: true,
    tree: (id) => join(root, "diff", id),
    crashes: [
      (id) => mkdirSync(join(root, "diff", id)),
      (id) => { mkdirSync(join(root, "diff", id, "d"), { recursive: true }); mkdirSync(join(root, "mnt", id)); },
      (id) => { mkdirSync(join(root, "diff", id, "d"), { recursive: true }); writeFileSync(join(root, "layers", id), ""); writeFileSync(join(root, ".split", `${id}.gz`), ""); mkdirSync(join(root, ".split", `${id}.gz.kept`)); },
      // In the middle of its removal.
      (id) => writeFileSync(join(root, "layers", id), ""),
      (id) => mkdirSync(join(root, "mnt", id)),
      (id) => mkdirSync(join(root, ".work", id, "work"), { recursive: true }),
      (id) => writeFileSync(join(root, ".split", `${id}.gz.next`), ""),
    ],
  };
};
storageConformance("fuse-overlayfs", linked, unable);
storageConformance("aufs", aufs, unable);

test("the kernel's AUFS is told its branches a page at a time", () => {
  const layers = Array.from({ length: 127 }, (_, i) => `/var/lib/strata/aufs/diff/${String(i).padStart(64, "0")}`);
  const mounts = new KernelAufs(false).writable({ upper: "/u", lowers: layers });
  expect(mounts.every(({ type, options }) => type === "aufs" && options.join(",").length < 4000)).toBe(true);
  expect(mounts[0]!.options[0]).toMatch(/^br:\/u=rw:\/var\/lib\/strata\/aufs\/diff\/0{64}=ro\+wh:/);
  expect(mounts.slice(1).every(({ options }) => options[0] === "remount")).toBe(true);
  const told = mounts.flatMap(({ options }) => options.flatMap((option) => /^(?:br|append):(.*)$/.exec(String(option))?.[1]?.split(":") ?? []));
  expect(told).toEqual(["/u=rw", ...layers.map((layer) => `${layer}=ro+wh`)]);
  expect(new KernelAufs(true).readOnly(["/a", "/b"])).toEqual([{ type: "aufs", source: "none", options: ["ro", "br:/a=ro+wh:/b=ro+wh", "dio", "xino=/dev/shm/aufs.xino", "dirperm1"] }]);
});

(reason === undefined ? describe : describe.skip)(`unions${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  let workers: WorkerPool, rig: Rig;
  const at = (...path: string[]): string => join(rig.dataRoot, ...path);
  const processes = (): string[] => readdirSync("/proc").filter((pid) => {
    try { return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(rig.dataRoot); } catch { return false; }
  });
  const gone = async (): Promise<void> => { while (processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 10)); };
  beforeAll(() => { workers = new WorkerPool(); });
  afterAll(() => workers.close());
  afterEach(async () => { try { expect(await rig.leftovers()).toEqual([]); await gone(); } finally { await rig.destroy(); } });

  test("aufs lies on disk as Docker's users know it", async () => {
    rig = new Rig(aufs, workers);
    const listing = (): Record<string, string[]> => Object.fromEntries(["diff", "layers", "mnt"].map((name) => [name, readdirSync(at("aufs", name)).sort()]));
    expect(readdirSync(at("aufs")).filter((name) => !name.startsWith("."))).toEqual(["diff", "layers", "mnt"]);
    expect(listing()).toEqual({ diff: [], layers: [], mnt: [] });

    const chain = await rig.chain([{ name: "etc/" }, { name: "etc/passwd", content: "p" }, { name: "bin/" }, { name: "bin/old" }], [{ name: "bin/" }, { name: "bin/.wh.old" }, { name: "etc/" }, { name: "etc/.wh..wh..opq" }, { name: "etc/new" }]);
    const [top, base] = chain as string[] as [string, string];
    expect(listing()).toEqual({ diff: [...chain].sort(), layers: [...chain].sort(), mnt: [...chain].sort() });
    expect([base, top].map((id) => readFileSync(at("aufs/layers", id), "utf8"))).toEqual(["", `${base}\n`]);
    expect([readdirSync(at("aufs/diff", top, "bin")), readdirSync(at("aufs/diff", top, "etc")).sort()]).toEqual([[".wh.old"], [".wh..wh..opq", "new"]]);
    expect(readdirSync(at("aufs/mnt", top))).toEqual([]);

    const [init] = await rig.create(chain), [id] = await rig.create([init!, ...chain]);
    expect(readFileSync(at("aufs/layers", id!), "utf8")).toBe(`${init}\n${top}\n${base}\n`);
    await rig.view([id!, init!, ...chain], (root) => {
      expect(root).toBe(at("aufs/mnt", id!));
      expect(mountOf(root)).toMatchObject({ target: root, type: "fuse.fuse-overlayfs" });
      expect([readdirSync(join(root, "bin")), readdirSync(join(root, "etc"))]).toEqual([[], ["new"]]);
      writeFileSync(join(root, "hello"), "x");
      unlinkSync(join(root, "etc/new"));
      rmSync(join(root, "bin"), { recursive: true });
    }, "rw");
    expect(readdirSync(at("aufs/diff", id!)).sort()).toEqual([".wh.bin", "etc", "hello"]);
    expect(readdirSync(at("aufs/diff", id!, "etc"))).toEqual([".wh.new"]);
    expect(rig.driver.describe(id!, [init!, ...chain])).toEqual({});
  });

  test("fuse-overlayfs lies on disk as overlay2 does", async () => {
    rig = new Rig(linked, workers);
    const root = at("fuse-overlayfs");
    expect(readdirSync(root)).toEqual(["l"]);
    const chain = await rig.chain([{ name: "a" }], [{ name: ".wh.a" }]);
    const [top, base] = chain as string[] as [string, string];
    expect(readdirSync(join(root, base)).sort()).toEqual(["committed", "diff", "link", "tar-split.gz"]);
    expect(readdirSync(join(root, top)).sort()).toEqual(["committed", "diff", "link", "lower", "tar-split.gz"]);
    expect(readdirSync(join(root, top, "diff"))).toEqual([".wh.a"]);
    const [id] = await rig.create(chain);
    expect(readdirSync(join(root, id!)).sort()).toEqual(["diff", "link", "lower", "merged", "work"]);
    const link = (of: string): string => readFileSync(join(root, of, "link"), "utf8");
    for (const of of [base, top, id!]) expect(readlinkSync(join(root, "l", link(of)))).toBe(`../${of}/diff`);
    expect(readFileSync(join(root, id!, "lower"), "utf8")).toBe(`l/${link(top)}:l/${link(base)}`);
    expect(rig.driver.describe(id!, chain)).toEqual({
      LowerDir: `${join(root, top, "diff")}:${join(root, base, "diff")}`, UpperDir: join(root, id!, "diff"), MergedDir: join(root, id!, "merged"), WorkDir: join(root, id!, "work"),
    });
    await expect(rig.driver.create("l" as never, [])).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("opened by a probe that leaves nothing; what docker info says", async () => {
    rig = new Rig(aufs, workers);
    const opened: OpenedDriver[] = [await openAufs(setupOf(rig.dataRoot, "aufs", workers)), await openFuseOverlayfs(setupOf(rig.dataRoot, "fuse-overlayfs", workers))];
    expect(opened.map(({ name }) => name)).toEqual(["aufs", "fuse-overlayfs"]);
    await rig.chain([{ name: "a" }], [{ name: "b" }]);
    expect(await opened[0]!.status()).toEqual([["Root Dir", at("aufs")], ["Backing Filesystem", expect.stringMatching(/./)], ["Dirs", "2"], ["Dirperm1 Supported", "true"]]);
    expect(await opened[1]!.status()).toEqual([]);
    expect(readdirSync(at("fuse-overlayfs"))).toEqual(["l"]);
  });
  test("does not open where it cannot work, and says why", async () => {
    rig = new Rig(aufs, workers);
    await expect(probeFuseOverlayfs(at("aufs"), "/bin/true")).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("does not understand whiteouts") });
    await expect(probeFuseOverlayfs(at("aufs"), "/bin/false")).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("exit status 1") });
    for (const open of [openAufs, openFuseOverlayfs]) await expect(open(setupOf("/a,b:c", "x", workers))).rejects.toMatchObject({ code: "Unavailable", message: expect.stringContaining("comma") });
    expect(readdirSync(at("aufs")).sort()).toEqual([".split", ".work", "diff", "layers", "mnt"]);
  });
  test("a mount that the program refuses tells its last words, and more layers than an argument holds are refused", async () => {
    rig = new Rig(aufs, workers);
    const union = new FuseOverlayfs(program!, true);
    mkdirSync(at("aufs/target"));
    await expect(mountPlan({ target: at("aufs/target"), mounts: union.writable({ upper: at("aufs/nothing"), work: at("aufs"), lowers: [at("aufs")] }, false) })).rejects.toThrow(/fuse-overlayfs: (?!unknown argument).*nothing/);
    rmSync(at("aufs/target"), { recursive: true });
    expect(() => union.readOnly(Array.from({ length: 1500 }, (_, i) => `/${"x".repeat(90)}${i}`))).toThrow("128 KiB");
  });

  describe.each([["fuse-overlayfs", linked], ["aufs", aufs]] as const)("%s", (_, make) => {
    describe("on disk", () => {
      beforeEach(() => { rig = new Rig(make, workers); });
      describeWrittenForm(() => rig, () => ({
        upper: (id) => rig.subject.tree(id),
        isGone: (dir, name) => existsSync(join(dir, `.wh.${name}`)) && !existsSync(join(dir, name)),
        isOpaque: (dir) => existsSync(join(dir, ".wh..wh..opq")),
      }));
    });
    const mounted = async (chain: readonly string[]): Promise<string> => {
      const plan = await rig.driver.mounts(chain[0] as never, chain.slice(1) as never, "rw");
      await mountPlan(plan);
      return plan.target;
    };

    test("what a container can do to files", async () => {
      rig = new Rig(make, workers);
      const chain = await rig.create(await rig.chain([
        { name: "d/" }, { name: "d/f", content: "lower" }, { name: "dir/" }, { name: "dir/x", content: "x" }, { name: "su", mode: 0o4755, content: "#!" },
        { name: "cap", mode: 0o755, content: "c", xattrs: { "security.capability": CAPABILITY } }, { name: "null", type: "char", major: 1, minor: 3, mode: 0o666 },
      ]));
      await rig.view(chain, (root) => {
        expect(statSync(join(root, "su")).mode & 0o7777).toBe(0o4755);
        for (const option of ["nosuid", "nodev"]) expect(mountOf(root)!.options).not.toContain(option);
        expect(lgetxattr(join(root, "cap"), "security.capability")?.equals(CAPABILITY)).toBe(true);
        writeFileSync(join(root, "null"), "swallowed");
        mknodat(AT_FDCWD, join(root, "full"), S_IFCHR | 0o666, 0x107);
        expect(() => writeFileSync(join(root, "full"), "x")).toThrow("ENOSPC");
        // Written through one name of a copied-up inode, read through the other.
        linkSync(join(root, "d/f"), join(root, "h"));
        writeFileSync(join(root, "h"), "through h");
        expect(readFileSync(join(root, "d/f"), "utf8")).toBe("through h");
        expect(statSync(join(root, "h"))).toMatchObject({ nlink: 2, ino: statSync(join(root, "d/f")).ino });
        lsetxattr(join(root, "d"), "user.note", Buffer.from("n"));
        lsetxattr(join(root, "d/f"), "trusted.note", Buffer.from("t"));
        expect(llistxattr(join(root, "d/f"))).toEqual(["trusted.note"]);
        chmodSync(join(root, "su"), 0o6711);
        utimesSync(join(root, "cap"), 7, 8.25);
        expect(lgetxattr(join(root, "cap"), "security.capability")?.equals(CAPABILITY)).toBe(true);
        renameSync(join(root, "cap"), join(root, "dir/cap"));
        // A directory of a lower layer moves by copying, as on overlayfs.
        expect(() => renameSync(join(root, "dir"), join(root, "moved"))).toThrow("EXDEV");
        execFileSync("mv", [join(root, "dir"), join(root, "moved")]);
        expect(readFileSync(join(root, "moved/x"), "utf8")).toBe("x");
        for (const name of [".wh.x", ".wh..wh..opq"]) expect(() => writeFileSync(join(root, name), "")).toThrow("EINVAL");
        mkdirSync(join(root, ".wh.odd"));
      }, "rw");
      expect(await rig.changes(chain)).toEqual(["D /cap", "C /d", "C /d/f", "D /dir", "A /full", "A /h", "A /moved", "A /moved/cap", "A /moved/x", "C /su"]);
      await rig.view(chain, (root) => {
        expect(lgetxattr(join(root, "moved/cap"), "security.capability")?.equals(CAPABILITY)).toBe(true);
        expect(statSync(join(root, "moved/cap")).mtimeMs).toBe(8250);
        expect(statSync(join(root, "su")).mode & 0o7777).toBe(0o6711);
        expect(readFileSync(join(root, "d/f"), "utf8")).toBe("through h");
      }, "rw");
    });

    test("what programs wrote into memory counts", async () => {
      rig = new Rig(make, workers);
      const chain = await rig.create(await rig.chain([{ name: "a" }]));
      const root = await mounted(chain);
      // Through a shared mapping, which stays with the kernel until somebody asks.
      execFileSync("python3", ["-c", `import mmap,os
f=os.open(${JSON.stringify(join(root, "mapped"))},os.O_RDWR|os.O_CREAT); os.ftruncate(f,8192)
m=mmap.mmap(f,8192); m[0:5]=b"hello"; os._exit(0)`]);
      const tar = await rig.diff(chain);
      expect(tar.includes("hello")).toBe(true);
      await unmountAll(root);
      expect(readFileSync(join(rig.subject.tree(chain[0]!), "mapped"), "latin1").slice(0, 5)).toBe("hello");
    });

    test("its program serves on by itself, ends with the mount, and one that died is mounted again", async () => {
      rig = new Rig(make, workers);
      const chain = await rig.create(await rig.chain([{ name: "a", content: "1" }]));
      const root = await mounted(chain);
      writeFileSync(join(root, "kept"), "k");
      const [pid, ...more] = processes();
      expect(more).toEqual([]);
      const [parent, group, session] = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) \S /s, "").split(" ");
      expect([group, session]).toEqual([pid, pid]);
      expect(parent).not.toBe(String(process.pid));
      await unmountAll(root);
      await gone();

      await mounted(chain);
      process.kill(Number(processes()[0]), "SIGKILL");
      await gone();
      expect(() => readdirSync(root)).toThrow(/ENOTCONN|ECONNABORTED/);
      expect(await rig.changes(chain)).toEqual(["A /kept"]);
      await mounted(chain);
      expect(readdirSync(root).sort()).toEqual(["a", "kept"]);
      process.kill(Number(processes()[0]), "SIGKILL");
      await gone();
      await rig.driver.remove(chain[0]!);
      expect(existsSync(root)).toBe(false);
    });

    test("works on overlayfs", async () => {
      const below = mkdtempSync(join(tmpdir(), "strata-nested-"));
      try {
        rig = new Rig((dataRoot, pool) => {
          for (const path of [join(below, "low"), join(below, "up"), join(below, "work"), join(dataRoot, "m")]) mkdirSync(path);
          mountOne({ type: "overlay", source: "overlay", options: [["lowerdir", join(below, "low")], ["upperdir", join(below, "up")], ["workdir", join(below, "work")]] }, join(dataRoot, "m"));
          return make(join(dataRoot, "m"), pool);
        }, workers);
        expect(mountOf(at("m/x"))!.type).toBe("overlay");
        await probeFuseOverlayfs(at("m/probed"));
        const chain = await rig.chain([{ name: "d/" }, { name: "d/old" }, { name: "e/" }, { name: "e/x" }, { name: "f", content: "f" }], [{ name: "d/" }, { name: "d/.wh.old" }, { name: "d/new" }]);
        const container = await rig.create(chain);
        await rig.view(container, (root) => {
          expect(readdirSync(join(root, "d"))).toEqual(["new"]);
          rmSync(join(root, "e"), { recursive: true });
          mkdirSync(join(root, "e"));
          unlinkSync(join(root, "f"));
          writeFileSync(join(root, "d/more"), "m");
        }, "rw");
        expect(await rig.changes(container)).toEqual(["C /d", "A /d/more", "C /e", "D /e/x", "D /f"]);
        const copy = await rig.apply(await rig.diff(container), chain);
        await rig.view([copy.id, ...chain], (root) => expect([readdirSync(root).sort(), readdirSync(join(root, "d")).sort(), readdirSync(join(root, "e"))]).toEqual([["d", "e"], ["more", "new"], []]));
        for (const id of await rig.list()) await rig.driver.remove(id);
        await rig.driver.drainTrash();
        expect([await rig.list(), readdirSync(at("m/trash"))]).toEqual([[], []]);
        await gone();
      } finally {
        await rig.destroy();
        rmSync(below, { recursive: true });
        rig = new Rig(make, workers);
      }
    });
  });
});
