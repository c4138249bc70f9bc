import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../kernel/spawn.js";
import { formatPax, formatPaxTime, parsePaxTime } from "./pax.js";
import { TarParser } from "./tar-parser.js";
import type { TarEntry } from "./tar-entry.js";
import { encodeHeader, TRAILER } from "./tar-writer.js";
import { memberOf, payload, rawBlock, tarOf, ustar } from "./testing/tar-of.js";

interface Read { readonly entries: (TarEntry & { readonly content: string; readonly offset: number })[]; readonly raw: Buffer }

/** Parses in pieces; also checks that raw bytes and payload together are the archive. */
function parse(tar: Buffer, piece = tar.length): Read {
  const entries: Read["entries"] = [];
  const raw: Buffer[] = [], all: Buffer[] = [];
  let current: { entry: TarEntry; offset: number; data: Buffer[] } | undefined;
  const parser = new TarParser({
    entry: (entry, _, offset) => { current = { entry, offset, data: [] }; },
    data: (bytes) => { current!.data.push(Buffer.from(bytes)); all.push(Buffer.from(bytes)); },
    end: () => { entries.push({ ...current!.entry, offset: current!.offset, content: Buffer.concat(current!.data).toString("latin1") }); current = undefined; },
    raw: (bytes) => { raw.push(Buffer.from(bytes)); all.push(Buffer.from(bytes)); },
  });
  for (let at = 0; at < tar.length; at += piece) parser.write(tar.subarray(at, at + piece));
  parser.close();
  expect(Buffer.concat(all).equals(tar)).toBe(true);
  return { entries, raw: Buffer.concat(raw) };
}
const one = (tar: Buffer): Read["entries"][number] => { const { entries } = parse(tar); expect(entries).toHaveLength(1); return entries[0]!; };
const pax = (records: [string, string][], flag = "x"): Buffer => { const body = formatPax(records); return Buffer.concat([ustar("PaxHeaders/x", flag, body.length), payload(body)]); };
const gnuLong = (flag: "L" | "K", text: string): Buffer => Buffer.concat([ustar("././@LongLink", flag, text.length + 1, { 257: "ustar  \0" }), payload(`${text}\0`)]);
const bad = (message: string): unknown => expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) });

describe("formats", () => {
  test("plain members, the same whatever the pieces they come in", () => {
    const tar = tarOf([{ name: "dir/" }, { name: "dir/file", content: "x".repeat(1500), mode: 0o4755, uid: 1, gid: 2, mtime: { seconds: 7, nanos: 0 } }, { name: "link", type: "symlink", linkName: "dir/file" }]);
    const whole = parse(tar);
    expect(whole.entries.map(({ type, name, content }) => [type, name, content.length])).toEqual([["directory", "dir/", 0], ["file", "dir/file", 1500], ["symlink", "link", 0]]);
    expect(whole.entries[1]).toMatchObject({ mode: 0o4755, uid: 1, gid: 2, mtime: { seconds: 7, nanos: 0 }, size: 1500, offset: 1024 });
    for (const piece of [1, 7, 511, 512, 513, 1000]) expect(parse(tar, piece)).toEqual(whole);
  });
  test("old V7 header: no magic, a slash says directory", () => {
    expect(one(Buffer.concat([ustar("old/", "\0", 0, { 257: "\0\0\0\0\0\0\0\0" }), TRAILER]))).toMatchObject({ type: "directory", name: "old/" });
    expect(one(Buffer.concat([ustar("old", "\0", 3, { 257: "\0\0\0\0\0\0\0\0" }), payload("abc"), TRAILER]))).toMatchObject({ type: "file", content: "abc" });
  });
  test("ustar prefix; GNU and V7 headers have none", () => {
    expect(one(Buffer.concat([ustar("b", "0", 0, { 345: "a" }), TRAILER])).name).toBe("a/b");
    expect(one(Buffer.concat([ustar("b", "0", 0, { 257: "ustar  \0", 345: "a" }), TRAILER])).name).toBe("b");
  });
  test("contiguous files are files", () => expect(one(Buffer.concat([ustar("f", "7", 1), payload("x"), TRAILER]))).toMatchObject({ type: "file", content: "x" }));
  test("GNU long name and long link, before pax, before the header", () => {
    const name = `${"n".repeat(150)}/file`, link = "l".repeat(300);
    expect(one(Buffer.concat([gnuLong("L", name), gnuLong("K", link), pax([["path", "from-pax"], ["linkpath", "from-pax"]]), ustar("short", "2", 0, { 257: "ustar  \0" }), TRAILER]))).toMatchObject({ name, linkName: link });
    expect(one(Buffer.concat([pax([["path", "from-pax"]]), ustar("short", "0", 0), TRAILER])).name).toBe("from-pax");
  });
  test("base-256 numbers, negative ones too", () => {
    const number = (value: bigint): Buffer => { const b = Buffer.alloc(12); b.writeBigInt64BE(value, 4); b.fill(value < 0n ? 0xff : 0, 0, 4); b[0]! |= 0x80; return b; };
    const small = Buffer.from([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
    expect(one(Buffer.concat([ustar("f", "0", 0, { 108: small, 136: number(-5n), 257: "ustar  \0" }), TRAILER]))).toMatchObject({ uid: 0x7fffffff, mtime: { seconds: -5, nanos: 0 } });
    expect(one(Buffer.concat([ustar("f", "0", 0, { 136: number(2n ** 40n), 257: "ustar  \0" }), TRAILER])).mtime.seconds).toBe(2 ** 40);
  });
  test("pax: size, owner, fractional and negative times, xattrs with any bytes", () => {
    const entry = one(Buffer.concat([pax([["size", "3"], ["uid", "4000000000"], ["gid", "4000000001"], ["mtime", "-1.5"], ["SCHILY.xattr.user.a", "\0=\n\xff"]]), ustar("f", "0", 0), payload("abc"), TRAILER]));
    expect(entry).toMatchObject({ uid: 4000000000, gid: 4000000001, mtime: { seconds: -2, nanos: 500000000 }, content: "abc" });
    expect(entry.xattrs).toEqual(new Map([["user.a", Buffer.from("\0=\n\xff", "latin1")]]));
  });
  test("global pax records hold until they are replaced, and local ones go before them", () => {
    const tar = Buffer.concat([pax([["uid", "5"], ["gid", "6"]], "g"), ustar("a", "0", 0), pax([["uid", "7"]]), ustar("b", "0", 0), pax([["uid", "8"]], "g"), ustar("c", "0", 0), TRAILER]);
    expect(parse(tar).entries.map(({ name, uid, gid }) => [name, uid, gid])).toEqual([["a", 5, 6], ["b", 7, 6], ["c", 8, 6]]);
  });
  test("an empty pax value counts as absent", () => expect(one(Buffer.concat([pax([["path", ""]]), ustar("f", "0", 0), TRAILER])).name).toBe("f"));
  test("header-only types have no payload, whatever their size field says", () => {
    const tar = Buffer.concat([ustar("d", "5", 512), ustar("l", "2", 9, { 157: "t" }), ustar("h", "1", 9, { 157: "d" }), ustar("f", "0", 0), TRAILER]);
    expect(parse(tar).entries.map((entry) => entry.name)).toEqual(["d", "l", "h", "f"]);
  });
  test("checksum added up as signed bytes", () => {
    const block = ustar("n\xe9", "0", 0);
    const signed = parseInt(block.toString("latin1", 148, 154), 8) - 256;
    block.write(`${signed.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    expect(one(Buffer.concat([block, TRAILER])).name).toBe("n\xe9");
  });
});

describe("sparse files", () => {
  const octal = (n: number): string => `${n.toString(8).padStart(11, "0")}\0`;
  const expected = { size: 10240, sparse: [{ offset: 1024, length: 3 }, { offset: 5120, length: 3 }], content: "abcdef" };
  test("GNU S", () => {
    const header = ustar("s", "S", 6, { 257: "ustar  \0", 386: `${octal(1024)}${octal(3)}${octal(5120)}${octal(3)}${octal(10240)}${octal(0)}`, 483: octal(10240) });
    expect(one(Buffer.concat([header, payload("abcdef"), TRAILER]))).toMatchObject(expected);
  });
  test("GNU S with extension blocks, which count in no size", () => {
    const runs = Array.from({ length: 30 }, (_, i) => ({ offset: i * 1024, length: 1 }));
    const text = (from: number, to: number): string => runs.slice(from, to).map((run) => octal(run.offset) + octal(run.length)).join("");
    const header = ustar("s", "S", 30, { 257: "ustar  \0", 386: text(0, 4), 482: "\x01", 483: octal(40000) });
    const block = (from: number, to: number, more: boolean): Buffer => { const b = Buffer.alloc(512); b.write(text(from, to), 0, "latin1"); b[504] = more ? 1 : 0; return b; };
    expect(one(Buffer.concat([header, block(4, 25, true), block(25, 30, false), payload("x".repeat(30)), TRAILER]))).toMatchObject({ size: 40000, sparse: runs, content: "x".repeat(30) });
  });
  test("pax 0.0", () => {
    const records: [string, string][] = [["GNU.sparse.size", "10240"], ["GNU.sparse.numblocks", "2"], ["GNU.sparse.offset", "1024"], ["GNU.sparse.numbytes", "3"], ["GNU.sparse.offset", "5120"], ["GNU.sparse.numbytes", "3"]];
    expect(one(Buffer.concat([pax(records), ustar("s", "0", 6), payload("abcdef"), TRAILER]))).toMatchObject(expected);
  });
  test("pax 0.1", () => {
    expect(one(Buffer.concat([pax([["GNU.sparse.size", "10240"], ["GNU.sparse.map", "1024,3,5120,3"], ["GNU.sparse.name", "real"]]), ustar("s", "0", 6), payload("abcdef"), TRAILER]))).toMatchObject({ ...expected, name: "real" });
  });
  test("pax 1.0, its map in front of the payload", () => {
    const map = payload("2\n1024\n3\n5120\n3\n");
    const head = pax([["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", "real"], ["GNU.sparse.realsize", "10240"]]);
    const tar = Buffer.concat([head, ustar("s", "0", map.length + 6), map, payload("abcdef"), TRAILER]);
    const entry = one(tar);
    expect(entry).toMatchObject({ ...expected, name: "real" });
    expect(tar.toString("latin1", entry.offset, entry.offset + 6)).toBe("abcdef");
  });
  test("a map of many blocks, in single bytes", () => {
    const runs = Array.from({ length: 500 }, (_, i) => ({ offset: i * 4096, length: 1 }));
    const header = encodeHeader({ type: "file", name: "s", linkName: "", mode: 0o644, uid: 0, gid: 0, size: 1 << 24, mtime: { seconds: 0, nanos: 0 }, major: 0, minor: 0, xattrs: new Map(), sparse: runs });
    const { entries } = parse(Buffer.concat([header, payload("y".repeat(500)), TRAILER]), 1);
    expect(entries[0]).toMatchObject({ name: "s", size: 1 << 24, sparse: runs, content: "y".repeat(500) });
  });
  test.each([["overlapping", "1024,3,1025,3"], ["longer than the file", "10239,6"], ["not as long as the payload", "0,5"], ["odd", "0,6,7"]])("a map that is %s is an error", (_, map) => {
    expect(() => parse(Buffer.concat([pax([["GNU.sparse.size", "10240"], ["GNU.sparse.map", map]]), ustar("s", "0", 6), payload("abcdef"), TRAILER]))).toThrow(bad("sparse map") as Error);
  });
});

describe("ends and errors", () => {
  const file = memberOf({ name: "f", content: "abc" });
  test("nothing at all, no trailer, half a trailer, and anything behind the trailer", () => {
    expect(parse(Buffer.alloc(0)).entries).toHaveLength(0);
    expect(parse(file).entries).toHaveLength(1);
    expect(parse(Buffer.concat([file, TRAILER.subarray(512)])).entries).toHaveLength(1);
    expect(parse(Buffer.concat([file, TRAILER, Buffer.from("garbage")])).entries).toHaveLength(1);
    expect(parse(Buffer.concat([file, TRAILER, file])).entries).toHaveLength(1);
  });
  test.each([["in a header", 100], ["in the payload", 513], ["in the padding", 600]])("cut off %s", (_, at) => expect(() => parse(file.subarray(0, at))).toThrow(bad("unexpected end") as Error));
  test("cut off behind an extension header", () => expect(() => parse(pax([["path", "x"]]))).toThrow(bad("unexpected end") as Error));
  test("not a tar", () => expect(() => parse(Buffer.alloc(1024, "hello"))).toThrow(bad("invalid header") as Error));
  test("a header that was changed", () => {
    const block = ustar("f", "0", 0);
    block[0] = 0x67;
    expect(() => parse(block)).toThrow(bad("checksum") as Error);
  });
  test("data behind a single zero block", () => expect(() => parse(Buffer.concat([file, Buffer.alloc(512), file]))).toThrow(bad("zero block") as Error));
  test("an extension header of absurd size", () => expect(() => parse(ustar("x", "x", 1 << 28))).toThrow(bad("extension header") as Error));
  test("extension headers without end, each of modest size", () => {
    const comment = pax([["comment", "c".repeat(1 << 19)]]), global = pax([["comment", "c".repeat(1 << 15)]], "g");
    expect(() => parse(Buffer.concat(Array<Buffer>(20).fill(comment)))).toThrow(bad("too many extension headers") as Error);
    expect(() => parse(Buffer.concat(Array<Buffer>(20).fill(global)))).toThrow(bad("too many extension headers") as Error);
    // What belongs to members that are complete does not count.
    expect(parse(Buffer.concat([...Array.from({ length: 20 }, () => Buffer.concat([comment, ustar("f", "0", 0)])), TRAILER])).entries).toHaveLength(20);
  });
  test("a sparse map that has no numbers", () => {
    const head = pax([["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.realsize", "10240"]]);
    expect(() => parse(Buffer.concat([head, ustar("s", "0", 4096), Buffer.alloc(4096, "1")]))).toThrow(bad("invalid sparse map") as Error);
  });
  test("malformed pax records", () => {
    for (const body of ["x", "5 a=b\n", "99 a=b\n", "6 abc\n", "6 =b c\n"]) expect(() => parse(Buffer.concat([ustar("p", "x", body.length), payload(body), ustar("f", "0", 0)]))).toThrow(bad("pax record") as Error);
    for (const [key, value] of [["size", "-x"], ["mtime", "1.2.3"], ["uid", "1e3"]] as const) expect(() => parse(Buffer.concat([pax([[key, value]]), ustar("f", "0", 0)]))).toThrow(bad(key) as Error);
  });
  test("a negative size", () => expect(() => parse(Buffer.concat([pax([["size", "-1"]]), ustar("f", "0", 0)]))).toThrow(bad("negative") as Error));
  test("a name with a NUL", () => expect(() => parse(Buffer.concat([pax([["path", "a\0b"]]), ustar("f", "0", 0)]))).toThrow(bad("NUL") as Error));
  test("an unknown type", () => expect(() => parse(Buffer.concat([ustar("f", "V", 0), TRAILER]))).toThrow(bad("unhandled tar header type") as Error));
  test("digits that are none", () => expect(() => parse(rawBlock({ 0: "f", 100: "zz", 156: "0" }))).toThrow(bad("not a number") as Error));
});

describe("writer", () => {
  test.each<[string, Partial<TarEntry>]>([
    ["name of 100 bytes", { name: "n".repeat(100) }], ["name that the prefix takes", { name: `${"p".repeat(120)}/${"n".repeat(90)}` }],
    ["name of 255 bytes in one part", { name: "n".repeat(255) }], ["long path", { name: Array.from({ length: 20 }, () => "part".repeat(10)).join("/") }],
    ["bytes that are no UTF-8", { name: "\xff\xfe/\x80" }], ["long link", { type: "symlink", linkName: "l".repeat(1000) }],
    ["big owner", { uid: 4294967294, gid: 4294967293 }], ["nanoseconds", { mtime: { seconds: 12, nanos: 1 } }], ["time before 1970", { mtime: { seconds: -3, nanos: 250000000 } }],
    ["far future", { mtime: { seconds: 2 ** 35, nanos: 0 } }], ["device", { type: "block", major: 4000, minor: 0xfffff }], ["big device", { type: "char", major: 1, minor: 0xffffffff }],
    ["size beyond octal", { size: 2 ** 40 }], ["xattrs", { xattrs: new Map([["user.b", Buffer.from([0, 10, 255])], ["user.a", Buffer.alloc(0)]]) }],
  ])("%s comes back", (_, given) => {
    const entry: TarEntry = { type: "file", name: "f", linkName: "", mode: 0o6751, uid: 0, gid: 0, size: 0, mtime: { seconds: 0, nanos: 0 }, major: 0, minor: 0, xattrs: new Map(), ...given };
    let seen: TarEntry | undefined;
    new TarParser({ entry: (read) => { seen = read; }, data: () => undefined, end: () => undefined, raw: () => undefined }).write(encodeHeader(entry));
    expect(seen).toEqual(entry);
    expect(encodeHeader(entry).equals(encodeHeader({ ...entry, xattrs: new Map([...entry.xattrs].reverse()) }))).toBe(true);
  });
  test("pax times", () => {
    for (const time of [{ seconds: 0, nanos: 0 }, { seconds: 1, nanos: 999999999 }, { seconds: -1, nanos: 1 }, { seconds: -1, nanos: 0 }, { seconds: -2, nanos: 500000000 }]) expect(parsePaxTime("mtime", formatPaxTime(time))).toEqual(time);
    expect(formatPaxTime({ seconds: -1, nanos: 500000000 })).toBe("-0.5");
    expect(parsePaxTime("mtime", "1.1234567899")).toEqual({ seconds: 1, nanos: 123456789 });
  });
});

const gnuTar = findProgram("tar");
(gnuTar ? describe : describe.skip)(`archives of the tar on this machine${gnuTar ? "" : " (there is none)"}`, () => {
  test.each(["gnu", "pax", "ustar", "v7", "oldgnu"])("--format=%s", (format) => {
    const dir = mkdtempSync(join(tmpdir(), "strata-tar-"));
    try {
      mkdirSync(join(dir, "d"));
      writeFileSync(join(dir, "d/file"), "content");
      symlinkSync("file", join(dir, "d/link"));
      const long = "l".repeat(format === "v7" ? 80 : 99);
      writeFileSync(join(dir, "d", long), "");
      utimesSync(join(dir, "d/file"), 1, 1234.5);
      writeFileSync(join(dir, "d/sparse"), "start");
      truncateSync(join(dir, "d/sparse"), 1 << 20);
      const sparse = format === "pax" || format === "gnu" ? ["--sparse"] : [];
      const { entries } = parse(execFileSync("tar", ["-c", `--format=${format}`, "--sort=name", ...sparse, "-C", dir, "d"], { maxBuffer: 1 << 26 }), 1000);
      expect(entries.map((entry) => [entry.type, entry.name, entry.size])).toEqual([["directory", "d/", 0], ["file", "d/file", 7], ["file", `d/${long}`, 0], ["symlink", "d/link", 0], ["file", "d/sparse", 1 << 20]].sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1)));
      expect(entries[1]!.mtime).toEqual({ seconds: 1234, nanos: format === "pax" ? 500000000 : 0 });
      if (sparse.length > 0) expect(entries.at(-1)!.sparse).toEqual([{ offset: 0, length: 4096 }]);
    } finally { rmSync(dir, { recursive: true }); }
  });
});
