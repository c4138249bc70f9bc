import { createReadStream, type Stats } from "node:fs";
import { lstat, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";

const BLOCK = 512;
const TYPES = { file: "0", symlink: "2", character: "3", block: "4", directory: "5", pipe: "6" } as const;
type Type = keyof typeof TYPES;
/** Most that the eleven octal digits of a header hold. */
const LARGEST = 0o77777777777;

/** A file, or a directory with all below it, as a tar whose names begin with `name`. `follow`: the path itself may be a symlink to what is meant. */
export function tarOf(path: string, name: string, follow: boolean): Readable {
  return Readable.from(blocks(path, name, follow), { objectMode: false, highWaterMark: 1 << 20 });
}

async function* blocks(path: string, name: string, follow: boolean): AsyncGenerator<Buffer> {
  yield* entry(path, name, follow);
  yield Buffer.alloc(2 * BLOCK);
}

async function* entry(path: string, name: string, follow: boolean): AsyncGenerator<Buffer> {
  const facts = await (follow ? stat(path) : lstat(path));
  const type = typeOf(facts);
  if (type === undefined) return; // a socket: no archive holds one
  const link = type === "symlink" ? await readlink(path) : "";
  const size = type === "file" ? facts.size : 0;
  yield* header(type === "directory" ? `${name}/` : name, type, facts, size, link);
  if (type === "file") yield* content(path, size);
  if (type !== "directory") return;
  for (const child of (await readdir(path)).sort()) yield* entry(join(path, child), `${name}/${child}`, false);
}

/** Just as much as the header says: the file may change meanwhile. */
async function* content(path: string, size: number): AsyncGenerator<Buffer> {
  let left = size;
  if (size > 0) {
    for await (const chunk of createReadStream(path, { end: size - 1, highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      left -= chunk.length;
      yield chunk;
    }
  }
  if (left > 0) throw new Error(`${path} became shorter while it was read`);
  if (size % BLOCK !== 0) yield Buffer.alloc(BLOCK - (size % BLOCK));
}

function typeOf(facts: Stats): Type | undefined {
  if (facts.isFile()) return "file";
  if (facts.isDirectory()) return "directory";
  if (facts.isSymbolicLink()) return "symlink";
  if (facts.isCharacterDevice()) return "character";
  if (facts.isBlockDevice()) return "block";
  return facts.isFIFO() ? "pipe" : undefined;
}

/** A header; before it a pax header with what does not fit (tar(5)). */
function* header(name: string, type: Type, facts: Stats, size: number, link: string): Generator<Buffer> {
  const more: [key: string, value: string][] = [];
  if (Buffer.byteLength(name) > 100) more.push(["path", name]);
  if (Buffer.byteLength(link) > 100) more.push(["linkpath", link]);
  if (size > LARGEST) more.push(["size", String(size)]);
  if (more.length > 0) {
    const records = Buffer.concat(more.map(([key, value]) => record(key, value)));
    yield plain("././@PaxHeader", "x", 0o644, 0, 0, records.length, 0, "");
    yield Buffer.concat([records, Buffer.alloc((BLOCK - (records.length % BLOCK)) % BLOCK)]);
  }
  const { uid, gid, mode, mtimeMs, rdev } = facts;
  yield plain(name, TYPES[type], mode & 0o7777, uid, gid, Math.min(size, LARGEST), Math.max(0, Math.floor(mtimeMs / 1000)), link, type === "character" || type === "block" ? rdev : 0);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function plain(name: string, type: string, mode: number, uid: number, gid: number, size: number, mtime: number, link: string, rdev = 0): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => { block.write(value.toString(8).padStart(length - 1, "0").slice(-(length - 1)), at, "latin1"); };
  block.write(name, 0, 100);
  octal(mode, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write("ustar\u000000", 257, "latin1");
  octal((rdev >> 8) & 0xfff, 329, 8);
  octal((rdev & 0xff) | ((rdev >> 12) & 0xfff00), 337, 8);
  block.fill(" ", 148, 156);
  octal(block.reduce((sum, byte) => sum + byte, 0), 148, 7);
  block[154] = 0;
  return block;
}
