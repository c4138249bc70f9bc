import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, linkSync, lutimesSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, readlinkSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync, writeSync, ftruncateSync, lstatSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountLayer } from "../../kernel/layer-mount.js";
import { AT_FDCWD, lgetxattr, lsetxattr, makedev, mkfifo, mknodat } from "../../kernel/libc.js";
import { unmountSync } from "../../kernel/mount.js";
import { findProgram } from "../../kernel/spawn.js";
import { S_IFBLK, S_IFCHR } from "../../kernel/stat.js";
import { encodeHeader, padding, TRAILER } from "../tar-writer.js";
import { EPOCH, noXattrs, type Segment } from "../tar-entry.js";
import { memberOf, tarOf, type Member } from "../testing/tar-of.js";
import { treeOf } from "../testing/tree-of.js";
import { ApplyErofsJob, makeIndex } from "./index-job.js";

const UUID = "000102030405060708090a0b0c0d0e0f";
const reason = process.getuid?.() !== 0 ? "needs root: owners, devices, mounts" : canMount();
function canMount(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "strata-index-"));
  try {
    make(dir, tarOf([{ name: "f", content: "x" }]));
    mkdirSync(join(dir, "m"));
    mountLayer({ index: join(dir, "layer.erofs"), data: join(dir, "layer.tar"), loop: false, direct: false, readAhead: 128 }, join(dir, "m"));
    return undefined;
  } catch (error) { return `EROFS mounts no files here: ${(error as Error).message}`; } finally {
    unmountSync(join(dir, "m"));
    rmSync(dir, { recursive: true });
  }
}
function make(dir: string, tar: Buffer): Buffer {
  for (const name of ["layer.tar", "layer.erofs"]) rmSync(join(dir, name), { force: true });
  const job = new ApplyErofsJob({ tar: join(dir, "layer.tar"), index: join(dir, "layer.erofs"), uuid: UUID });
  try {
    for (let at = 0; at < tar.length; at += 77_777) job.write(tar.subarray(at, at + 77_777));
    job.end([]);
  } finally { job.abort(); }
  return readFileSync(join(dir, "layer.erofs"));
}

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), "strata-index-")); mkdirSync(join(dir, "m")); });
afterEach(() => { unmountSync(join(dir, "m")); rmSync(dir, { recursive: true, force: true }); });

describe("the index, field by field", () => {
  const tar = tarOf([
    { name: "d/", mode: 0o2750, uid: 5, gid: 6, mtime: { seconds: -2, nanos: 500 } }, { name: "d/f", content: "x".repeat(700), mode: 0o640, uid: 4294967294, gid: 70000, mtime: { seconds: 2 ** 33 + 7, nanos: 999999999 } },
    { name: "g", type: "link", linkName: "d/f" }, { name: "l", type: "symlink", linkName: "d/f", mode: 0o644 }, { name: "z", type: "block", major: 259, minor: 300000 }, { name: "e" },
    { name: "x", content: "x", xattrs: { "user.a": Buffer.from("1"), "security.capability": Buffer.alloc(20, 7), "other.b": Buffer.from("2") } },
  ]);
  const u16 = (b: Buffer, at: number): number => b.readUInt16LE(at), u32 = (b: Buffer, at: number): number => b.readUInt32LE(at), u64 = (b: Buffer, at: number): number => Number(b.readBigInt64LE(at));
  interface Inode { at: number; format: number; xattrs: number; mode: string; size: number; data: number; uid: number; gid: number; mtime: [number, number]; links: number }
  const inode = (b: Buffer, nid: number): Inode => {
    const at = nid * 32;
    return { at, format: u16(b, at), xattrs: u16(b, at + 2), mode: u16(b, at + 4).toString(8), size: u64(b, at + 8), data: u32(b, at + 16), uid: u32(b, at + 24), gid: u32(b, at + 28), mtime: [u64(b, at + 32), u32(b, at + 40)], links: u32(b, at + 44) };
  };
  const entries = (b: Buffer, from: number, length: number): [string, number, number][] => Array.from({ length: u16(b, from + 8) / 12 }, (_, i): [string, number, number] => {
    const head = from + i * 12, last = i + 1 === u16(b, from + 8) / 12;
    return [b.toString("latin1", from + u16(b, head + 8), last ? from + length : from + u16(b, head + 20)), u64(b, head), b[head + 10]!];
  });

  test("superblock and device", () => {
    const b = make(dir, tar);
    expect(b.length % 512).toBe(0);
    expect(b.subarray(0, 1024).every((byte) => byte === 0)).toBe(true);
    expect([u32(b, 1024), u32(b, 1028), u32(b, 1032), b[1036], b[1037], u16(b, 1038)]).toEqual([0xe0f5e1e2, 0, 2, 9, 0, 40]);
    // Six names in two directories, of which two are one inode.
    expect([u64(b, 1040), u64(b, 1048), u32(b, 1056), u32(b, 1060), u32(b, 1064), u32(b, 1068)]).toEqual([7, 0, 0, b.length / 512, 0, 0]);
    expect(b.toString("hex", 1072, 1088)).toBe(UUID);
    expect([u32(b, 1104), u16(b, 1108), u16(b, 1110), u16(b, 1112), b[1114]]).toEqual([8, 0, 1, 9, 0]);
    expect(b.toString("latin1", 1152, 1216).replace(/\0+$/, "")).toBe(`strata 1 ${tar.length} 701`);
    expect([u32(b, 1216), u32(b, 1220)]).toEqual([tar.length / 512, b.length / 512]);
  });

  test("inodes and directories", () => {
    const b = make(dir, tar), blocks = b.length / 512;
    const root = inode(b, 40);
    expect(root).toMatchObject({ format: 5, xattrs: 0, mode: "40755", uid: 0, gid: 0, mtime: [0, 0], links: 3 });
    const names = entries(b, root.at + 64, root.size);
    expect(names.map(([name, , type]) => [name, type])).toEqual([[".", 2], ["..", 2], ["d", 2], ["e", 1], ["g", 1], ["l", 7], ["x", 1], ["z", 4]]);
    expect(names.slice(0, 2).map(([, nid]) => nid)).toEqual([40, 40]);
    const of = (name: string): Inode => inode(b, names.find(([entry]) => entry === name)![1]);
    const d = of("d"), below = entries(b, d.at + 64, d.size);
    expect(d).toMatchObject({ format: 5, mode: "42750", uid: 5, gid: 6, mtime: [-2, 500], links: 2, size: 12 * 3 + 4 });
    expect(below.map(([name]) => name)).toEqual([".", "..", "f"]);
    expect(below.map(([, nid]) => nid)).toEqual([d.at / 32, 40, names.find(([name]) => name === "g")![1]]);
    // Both members have a pax header and its body before their own.
    expect(of("g")).toMatchObject({ format: 1, mode: "100640", size: 700, data: blocks + 6, uid: 4294967294, gid: 70000, mtime: [2 ** 33 + 7, 999999999], links: 2 });
    expect(of("e")).toMatchObject({ format: 1, size: 0, data: 0, links: 1 });
    expect(of("l")).toMatchObject({ format: 5, mode: "120777", size: 3 });
    expect(b.toString("latin1", of("l").at + 64, of("l").at + 67)).toBe("d/f");
    expect(of("z")).toMatchObject({ format: 1, mode: "60644", size: 0, data: ((300000 & 0xff) | (259 << 8) | ((300000 & ~0xff) << 12)) >>> 0 });
    const x = of("x");
    expect(x).toMatchObject({ format: 1, xattrs: 1 + (8 + 36) / 4 });
    expect(b.toString("latin1", x.at + 64 + 12, x.at + 64 + 12 + 44)).toBe(`\x0a\x06\x14\0capability${"\x07".repeat(20)}\0\0\x01\x01\x01\0a1\0\0`);
    expect(new Set(Array.from({ length: 7 }, (_, i) => i + 1))).toEqual(new Set([root, d, of("e"), of("g"), of("l"), of("x"), of("z")].map(({ at }) => u32(b, at + 20))));
  });

  test("the same tar gives the same index, also when it is made later", () => {
    const b = make(dir, tar);
    for (const _ of makeIndex({ tar: join(dir, "layer.tar"), index: join(dir, "again"), lowers: [], uuid: UUID }));
    expect(readFileSync(join(dir, "again")).equals(b)).toBe(true);
  });

  test("what has no place is refused", () => {
    const big = (value: number, count = 1): Member => ({ name: "f", xattrs: Object.fromEntries(Array.from({ length: count }, (_, i) => [`user.${i}`, Buffer.alloc(value)])) });
    expect(() => make(dir, tarOf([big(65536)]))).toThrow("too large");
    expect(() => make(dir, tarOf([big(60000, 5)]))).toThrow("too large together");
    expect(() => make(dir, tarOf([{ name: "l", type: "symlink", linkName: "x".repeat(4096) }]))).toThrow("cannot place");
  });
});

(reason === undefined ? describe : describe.skip)(`a mounted layer${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  const mount = (tar: Buffer): string => {
    make(dir, tar);
    mountLayer({ index: join(dir, "layer.erofs"), data: join(dir, "layer.tar"), loop: false, direct: false, readAhead: 128 }, join(dir, "m"));
    return join(dir, "m");
  };
  const tarProgram = (...args: string[]): void => { execFileSync("tar", args, { stdio: ["ignore", "ignore", "pipe"] }); };
  /** What GNU tar makes of it. */
  const unpacked = (tar: Buffer): string => {
    mkdirSync(join(dir, "t"));
    writeFileSync(join(dir, "in.tar"), tar);
    tarProgram("--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner", "-xpf", join(dir, "in.tar"), "-C", join(dir, "t"));
    return join(dir, "t");
  };
  const withoutTimes = (tree: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(tree).map(([path, line]) => [path, line.startsWith("4") ? line.replace(/ -?\d+\.\d{9}/, "") : line]));

  const fill = (root: string): void => {
    mkdirSync(join(root, "deep/er/and/er"), { recursive: true });
    writeFileSync(join(root, "deep/er/f"), "deep");
    for (const size of [0, 1, 511, 512, 513, 70_000]) writeFileSync(join(root, `size-${size}`), Buffer.alloc(size, size & 0xff));
    linkSync(join(root, "size-513"), join(root, "deep/hard"));
    linkSync(join(root, "size-513"), join(root, "second"));
    symlinkSync("size-513", join(root, "sym"));
    symlinkSync("t".repeat(300), join(root, "longsym"));
    linkSync(join(root, "sym"), join(root, "hardsym"));
    lutimesSync(join(root, "sym"), 5, 1234567890.25);
    mkfifo(join(root, "pipe"), 0o622);
    mknodat(AT_FDCWD, join(root, "null"), S_IFCHR | 0o666, makedev(1, 3));
    mknodat(AT_FDCWD, join(root, "disk"), S_IFBLK | 0o660, makedev(259, 70));
    writeFileSync(join(root, "owner"), "o", { mode: 0o4755 });
    chownSync(join(root, "owner"), 70000, 2000000);
    chmodSync(join(root, "owner"), 0o6755);
    utimesSync(join(root, "owner"), 1, -100.5);
    chmodSync(join(root, "deep"), 0o3711);
    for (let i = 0; i < 300; i++) writeFileSync(join(root, "deep/er/and", `${"many".repeat(i % 9)}-${i}`), String(i));
    for (const name of ["!x", "+x", "-x", "..x", ".x", "~", "\u00fcber", "a b", "new\nline"]) writeFileSync(join(root, name), name);
    utimesSync(join(root, "deep/er"), 7, 77);
  };
  const sparse = (file: string, size: number, ...at: number[]): void => {
    const fd = openSync(file, "w");
    try {
      for (const position of at) writeSync(fd, Buffer.from(`data at ${position}`), 0, undefined, position);
      ftruncateSync(fd, size);
    } finally { closeSync(fd); }
  };

  const formats: Record<string, { args: readonly string[]; fill: (root: string) => void; only?: string }> = {
    "v7": { args: ["--format=v7"], fill: (root) => { fill(root); for (const name of ["longsym", "disk", "null", "pipe"]) rmSync(join(root, name)); } },
    "ustar": { args: ["--format=ustar"], fill: (root) => { fill(root); rmSync(join(root, "longsym")); utimesSync(join(root, "owner"), 1, 1); } },
    "gnu": { args: ["--format=gnu"], fill: (root) => { fill(root); writeFileSync(join(root, "n".repeat(255)), "long"); mkdirSync(join(root, `${"p".repeat(200)}/${"q".repeat(200)}`), { recursive: true }); } },
    "pax with attributes": {
      args: ["--format=pax", "--xattrs", "--xattrs-include=*"],
      fill: (root) => {
        fill(root);
        writeFileSync(join(root, "n".repeat(255)), "long");
        lsetxattr(join(root, "owner"), "user.note", Buffer.from("n"));
        lsetxattr(join(root, "size-1"), "user.much", Buffer.alloc(900, "m"));
        lsetxattr(join(root, "deep"), "trusted.dir", Buffer.from("d"));
        lsetxattr(join(root, "size-0"), "security.capability", Buffer.from("0100000200200000000000000000000000000000", "hex"));
        lsetxattr(join(root, "sym"), "trusted.sym", Buffer.from("s"));
      },
    },
    "gnu, sparse": { args: ["--format=gnu", "--sparse"], fill: (root) => { for (const [i, at] of [[], [0], [1 << 20], [0, 4096, 1 << 20, 5 << 20, (9 << 20) - 100], [4096, 12288, 20480, 28672, 36864, 45056]].entries()) sparse(join(root, `s${i}`), 9 << 20, ...at); } },
    ...Object.fromEntries(["0.0", "0.1", "1.0"].map((version) => [`pax, sparse ${version}`, {
      args: ["--format=pax", "--sparse", `--sparse-version=${version}`], fill: (root: string) => { for (const [i, at] of [[0], [1 << 20], [0, 4096, 1 << 20, 5 << 20, (9 << 20) - 100], [4096, 12288, 20480, 28672, 36864, 45056]].entries()) sparse(join(root, `s${i}`), 9 << 20, ...at); },
    }])),
  };
  test.each(Object.keys(formats))("is what GNU tar makes of its own tar: %s", (name) => {
    const { args, fill: make } = formats[name]!;
    mkdirSync(join(dir, "s"));
    make(join(dir, "s"));
    tarProgram(...args, "--sort=name", "-cf", join(dir, "made.tar"), "-C", join(dir, "s"), ".");
    const tar = readFileSync(join(dir, "made.tar"));
    const seen = treeOf(mount(tar));
    expect(Object.keys(seen).length).toBeGreaterThan(3);
    expect(seen).toEqual(treeOf(unpacked(tar)));
    expect(statSync(join(dir, "m")).mode).toBe(statSync(join(dir, "t")).mode);
  });

  test("names and directories of every size, sorted as the kernel looks for them", () => {
    const members: Member[] = [];
    for (let n = 0; n < 90; n++) for (let i = 0; i < n; i++) members.push({ name: `count/${n}/${String(i).padStart(3, "0")}`, content: `${n}` });
    // Blocks that end one byte before, at, and behind their end.
    for (let n = 1; n <= 255; n++) members.push({ name: `length/${n}/${"a".repeat(n)}` }, { name: `length/${n}/${"b".repeat(255)}` }, { name: `length/${n}/${"c".repeat(Math.max(1, 200 - (n % 200)))}` });
    for (let byte = 1; byte < 256; byte++) if (byte !== 0x2f) members.push({ name: `bytes/${String.fromCharCode(byte)}x`, bytes: true, content: String(byte) });
    const tar = tarOf(members);
    const seen = withoutTimes(treeOf(mount(tar)));
    expect(seen).toEqual(withoutTimes(treeOf(unpacked(tar))));
    for (const { name, bytes } of members) expect(lstatSync(bytes ? Buffer.from(`${join(dir, "m")}/${name}`, "latin1") : join(dir, "m", name)).isFile()).toBe(true);
  });
  test("symlinks of every length, with and without attributes before them", () => {
    const lengths = [...Array.from({ length: 1030 }, (_, i) => i + 1), 4094, 4095];
    const tar = tarOf(lengths.flatMap((n): Member[] => [{ name: `l${n}`, type: "symlink", linkName: "x".repeat(n) }, { name: `x${n}`, type: "symlink", linkName: "y".repeat(n), xattrs: { "trusted.t": Buffer.alloc(n % 100) } }]));
    const root = mount(tar);
    for (const n of lengths) expect([readlinkSync(join(root, `l${n}`)), readlinkSync(join(root, `x${n}`)), lgetxattr(join(root, `x${n}`), "trusted.t")?.length]).toEqual(["x".repeat(n), "y".repeat(n), n % 100]);
  });
  test("attributes of every length", () => {
    const lengths = [...Array.from({ length: 520 }, (_, i) => i), 4096, 65535];
    const root = mount(tarOf(lengths.flatMap((n): Member[] => [
      { name: `f${n}`, content: "c", xattrs: { [`user.${"k".repeat(1 + (n % 250))}`]: Buffer.alloc(n, "v"), "user.second": Buffer.from("2") } }, { name: `d${n}/`, xattrs: { "trusted.v": Buffer.alloc(n, "w") } }, { name: `d${n}/inside` },
    ])));
    for (const n of lengths) {
      expect(lgetxattr(join(root, `f${n}`), `user.${"k".repeat(1 + (n % 250))}`)?.equals(Buffer.alloc(n, "v"))).toBe(true);
      expect(lgetxattr(join(root, `f${n}`), "user.second")?.toString()).toBe("2");
      expect(lgetxattr(join(root, `d${n}`), "trusted.v")?.length).toBe(n);
      expect(readdirSync(join(root, `d${n}`))).toEqual(["inside"]);
    }
  });

  test("files with holes anywhere, aligned to nothing", () => {
    let seed = 42;
    const roll = (sides: number): number => { seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff; return (seed >> 8) % sides; };
    const parts: Buffer[] = [], wanted: Buffer[] = [];
    for (let n = 0; n < 120; n++) {
      const size = 1 + roll(n % 3 === 0 ? 3000 : 300_000), align = [1, 512, 4096][roll(3)]!;
      const runs: Segment[] = [];
      for (let at = roll(2) * align; at < size; ) {
        const end = roll(6) === 0 ? size : Math.min(size, at + align * (1 + roll(5)));
        runs.push({ offset: at, length: end - at });
        at = end + align * (1 + roll(n % 2 === 0 ? 3 : 40));
      }
      const content = Buffer.alloc(size);
      for (const { offset, length } of runs) content.fill(`${roll(1 << 20)} at ${offset};`, offset, offset + length);
      const payload = Buffer.concat(runs.map(({ offset, length }) => content.subarray(offset, offset + length)));
      const head = encodeHeader({ type: "file", name: `s${n}`, linkName: "", mode: 0o644, uid: 0, gid: 0, size, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs, sparse: runs });
      // What fills up the last block is no part of the file.
      parts.push(head, payload, Buffer.alloc(padding(payload.length).length, 0xee));
      wanted.push(content);
    }
    const root = mount(Buffer.concat([...parts, TRAILER]));
    for (const [n, content] of wanted.entries()) expect(readFileSync(join(root, `s${n}`)).equals(content)).toBe(true);
    // The index holds maps and odd ends, not the files.
    expect(statSync(join(dir, "layer.erofs")).size).toBeLessThan(wanted.reduce((sum, { length }) => sum + length, 0) / 2);
  });
  test("a huge file of nothing", () => {
    const size = 2 ** 43;
    const root = mount(Buffer.concat([encodeHeader({ type: "file", name: "huge", linkName: "", mode: 0o644, uid: 0, gid: 0, size, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs, sparse: [{ offset: size - 3, length: 3 }] }), Buffer.from("end"), padding(3), TRAILER]));
    expect(statSync(join(root, "huge")).size).toBe(size);
    const fd = openSync(join(root, "huge"), "r");
    try { expect(execFileSync("tail", ["-c", "5"], { stdio: [fd, "pipe", "pipe"] }).toString("latin1")).toBe("\0\0end"); } finally { closeSync(fd); }
  });
  test("a tree as deep as names go, and one that symlinks make deeper", () => {
    const deep = "d/".repeat(2000);
    const members: Member[] = [{ name: `${deep}f`, content: "deep" }, { name: "s", type: "symlink", linkName: deep.slice(0, -1) }, { name: `s/${"e/".repeat(1500)}g`, content: "deeper" }];
    const root = mount(tarOf(members));
    const found = execFileSync("find", [".", "-type", "f", "-printf", "%d %s\n"], { cwd: root, encoding: "utf8" }).trim().split("\n").sort();
    expect(found).toEqual(["2001 4", "3501 6"]);
  });
  test("without an end mark, and with an odd number of bytes behind it", () => {
    for (const tar of [memberOf({ name: "f", content: "x" }), Buffer.concat([tarOf([{ name: "f", content: "x" }]), Buffer.from("odd")])]) {
      expect(readFileSync(join(mount(tar), "f"), "utf8")).toBe("x");
      unmountSync(join(dir, "m"));
    }
    expect(readdirSync(mount(Buffer.alloc(0)))).toEqual([]);
  });

  const fsck = findProgram("fsck.erofs");
  const refusal = fsck === undefined ? "no fsck.erofs here" : refused();
  /** Why the fsck.erofs that is here cannot check an index. */
  function refused(): string | undefined {
    const place = mkdtempSync(join(tmpdir(), "strata-fsck-"));
    try {
      make(place, tarOf([{ name: "f", content: "x" }]));
      const { status, stderr, stdout } = spawnSync(fsck!, [`--device=${join(place, "layer.tar")}`, join(place, "layer.erofs")], { encoding: "utf8" });
      return status === 0 ? undefined : `this fsck.erofs cannot: ${`${stdout}${stderr}`.trim().split("\n")[0]!}`;
    } finally { rmSync(place, { recursive: true }); }
  }
  (refusal === undefined ? test : test.skip)(`fsck.erofs finds nothing to complain of${refusal === undefined ? "" : ` (skipped: ${refusal})`}`, () => {
    mkdirSync(join(dir, "s"));
    fill(join(dir, "s"));
    sparse(join(dir, "s/sparse"), 9 << 20, 0, 4096, 1 << 20);
    tarProgram("--format=pax", "--sparse", "-cf", join(dir, "made.tar"), "-C", join(dir, "s"), ".");
    make(dir, readFileSync(join(dir, "made.tar")));
    execFileSync(fsck!, [`--device=${join(dir, "layer.tar")}`, "--extract", join(dir, "layer.erofs")], { stdio: "pipe" });
  });
});
