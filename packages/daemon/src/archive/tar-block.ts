import { InvalidArgument } from "../core/errors.js";
import type { ByteString } from "../kernel/byte-path.js";
import type { Segment } from "./tar-entry.js";

/**
 * One 512-byte header block: POSIX ustar, GNU and the older star, told apart by their magic.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html ("ustar Interchange Format"), GNU tar manual, "Basic Tar Format".
 */
export const BLOCK = 512;

export interface RawHeader {
  readonly typeflag: string;
  readonly name: ByteString;
  readonly linkName: ByteString;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
  readonly gnu: boolean;
}

const zeros = Buffer.alloc(BLOCK);
export const isZeroBlock = (block: Buffer): boolean => block[0] === 0 && block.equals(zeros);

/** Bytes that follow `size` bytes up to the next block. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

const GNU_MAGIC = Buffer.from("ustar  \0"), POSIX_MAGIC = Buffer.from("ustar\0"), STAR_MAGIC = Buffer.from("tar\0");

/** `offset` is where the block stands in the archive, for messages. */
export function parseBlock(block: Buffer, offset: number): RawHeader {
  checkSum(block, offset);
  const gnu = has(block, 257, GNU_MAGIC);
  const posix = has(block, 257, POSIX_MAGIC);
  const star = posix && has(block, 508, STAR_MAGIC);
  let name = text(block, 0, 100);
  if (posix) {
    const prefix = text(block, 345, star ? 131 : 155);
    if (prefix !== "") name = `${prefix}/${name}`;
  }
  const number = (at: number, length: number): number => parseNumber(block, at, length, offset);
  return {
    typeflag: block[156] === 0 ? "\0" : String.fromCharCode(block[156]!),
    name,
    linkName: text(block, 157, 100),
    mode: number(100, 8),
    uid: number(108, 8),
    gid: number(116, 8),
    size: number(124, 12),
    mtime: number(136, 12),
    major: gnu || posix ? number(329, 8) : 0,
    minor: gnu || posix ? number(337, 8) : 0,
    gnu,
  };
}

/** The sparse map of a GNU `S` header: runs, the file's real size, and whether extension blocks follow. */
export function parseGnuSparse(block: Buffer, offset: number): { segments: Segment[]; realSize: number; extended: boolean } {
  return { segments: segments(block, 386, 4, offset), realSize: parseNumber(block, 483, 12, offset), extended: block[482] !== 0 };
}
export function parseGnuSparseExtension(block: Buffer, offset: number): { segments: Segment[]; extended: boolean } {
  return { segments: segments(block, 0, 21, offset), extended: block[504] !== 0 };
}
function segments(block: Buffer, from: number, count: number, offset: number): Segment[] {
  const found: Segment[] = [];
  for (let at = from; at < from + count * 24 && block[at] !== 0; at += 24) {
    found.push({ offset: parseNumber(block, at, 12, offset), length: parseNumber(block, at + 12, 12, offset) });
  }
  return found;
}

function has(block: Buffer, at: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i++) if (block[at + i] !== bytes[i]) return false;
  return true;
}

function text(block: Buffer, at: number, length: number): ByteString {
  if (block[at] === 0) return "";
  const nul = block.indexOf(0, at);
  return block.toString("latin1", at, nul < 0 || nul > at + length ? at + length : nul);
}

/** Octal digits, or base 256 (two's complement, big endian) when the first bit is set. */
function parseNumber(block: Buffer, at: number, length: number, offset: number): number {
  const first = block[at]!;
  if (first & 0x80) {
    let value = first & 0x40 ? -1n : 0n;
    value = (value << 6n) | BigInt(first & 0x3f);
    for (let i = at + 1; i < at + length; i++) value = (value << 8n) | BigInt(block[i]!);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new InvalidArgument(`tar: invalid header at byte ${offset} (number too large)`);
    return number;
  }
  let i = at;
  const end = at + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = block[i]! - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  if (i < end && block[i] !== 0 && block[i] !== 0x20) throw new InvalidArgument(`tar: invalid header at byte ${offset} (not a number)`);
  return value;
}

/** The sum of all bytes, the sum's own field counted as spaces; some old writers added them up as signed. */
function checkSum(block: Buffer, offset: number): void {
  let unsigned = 8 * 0x20;
  for (let i = 0; i < 148; i++) unsigned += block[i]!;
  for (let i = 156; i < BLOCK; i++) unsigned += block[i]!;
  const stated = parseNumber(block, 148, 8, offset);
  if (stated === unsigned) return;
  let negative = 0;
  for (const [i, byte] of block.entries()) if (byte > 127 && (i < 148 || i >= 156)) negative += 256;
  if (stated !== unsigned - negative) throw new InvalidArgument(`tar: invalid header at byte ${offset} (checksum does not match)`);
}
