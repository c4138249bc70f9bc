import type { ByteString } from "../../kernel/byte-path.js";
import { BLOCK } from "./superblock.js";

/**
 * Directories: blocks of 512 bytes, each with its entries' heads in front and their names behind. Names are sorted as
 * bytes over all blocks, `.` and `..` among them; none crosses a block.
 */
export const DIRENT = 12;

/** Bytes that a directory with these names takes: whole blocks but for the last. */
export function directorySize(names: readonly ByteString[]): number {
  let full = 0, used = 0;
  for (const name of names) {
    const cost = DIRENT + name.length;
    if (used + cost > BLOCK) {
      full += BLOCK;
      used = 0;
    }
    used += cost;
  }
  return full + used;
}

/**
 * Writes a directory: block number i at `at(i)`. `nid` and `type` are asked for each name. What is not written stays as
 * it is: zeros.
 */
export function writeDirectory(out: Buffer, names: readonly ByteString[], at: (block: number) => number, nid: (name: ByteString) => number, type: (name: ByteString) => number): void {
  for (let first = 0, block = 0; first < names.length; block++) {
    let next = first, used = 0;
    while (next < names.length && used + DIRENT + names[next]!.length <= BLOCK) used += DIRENT + names[next++]!.length;
    const start = at(block);
    let text = DIRENT * (next - first);
    for (let i = first, head = start; i < next; i++, head += DIRENT) {
      const name = names[i]!, number = nid(name);
      out.writeUInt32LE(number >>> 0, head);
      out.writeUInt32LE(Math.floor(number / 2 ** 32), head + 4);
      out.writeUInt16LE(text, head + 8);
      out[head + 10] = type(name);
      out.write(name, start + text, "latin1");
      text += name.length;
    }
    first = next;
  }
}

/** An entry's type as directories tell it, from a mode's type bits. */
export function direntType(mode: number): number {
  return TYPES[mode >> 12] ?? 0;
}
/** By S_IFMT >> 12: fifo, character, directory, block, regular, symlink, socket. */
const TYPES: readonly (number | undefined)[] = [undefined, 5, 3, undefined, 2, undefined, 4, undefined, 1, undefined, 7, undefined, 6];
