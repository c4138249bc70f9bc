import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfinedFiles } from "./confined.js";
import { readDirectory } from "./directory.js";
import { AT_FDCWD, close, mkdirat, mkfifo, O_DIRECTORY, O_RDONLY, openat } from "./libc.js";
import { mountOne, mountPlan, unmount, unmountAll } from "./mount.js";
import { mountsBelow } from "./mount-table.js";
import { removePath } from "./remove-tree.js";
import { FileSystemSync } from "./sync.js";
import { measureTree } from "./usage.js";

const root = process.getuid?.() === 0;
const asRoot = root ? test : test.skip;
const why = root ? "" : " (skipped: needs root)";

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-kernel-")); });
afterEach(async () => {
  for (const { target } of mountsBelow(dir).reverse()) await unmountAll(target);
  rmSync(dir, { recursive: true, force: true });
});
const finish = <T>(steps: Generator<unknown, T>): T => { for (;;) { const step = steps.next(); if (step.done) return step.value; } };

describe("removing a tree", () => {
  test("takes everything, follows no symlink; what is absent is gone already", () => {
    mkdirSync(join(dir, "keep"));
    writeFileSync(join(dir, "keep/file"), "x");
    mkdirSync(join(dir, "tree/a/b"), { recursive: true });
    symlinkSync(join(dir, "keep"), join(dir, "tree/a/link"));
    for (let i = 0; i < 600; i++) writeFileSync(join(dir, `tree/a/b/${i}`), "");
    mkfifo(join(dir, "tree/pipe"), 0o600);
    finish(removePath(join(dir, "tree")));
    finish(removePath(join(dir, "tree")));
    finish(removePath(join(dir, "no/such")));
    expect(readdirSync(dir)).toEqual(["keep"]);
    expect(readFileSync(join(dir, "keep/file"), "utf8")).toBe("x");
  });
  test("takes a file and a symlink by themselves", () => {
    writeFileSync(join(dir, "file"), "");
    symlinkSync("file", join(dir, "link"));
    finish(removePath(join(dir, "link")));
    expect(readdirSync(dir)).toEqual(["file"]);
    finish(removePath(join(dir, "file")));
    expect(readdirSync(dir)).toEqual([]);
  });
  test("goes deeper than a path may be long, with few descriptors", () => {
    mkdirSync(join(dir, "deep"));
    let fd = openat(-100, join(dir, "deep"), O_RDONLY | O_DIRECTORY);
    for (let i = 0; i < 3000; i++) {
      mkdirat(fd, "level", 0o700);
      if (i % 100 === 0) mkdirat(fd, "zz", 0o700);
      const next = openat(fd, "level", O_RDONLY | O_DIRECTORY);
      close(fd);
      fd = next;
    }
    close(fd);
    const steps = removePath(join(dir, "deep"));
    let most = 0;
    while (!steps.next().done) most = Math.max(most, readdirSync("/proc/self/fd").length);
    expect(most).toBeLessThan(400);
    expect(readdirSync(dir)).toEqual([]);
  });
  asRoot(`does not enter a mount, even of the same file system${why}`, async () => {
    mkdirSync(join(dir, "keep"));
    writeFileSync(join(dir, "keep/file"), "x");
    mkdirSync(join(dir, "tree/mnt"), { recursive: true });
    mountOne({ type: "bind", source: join(dir, "keep"), options: ["bind"] }, join(dir, "tree/mnt"));
    expect(() => finish(removePath(join(dir, "tree")))).toThrow(/EXDEV|EBUSY/);
    expect(readFileSync(join(dir, "keep/file"), "utf8")).toBe("x");
    expect(await unmount(join(dir, "tree/mnt"))).toBe(true);
    finish(removePath(join(dir, "tree")));
    expect(readdirSync(dir)).toEqual(["keep"]);
  });
});

describe("mounts", () => {
  asRoot(`a plan that fails half-way is undone${why}`, async () => {
    mkdirSync(join(dir, "a"));
    const bind = { type: "bind", source: join(dir, "a"), options: ["bind"] };
    await expect(mountPlan({ target: join(dir, "a"), mounts: [bind, bind, { type: "no-such-fs", source: "none", options: [] }] })).rejects.toThrow("ENODEV");
    expect(mountsBelow(dir)).toEqual([]);
  });
  asRoot(`a read-only bind is read-only, the source is not${why}`, async () => {
    mkdirSync(join(dir, "a"));
    mkdirSync(join(dir, "b"));
    mountOne({ type: "bind", source: join(dir, "a"), options: ["rbind", "ro", "nosuid"] }, join(dir, "b"));
    expect(() => writeFileSync(join(dir, "b/x"), "")).toThrow("EROFS");
    writeFileSync(join(dir, "a/x"), "");
    expect(mountsBelow(dir)[0]!.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
    await unmountAll(join(dir, "b"));
    expect(mountsBelow(dir)).toEqual([]);
  });
  asRoot(`an overlay that has no room to work in is refused: the kernel would have it read-only${why}`, async () => {
    const at = (name: string): string => join(dir, "small", name), options = [["lowerdir", join(dir, "low")], ["upperdir", at("upper")], ["workdir", at("work")]] as const;
    for (const name of ["small", "low", "merged"]) mkdirSync(join(dir, name));
    mountOne({ type: "tmpfs", source: "tmpfs", options: [["nr_inodes", "12"]] }, join(dir, "small"));
    for (const name of ["upper", "work", ...Array.from({ length: 9 }, (_, i) => `filler${i}`)]) mkdirSync(at(name));
    expect(() => mkdirSync(at("one-too-many"))).toThrow("ENOSPC");
    const overlay = { type: "overlay", source: "overlay", options };
    expect(() => mountOne(overlay, join(dir, "merged"))).toThrow(expect.objectContaining({ code: "ENOSPC" }));
    expect(mountsBelow(join(dir, "merged"))).toEqual([]);
    for (let i = 0; i < 9; i++) rmdirSync(at(`filler${i}`));
    mountOne(overlay, join(dir, "merged"));
    expect(mountsBelow(join(dir, "merged"))).toHaveLength(1);
    await unmountAll(join(dir, "merged"));
    await unmountAll(join(dir, "small"));
  });
  asRoot(`unmounting: nothing there, stacked, in use, never through a symlink${why}`, async () => {
    mkdirSync(join(dir, "m"));
    symlinkSync("m", join(dir, "link"));
    expect(await unmount(join(dir, "m"))).toBe(false);
    expect(await unmount(join(dir, "nowhere"))).toBe(false);
    for (let i = 0; i < 3; i++) mountOne({ type: "tmpfs", source: "tmpfs", options: [["size", "64k"], "nodev"] }, join(dir, "m"));
    expect(await unmount(join(dir, "link"))).toBe(false);
    writeFileSync(join(dir, "m/open"), "still");
    const fd = openat(-100, join(dir, "m/open"), O_RDONLY);
    try {
      await unmountAll(join(dir, "m"));
      expect(mountsBelow(dir)).toEqual([]);
      expect(existsSync(join(dir, "m/open"))).toBe(false);
      expect(readFileSync(`/proc/self/fd/${fd}`, "utf8")).toBe("still");
    } finally { close(fd); }
  });
});

describe("reading inside a tree", () => {
  const files = new ConfinedFiles();
  test("files, also through symlinks that stay inside", async () => {
    mkdirSync(join(dir, "etc"));
    writeFileSync(join(dir, "etc/real"), "content");
    symlinkSync("/etc/real", join(dir, "etc/absolute"));
    symlinkSync("../../../../../etc/real", join(dir, "etc/climbing"));
    for (const name of ["real", "absolute", "climbing"]) expect(String(await files.read(dir, `/etc/${name}`))).toBe("content");
    expect(String(await files.read(dir, "../../etc/real"))).toBe("content");
  });
  test("nothing outside, and nothing that is no file", async () => {
    writeFileSync(join(dir, "secret"), "secret");
    mkdirSync(join(dir, "root"));
    symlinkSync(join(dir, "secret"), join(dir, "root/out"));
    symlinkSync("/proc/self/environ", join(dir, "root/proc"));
    symlinkSync("loop", join(dir, "root/loop"));
    mkfifo(join(dir, "root/pipe"), 0o600);
    for (const path of ["out", "../secret", "proc", "loop", "pipe", ".", "none", "pipe/x"]) expect(await files.read(join(dir, "root"), path)).toBeNull();
  });
});

test("usage counts inodes once and blocks on disk", () => {
  expect(finish(measureTree(join(dir, "none")))).toEqual({ bytes: 0, inodes: 0, size: 0 });
  mkdirSync(join(dir, "t/d"), { recursive: true });
  writeFileSync(join(dir, "t/d/f"), Buffer.alloc(100_000, 1));
  linkSync(join(dir, "t/d/f"), join(dir, "t/g"));
  symlinkSync(dir, join(dir, "t/s"));
  const blocks = ["t", "t/d", "t/d/f"].reduce((sum, name) => sum + statSync(join(dir, name)).blocks * 512, 0);
  const measured = finish(measureTree(join(dir, "t")));
  expect(measured.inodes).toBe(4);
  expect(measured.bytes).toBe(blocks);
});
test("a directory that is removed while it is read has no entries", () => {
  mkdirSync(join(dir, "t"));
  const fd = openat(AT_FDCWD, join(dir, "t"), O_RDONLY | O_DIRECTORY);
  try {
    rmdirSync(join(dir, "t"));
    expect(readDirectory(fd)).toEqual([]);
  } finally { close(fd); }
});
test("many syncs at once are done when they say so", async () => {
  const disk = new FileSystemSync(dir);
  await Promise.all(Array.from({ length: 20 }, () => disk.flush()));
  await disk.flush();
  await expect(new FileSystemSync(join(dir, "none")).flush()).rejects.toMatchObject({ code: "ENOENT" });
});
