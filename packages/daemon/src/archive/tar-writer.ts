import type { ByteString } from "../kernel/byte-path.js";
import { formatPax, formatPaxTime, XATTR_PREFIX, type PaxRecords } from "./pax.js";
import { BLOCK } from "./tar-block.js";
import type { EntryType, TarEntry } from "./tar-entry.js";

const FLAG: Readonly<Record<EntryType, string>> = { file: "0", link: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6" };
const MAX_8 = 0o7777777, MAX_12 = 0o77777777777;

/**
 * The header of a member: a ustar block, before it a pax header for what ustar cannot hold (long names, large numbers,
 * nanoseconds, times before 1970, xattrs as SCHILY.xattr.*). The same entry gives the same bytes. A sparse file is
 * written as GNU pax sparse 1.0: the caller lets its runs follow, not its holes.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const name = entry.type === "directory" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  const records: PaxRecords = [];
  let payload = entry.type === "file" ? entry.size : 0;
  let shown = name;
  let map: Buffer | undefined;
  if (entry.sparse) {
    map = encodeSparseMap(entry);
    payload = map.length + entry.sparse.reduce((sum, run) => sum + run.length, 0);
    records.push(["GNU.sparse.major", "1"], ["GNU.sparse.minor", "0"], ["GNU.sparse.name", name], ["GNU.sparse.realsize", String(entry.size)]);
    shown = `GNUSparseFile.0/${name.slice(name.lastIndexOf("/") + 1)}`.slice(0, 100);
  }
  const split = splitName(shown);
  if (!split) records.push(["path", shown]);
  if (entry.linkName.length > 100) records.push(["linkpath", entry.linkName]);
  if (payload > MAX_12) records.push(["size", String(payload)]);
  if (entry.uid > MAX_8) records.push(["uid", String(entry.uid)]);
  if (entry.gid > MAX_8) records.push(["gid", String(entry.gid)]);
  const { seconds, nanos } = entry.mtime;
  if (nanos !== 0 || seconds < 0 || seconds > MAX_12) records.push(["mtime", formatPaxTime(entry.mtime)]);
  for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) records.push([XATTR_PREFIX + key, value.toString("latin1")]);

  const block = Buffer.alloc(BLOCK);
  const [prefix, short] = split ?? ["", shown.slice(0, 100)];
  fill(block, { typeflag: FLAG[entry.type], name: short, prefix, linkName: entry.linkName.slice(0, 100), mode: entry.mode,
    uid: entry.uid, gid: entry.gid, size: payload, mtime: Math.max(0, seconds), major: entry.major, minor: entry.minor });
  if (records.length === 0) return block;
  const body = formatPax(records);
  const header = Buffer.alloc(BLOCK + padded(body.length));
  fill(header, { typeflag: "x", name: `PaxHeaders.0/${shown.replace(/\/$/, "").slice(shown.replace(/\/$/, "").lastIndexOf("/") + 1)}`.slice(0, 100), prefix: "", linkName: "",
    mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0, major: 0, minor: 0 });
  body.copy(header, BLOCK);
  return map ? Buffer.concat([header, block, map]) : Buffer.concat([header, block]);
}

/** Two zero blocks end an archive. */
export const TRAILER = Buffer.alloc(2 * BLOCK);
const zeroBlock = Buffer.alloc(BLOCK);
/** Fills up the last block of a payload. */
export const padding = (payload: number): Buffer => zeroBlock.subarray(0, padded(payload) - payload);
const padded = (n: number): number => Math.ceil(n / BLOCK) * BLOCK;

function encodeSparseMap(entry: TarEntry): Buffer {
  // GNU tar closes the map with an empty run at the end of the file, so that a hole there is seen.
  const runs = [...entry.sparse!];
  const last = runs.at(-1);
  if (!last || last.offset + last.length < entry.size) runs.push({ offset: entry.size, length: 0 });
  const text = `${runs.length}\n${runs.map((run) => `${run.offset}\n${run.length}\n`).join("")}`;
  return Buffer.concat([Buffer.from(text, "latin1"), padding(text.length)]);
}

/** ustar's two name fields: cut at a slash; undefined when it does not fit. */
function splitName(name: ByteString): [prefix: ByteString, name: ByteString] | undefined {
  if (name.length <= 100) return ["", name];
  if (name.length > 256) return undefined;
  const slash = name.indexOf("/", name.length - 101);
  return slash > 0 && slash <= 155 && slash < name.length - 1 ? [name.slice(0, slash), name.slice(slash + 1)] : undefined;
}

interface Fields {
  readonly typeflag: string;
  readonly name: ByteString;
  readonly prefix: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}
function fill(block: Buffer, f: Fields): void {
  block.write(f.name, 0, 100, "latin1");
  number(block, f.mode, 100, 8);
  number(block, f.uid > MAX_8 ? 0 : f.uid, 108, 8);
  number(block, f.gid > MAX_8 ? 0 : f.gid, 116, 8);
  number(block, f.size > MAX_12 ? 0 : f.size, 124, 12);
  number(block, f.mtime > MAX_12 ? 0 : f.mtime, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(f.typeflag, 156, "latin1");
  block.write(f.linkName, 157, 100, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  number(block, f.major, 329, 8);
  number(block, f.minor, 337, 8);
  block.write(f.prefix, 345, 155, "latin1");
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i]!;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
}
function number(block: Buffer, value: number, at: number, length: number): void {
  const digits = value.toString(8);
  if (digits.length < length) block.write(`${digits.padStart(length - 1, "0")}\0`, at, "latin1");
  else {
    // Device numbers have no pax record: GNU's base 256.
    block.writeUIntBE(value, at + length - 6, 6);
    block[at] = 0x80;
  }
}
