import { open, type FileHandle } from "node:fs/promises";
import { isBlockDevice, dropCached } from "./block-device.js";

/**
 * What a thin pool's metadata say, read as they lie on disk (drivers/md/dm-thin-metadata.c, persistent-data/dm-btree.c):
 * blocks of 4096 bytes, little-endian. A superblock points to two trees: of devices (id → root of the device's own tree
 * of `virtual block → data block << 24 | time`) and of their details. Every snapshot that is taken advances the pool's
 * clock, so what a device mapped since it was made is younger than itself, and what it shares with its origin is older.
 */
const BLOCK = 4096, HEADER = 32;
const MAGIC = 27022010n;
const INTERNAL = 1;

export interface PoolFormat {
  /** Sectors of 512 bytes. */
  readonly blockSectors: number;
  readonly transactionId: number;
}

/** Of the pool whose metadata lie in a file or device; undefined where no pool was made yet. */
export async function readPoolFormat(path: string): Promise<PoolFormat | undefined> {
  return withMetadata(path, async (read) => {
    const block = await read(0);
    if (block.readBigUInt64LE(32) !== MAGIC) return undefined;
    return { blockSectors: block.readUInt32LE(336), transactionId: Number(block.readBigUInt64LE(48)) };
  });
}

/** How many blocks a device mapped since it was made, from the metadata snapshot whose superblock is block `held`. */
export async function blocksSinceMade(path: string, held: number, device: number): Promise<number> {
  return withMetadata(path, async (read) => {
    const block = await read(held);
    const root = await lookUp(read, Number(block.readBigUInt64LE(320)), device);
    const details = await lookUp(read, Number(block.readBigUInt64LE(328)), device);
    if (root === undefined || details === undefined) return 0;
    return countSince(read, Number(root.readBigUInt64LE(0)), details.readUInt32LE(16));
  });
}

type ReadBlock = (block: number) => Promise<Buffer>;

async function withMetadata<T>(path: string, use: (read: ReadBlock) => Promise<T>): Promise<T> {
  const file: FileHandle = await open(path, "r");
  try {
    // The pool writes to the device itself, past its page cache; a loop device's file has it all.
    if (isBlockDevice(path)) await dropCached(file.fd);
    return await use(async (block) => {
      const data = Buffer.alloc(BLOCK);
      await file.read(data, 0, BLOCK, block * BLOCK);
      return data;
    });
  } finally { await file.close(); }
}

interface Node { readonly internal: boolean; readonly keys: readonly number[]; readonly value: (index: number) => Buffer }
function nodeOf(block: Buffer): Node {
  const entries = block.readUInt32LE(16), room = block.readUInt32LE(20), size = block.readUInt32LE(24);
  const value = (i: number): Buffer => { const at = HEADER + room * 8 + i * size; return block.subarray(at, at + size); };
  return { internal: (block.readUInt32LE(4) & INTERNAL) !== 0, keys: Array.from({ length: entries }, (_, i) => Number(block.readBigUInt64LE(HEADER + i * 8))), value };
}

async function lookUp(read: ReadBlock, root: number, key: number): Promise<Buffer | undefined> {
  for (let at = root; ;) {
    const node = nodeOf(await read(at));
    if (!node.internal) {
      const index = node.keys.indexOf(key);
      return index < 0 ? undefined : node.value(index);
    }
    const index = node.keys.findLastIndex((first) => first <= key);
    if (index < 0) return undefined;
    at = Number(node.value(index).readBigUInt64LE(0));
  }
}

async function countSince(read: ReadBlock, root: number, time: number): Promise<number> {
  const { internal, keys, value } = nodeOf(await read(root));
  let count = 0;
  for (let i = 0; i < keys.length; i++) {
    if (internal) count += await countSince(read, Number(value(i).readBigUInt64LE(0)), time);
    else if ((value(i).readUInt32LE(0) & 0xffffff) >= time) count++;
  }
  return count;
}
