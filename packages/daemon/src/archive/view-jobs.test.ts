import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import type { TreeView, WriteOptions } from "../core/rootfs.js";
import { AT_FDCWD, makedev, mknodat } from "../kernel/libc.js";
import { S_IFCHR } from "../kernel/stat.js";
import { tarOf, type Member } from "./testing/tar-of.js";
import { Trees } from "./trees.js";
import { WorkerPool } from "./workers/pool.js";

const root = process.getuid?.() === 0;
(root ? describe : describe.skip)(`files of containers${root ? "" : " (skipped: needs root)"}`, () => {
  let dir: string, pool: WorkerPool, trees: Trees, view: TreeView;
  const inside = (...path: string[]): string => join(dir, "root", ...path);
  const mountsNow = (): string => readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(dir)).join("\n");
  beforeAll(() => { pool = new WorkerPool({ size: 1 }); trees = new Trees(pool); });
  afterAll(() => pool.close());
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "strata-view-"));
    for (const path of ["root/etc", "root/data", "root/tmp", "volume/sub", "fixed", "outside"]) mkdirSync(join(dir, path), { recursive: true });
    writeFileSync(inside("etc/passwd"), "root:x:0:0\n");
    writeFileSync(inside("data/hidden"), "below the volume");
    writeFileSync(join(dir, "volume/sub/file"), "of the volume");
    writeFileSync(join(dir, "fixed/f"), "fixed");
    symlinkSync("/etc/passwd", inside("tmp/absolute"));
    symlinkSync("../../../../../etc", inside("tmp/up"));
    symlinkSync("nowhere/at/all", inside("tmp/dangling"));
    view = {
      root: join(dir, "root"), writable: true, mounts: [
        { source: join(dir, "volume"), destination: "/data", writable: true, recursive: true },
        { source: join(dir, "fixed"), destination: "/data/fixed", writable: false, recursive: true },
      ],
    };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const put = (path: string, members: readonly Member[], options: Partial<WriteOptions> & { view?: TreeView } = {}): Promise<void> =>
    trees.write(options.view ?? view, path, Readable.from([tarOf(members)]), { keepKinds: false, ...options });
  async function get(path: string): Promise<string[]> {
    const parts: Buffer[] = [];
    for await (const part of trees.read(view, path)) parts.push(part as Buffer);
    return execFileSync("tar", ["-tP"], { input: Buffer.concat(parts), encoding: "utf8" }).split("\n").filter(Boolean);
  }

  test("a path is told as it is, a symlink with where it leads in the container", async () => {
    chmodSync(inside("etc/passwd"), 0o4640);
    utimesSync(inside("etc/passwd"), 5, 1_000_000_000.25);
    expect(await trees.stat(view, "/etc/passwd")).toEqual({ name: "passwd", size: 11, mode: 0o104640, mtime: "2001-09-09T01:46:40.25Z", linkTarget: "" });
    expect(await trees.stat(view, "etc/../tmp//absolute")).toMatchObject({ name: "absolute", linkTarget: "/etc/passwd", mode: 0o120777 });
    expect(await trees.stat(view, "/tmp/up")).toMatchObject({ linkTarget: "/etc" });
    expect(await trees.stat(view, "/tmp/dangling")).toMatchObject({ linkTarget: "/tmp/nowhere/at/all" });
    expect(await trees.stat(view, "/tmp/up/passwd")).toMatchObject({ name: "passwd", size: 11 });
    expect((await trees.stat(view, "/tmp/up/.")).mode & 0o170000).toBe(0o040000);
    expect([(await trees.stat(view, "/")).name, (await trees.stat(view, "/etc/.")).name, (await trees.stat(view, "/etc/")).name]).toEqual(["/", ".", "etc"]);
    expect(await trees.stat(view, "/data/sub/file")).toMatchObject({ size: 13 });
    symlinkSync("loop", inside("tmp/loop"));
    for (const path of ["/none", "/etc/passwd/x", "/data/hidden", "/tmp/dangling/", "/tmp/loop/", `/${"n".repeat(300)}`, "/d".repeat(3000)]) await expect(trees.stat(view, path)).rejects.toMatchObject({ code: "NotFound" });
  });

  test("names of an archive begin with the last part of the path; mounts are entered, symlinks are not", async () => {
    expect(await get("/etc/passwd")).toEqual(["passwd"]);
    expect(await get("/tmp/absolute")).toEqual(["absolute"]);
    expect(await get("/data")).toEqual(["data/", "data/fixed/", "data/fixed/f", "data/sub/", "data/sub/file"]);
    expect(await get("/data/.")).toEqual(["./", "./fixed/", "./fixed/f", "./sub/", "./sub/file"]);
    expect(await get("/")).toEqual(["/", "/data/", "/data/fixed/", "/data/fixed/f", "/data/sub/", "/data/sub/file", "/etc/", "/etc/passwd", "/tmp/", "/tmp/absolute", "/tmp/dangling", "/tmp/up"]);
    await expect(get("/none")).rejects.toMatchObject({ code: "NotFound" });
  });

  test("a device is carried as one and never opened", async () => {
    mknodat(AT_FDCWD, inside("tmp/null"), S_IFCHR | 0o666, makedev(1, 3));
    expect(await get("/tmp/null")).toEqual(["null"]);
    await expect(put("/tmp/null", [{ name: "x" }])).rejects.toMatchObject({ code: "InvalidArgument", message: "extraction point is not a directory" });
  });

  test("an archive, packed or not, comes to lie in a directory, whatever leads there", async () => {
    await put("/tmp/up", [{ name: "./", mode: 0o700 }, { name: "new/", mode: 0o2750, uid: 5, gid: 6 }, { name: "new/f", content: "x", mode: 0o4711, uid: 7, mtime: { seconds: 9, nanos: 0 } }, { name: "hard", type: "link", linkName: "new/f" }, { name: ".wh.name", content: "a name like any" }]);
    expect(lstatSync(inside("etc/new"))).toMatchObject({ mode: 0o042750, uid: 5, gid: 6 });
    expect(lstatSync(inside("etc/new/f"))).toMatchObject({ mode: 0o104711, uid: 7, mtimeMs: 9000, nlink: 2 });
    expect(readFileSync(inside("etc/.wh.name"), "utf8")).toBe("a name like any");
    expect([lstatSync(inside("etc")).mode & 0o777, readFileSync(inside("etc/passwd"), "utf8")]).toEqual([0o755, "root:x:0:0\n"]);
    await trees.write(view, "/data/sub", Readable.from([gzipSync(tarOf([{ name: "deep/packed", content: "y" }]))]), { keepKinds: true });
    expect(readFileSync(join(dir, "volume/sub/deep/packed"), "utf8")).toBe("y");
    await put("/", [{ name: "data/sub/over", content: "z" }], { keepKinds: true });
    expect(readFileSync(join(dir, "volume/sub/over"), "utf8")).toBe("z");
    expect(readdirSync(inside("data"))).not.toContain("sub");
  });

  test("nothing leaves the container's tree", async () => {
    const outside = join(dir, "outside");
    symlinkSync(outside, inside("tmp/out"));
    symlinkSync(`../../../../../../../../..${outside}`, inside("tmp/out2"));
    for (const link of ["out", "out2"]) {
      await expect(put(`/tmp/${link}`, [{ name: "x" }])).rejects.toMatchObject({ code: "NotFound" });
      await put("/tmp", [{ name: `${link}/x`, content: "through a symlink" }]);
      expect(readFileSync(inside(outside, "x"), "utf8")).toBe("through a symlink");
      rmSync(inside(outside), { recursive: true });
    }
    await put("/tmp", [{ name: "own", type: "symlink", linkName: outside }, { name: "own/y", content: "y" }]);
    expect(readFileSync(inside(outside, "y"), "utf8")).toBe("y");
    await expect(put("/tmp", [{ name: "../../x" }])).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(put("/tmp", [{ name: "l", type: "link", linkName: "../../../etc/hostname" }])).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(readdirSync(outside)).toEqual([]);
  });

  test("read-only trees and mounts refuse, in Docker's words", async () => {
    const refusal = (message: string): object => ({ code: "PermissionDenied", message });
    await expect(put("/data/fixed", [{ name: "x" }])).rejects.toMatchObject(refusal("mounted volume is marked read-only"));
    await expect(put("/data", [{ name: "fixed/x" }])).rejects.toMatchObject(refusal("mounted volume is marked read-only"));
    const fixed = { ...view, writable: false };
    await expect(put("/tmp", [{ name: "x" }], { view: fixed })).rejects.toMatchObject(refusal("container rootfs is marked read-only"));
    await put("/data/sub", [{ name: "x", content: "x" }], { view: fixed });
    expect(readdirSync(join(dir, "volume/sub"))).toEqual(["file", "x"]);
    expect(readdirSync(join(dir, "fixed"))).toEqual(["f"]);
  });

  test("kinds are kept when asked, and everything can have one owner", async () => {
    await expect(put("/", [{ name: "etc", content: "" }], { keepKinds: true })).rejects.toMatchObject({ code: "InvalidArgument", message: 'cannot overwrite directory "/etc" with non-directory' });
    await expect(put("/etc", [{ name: "passwd/" }], { keepKinds: true })).rejects.toMatchObject({ code: "InvalidArgument", message: 'cannot overwrite non-directory "/etc/passwd" with directory' });
    await expect(put("/etc", [{ name: "passwd/x" }])).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(readFileSync(inside("etc/passwd"), "utf8")).toBe("root:x:0:0\n");
    await put("/", [{ name: "etc/passwd/" }, { name: "tmp", content: "now a file" }], { owner: { uid: 70, gid: 71 } });
    expect(lstatSync(inside("etc/passwd"))).toMatchObject({ uid: 70, gid: 71, mode: 0o040755 });
    expect(readFileSync(inside("tmp"), "utf8")).toBe("now a file");
  });

  test("mount points are made as the runtime makes them; of the mounts nothing is seen and nothing stays", async () => {
    const before = mountsNow();
    const home = readlinkSync("/proc/self/ns/mnt");
    view = { ...view, mounts: [...view.mounts, { source: join(dir, "fixed"), destination: "/new/place", writable: true, recursive: false }, { source: join(dir, "fixed/f"), destination: "/new/file", writable: true, recursive: false }] };
    const reading = trees.read(view, "/");
    await new Promise((resolve) => reading.once("readable", resolve));
    expect(mountsNow()).toBe(before);
    reading.destroy();
    expect(await get("/new")).toEqual(["new/", "new/file", "new/place/", "new/place/f"]);
    expect([lstatSync(inside("new/place")).isDirectory(), lstatSync(inside("new/file")).isFile()]).toEqual([true, true]);
    await expect(trees.stat({ ...view, mounts: [{ source: join(dir, "gone"), destination: "/x", writable: true, recursive: true }] }, "/")).rejects.toMatchObject({ code: "Conflict" });
    expect(mountsNow()).toBe(before);
    expect(readlinkSync("/proc/self/ns/mnt")).toBe(home);
    expect(existsSync(inside("x"))).toBe(false);
  });

  test("what is mounted is not replaced, and stays mounted", async () => {
    const mounted = { ...view, mounts: [...view.mounts, { source: join(dir, "fixed/f"), destination: "/deep/file", writable: true, recursive: false }] };
    const busy = { code: "Conflict", message: expect.stringMatching(/device or resource busy/) };
    await expect(put("/deep", [{ name: "file", content: "other" }], { view: mounted })).rejects.toMatchObject(busy);
    await expect(put("/", [{ name: "deep", content: "a file in place of all" }], { view: mounted })).rejects.toMatchObject(busy);
    await expect(put("/", [{ name: "data", content: "in place of a mount" }], { view: mounted })).rejects.toBeDefined();
    expect([lstatSync(inside("deep/file")).size, readdirSync(join(dir, "fixed"))]).toEqual([0, ["f"]]);
  });

  test("what is no archive, or ends early, is refused", async () => {
    await expect(trees.write(view, "/tmp", Readable.from([Buffer.from("no archive".repeat(100))]), { keepKinds: true })).rejects.toMatchObject({ code: "InvalidArgument" });
    await expect(trees.write(view, "/tmp", Readable.from([tarOf([{ name: "f", content: "x".repeat(5000) }]).subarray(0, 3000)]), { keepKinds: true })).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});
