import type { Node } from "./nodes.js";
import { xattrCount } from "./xattrs.js";

/** Bytes of an inode in its extended form, the only one that is written here. */
export const INODE = 64;
/** Where an inode's data lie: in blocks one behind the other; the same but for the last part, which follows the inode; in chunks. */
export const FLAT = 0, INLINE = 2, CHUNKED = 4;
const EXTENDED = 1;

export interface InodeFacts {
  readonly layout: typeof FLAT | typeof INLINE | typeof CHUNKED;
  readonly size: number;
  /** First block, device number, or form of the chunks. */
  readonly data: number;
}

/** Writes a node's inode where it lies. `number`: any of its own; `xattrs`: bytes of extended attributes behind it. */
export function encodeInode(out: Buffer, node: Node, { layout, size, data }: InodeFacts, number: number, xattrs: number): void {
  const { at } = node;
  out.writeUInt16LE(EXTENDED | (layout << 1), at);
  out.writeUInt16LE(xattrCount(xattrs), at + 2);
  out.writeUInt16LE(node.mode, at + 4);
  writeWide(out, size, at + 8);
  out.writeUInt32LE(data, at + 16);
  out.writeUInt32LE(number, at + 20);
  out.writeUInt32LE(node.uid, at + 24);
  out.writeUInt32LE(node.gid, at + 28);
  writeWide(out, node.seconds, at + 32);
  out.writeUInt32LE(node.nanos, at + 40);
  out.writeUInt32LE(node.links, at + 44);
}

/** 64 bits, two's complement. */
function writeWide(out: Buffer, value: number, at: number): void {
  out.writeUInt32LE(value >>> 0, at);
  out.writeInt32LE(Math.floor(value / 2 ** 32), at + 4);
}
