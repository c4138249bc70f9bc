import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { AT_FDCWD, mknodat } from "../kernel/libc.js";
import { S_IFSOCK } from "../kernel/stat.js";
import { TarParser } from "./tar-parser.js";
import { tarOf } from "./testing/tar-of.js";
import { treeOf } from "./testing/tree-of.js";
import { Trees } from "./trees.js";
import { WorkerPool } from "./workers/pool.js";

const root = process.getuid?.() === 0;
(root ? describe : describe.skip)(`whole trees${root ? "" : " (skipped: owners and devices need root)"}`, () => {
  let dir: string, pool: WorkerPool, trees: Trees;
  beforeAll(() => { pool = new WorkerPool(); trees = new Trees(pool); });
  afterAll(() => pool.close());
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "strata-trees-"));
    for (const name of ["root", "to", "again"]) mkdirSync(join(dir, name));
    await unpack("root", tarOf([
      { name: "var/" }, { name: "var/www/", mode: 0o2750, uid: 33, gid: 44, mtime: { seconds: 1000, nanos: 5 }, xattrs: { "user.d": Buffer.from("d") } },
      { name: "var/www/f", mode: 0o4711, uid: 7, content: "x".repeat(10_000), mtime: { seconds: -5, nanos: 250 }, xattrs: { "user.f": Buffer.from([0, 255]) } },
      { name: "var/www/g", type: "link", linkName: "var/www/f" }, { name: "var/www/l", type: "symlink", linkName: "f", uid: 9, mtime: { seconds: 5, nanos: 6 } },
      { name: "var/www/p", type: "fifo", mode: 0o622 }, { name: "var/www/c", type: "char", major: 1, minor: 3, mode: 0o666 }, { name: "var/www/\xff", bytes: true, content: "bytes" },
      { name: "var/www/sub/", mtime: { seconds: 2000, nanos: 1 } }, { name: "var/www/sub/h", type: "link", linkName: "var/www/f" }, { name: "var/www/none/", mode: 0 },
      { name: "out", type: "symlink", linkName: "/etc" }, { name: "www", type: "symlink", linkName: "/var/www" }, { name: "file", content: "x" },
      { name: "var/www/sparse", size: 1 << 24, sparse: [{ offset: 1 << 20, length: 3 }], content: "abc" },
    ]));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const unpack = (name: string, tar: Buffer | Readable): Promise<unknown> =>
    pool.consume("apply", { root: join(dir, name), whiteouts: "delete", split: join(dir, `${name}.gz`) }, Buffer.isBuffer(tar) ? Readable.from([tar]) : tar);

  test("a copy has everything, and the directory's own attributes", async () => {
    mknodat(AT_FDCWD, join(dir, "root/var/www/socket"), S_IFSOCK | 0o600, 0);
    await trees.copy(join(dir, "root"), "/var/www", join(dir, "to"));
    expect(treeOf(join(dir, "to"))).toEqual(treeOf(join(dir, "root/var/www")));
    expect(Object.keys(treeOf(join(dir, "to")))).toHaveLength(11);
    expect(statSync(join(dir, "to"))).toMatchObject({ uid: 33, gid: 44, mode: 0o042750, mtimeMs: statSync(join(dir, "root/var/www")).mtimeMs });
    expect(statSync(join(dir, "to/sparse")).blocks * 512).toBeLessThan(1 << 20);
  });
  test("symlinks on the way are followed inside the tree only; what is no directory is not copied", async () => {
    await trees.copy(join(dir, "root"), "www/sub/..", join(dir, "to"));
    expect(readdirSync(join(dir, "to"))).toContain("sub");
    for (const path of ["/out", "/file", "/none", "/www/l"]) await trees.copy(join(dir, "root"), path, join(dir, "again"));
    expect(readdirSync(join(dir, "again"))).toEqual([]);
    symlinkSync("file", join(dir, "root/tofile"));
    await trees.copy(join(dir, "root"), "/tofile", join(dir, "again"));
    expect(readdirSync(join(dir, "again"))).toEqual([]);
  });
  test("export: a tar that gives the same tree, sparse files written out", async () => {
    // A name that only a layer would take for a whiteout.
    writeFileSync(join(dir, "root/.wh.name"), "");
    const bytes = Buffer.concat(await trees.tar(join(dir, "root")).toArray());
    const seen: string[] = [];
    const parser = new TarParser({ entry: (entry) => { expect(entry.sparse).toBeUndefined(); seen.push(entry.name); }, data: () => undefined, end: () => undefined, raw: () => undefined });
    parser.write(bytes);
    parser.close();
    expect(seen.slice(0, 5)).toEqual([".wh.name", "file", "out", "var/", "var/www/"]);
    rmSync(join(dir, "root/.wh.name"));
    await unpack("to", bytes);
    expect(treeOf(join(dir, "to"))).toEqual(treeOf(join(dir, "root")));
  });
  test("export: a file that shrinks while it is read is filled up", async () => {
    writeFileSync(join(dir, "root/log"), Buffer.alloc(8 << 20, "x"));
    const stream = trees.tar(join(dir, "root"));
    stream.read(1);
    await new Promise((resolve) => stream.once("readable", resolve));
    writeFileSync(join(dir, "root/log"), "short");
    const parser = new TarParser({ entry: () => undefined, data: () => undefined, end: () => undefined, raw: () => undefined });
    for await (const chunk of stream) parser.write(chunk as Buffer);
    parser.close();
  });
});
