/**
 * The head of an EROFS image whose file data lie in a second file: superblock and device table. Little endian.
 * Linux: fs/erofs/erofs_fs.h. The blocks are as small as tar's, since that is how file data are aligned in one.
 */
export const BLOCK = 512;
export const BLOCK_BITS = 9;
/** Where inodes begin: behind the superblock (at 1024) and one device slot (at 1152). */
export const INODES_AT = 1280;
/** Inodes are numbered by where they lie, in units of this. */
export const INODE_UNIT = 32;

const SUPERBLOCK_AT = 1024, SLOT_AT = 1152, SLOT = 128;
const MAGIC = 0xe0f5e1e2;
const COMPAT_MTIME = 2;
const INCOMPAT_CHUNKED_FILE = 4, INCOMPAT_DEVICE_TABLE = 8;
/** Changes when an index of the same tar would come out otherwise: older ones are then made anew. */
const FORMAT = 1;

/** What an index tells of the tar that it belongs to. Kept in the device slot's tag, which the kernel does not read. */
export interface Origin {
  /** Length of the tar. */
  readonly tarBytes: number;
  /** Sum of the lengths of all regular files. */
  readonly size: number;
}

export interface Superblock extends Origin {
  /** Blocks of the index; the tar's follow in the one address space that both share. */
  readonly blocks: number;
  readonly inodes: number;
  readonly rootNid: number;
  /** 16 bytes, different for every layer. */
  readonly uuid: Uint8Array;
  /** Some file is chunk based. */
  readonly chunked: boolean;
}

/** The first 1280 bytes. */
export function encodeHead(head: Superblock): Buffer {
  const out = Buffer.alloc(INODES_AT);
  const at = SUPERBLOCK_AT;
  out.writeUInt32LE(MAGIC, at);
  out.writeUInt32LE(COMPAT_MTIME, at + 8);
  out[at + 12] = BLOCK_BITS;
  out.writeUInt16LE(head.rootNid, at + 14);
  out.writeUInt32LE(head.inodes, at + 16);
  out.writeUInt32LE(head.blocks, at + 36);
  out.set(head.uuid, at + 48);
  out.writeUInt32LE(INCOMPAT_DEVICE_TABLE | (head.chunked ? INCOMPAT_CHUNKED_FILE : 0), at + 80);
  out.writeUInt16LE(1, at + 86);
  out.writeUInt16LE(SLOT_AT / SLOT, at + 88);
  out.write(`strata ${FORMAT} ${head.tarBytes} ${head.size}`, SLOT_AT, 64, "latin1");
  out.writeUInt32LE(Math.floor(head.tarBytes / BLOCK), SLOT_AT + 64);
  out.writeUInt32LE(head.blocks, SLOT_AT + 68);
  return out;
}

/** What the head of an index of `length` bytes says; undefined when it is none of ours, or not whole. */
export function parseHead(head: Buffer, length: number): (Origin & Pick<Superblock, "inodes">) | undefined {
  if (head.length < INODES_AT || head.readUInt32LE(SUPERBLOCK_AT) !== MAGIC || head.readUInt32LE(SUPERBLOCK_AT + 36) * BLOCK !== length) return undefined;
  const [, format, tarBytes, size] = /^strata (\d+) (\d+) (\d+)\0/.exec(head.toString("latin1", SLOT_AT, SLOT_AT + 64)) ?? [];
  return Number(format) === FORMAT ? { tarBytes: Number(tarBytes), size: Number(size), inodes: head.readUInt32LE(SUPERBLOCK_AT + 16) } : undefined;
}
