import { InvalidArgument } from "../../core/errors.js";
import type { ByteString } from "../../kernel/byte-path.js";
import { CHUNK_ENTRY, composeChunk, writeChunks } from "./chunks.js";
import { direntType, writeDirectory } from "./directory.js";
import { CHUNKED, encodeInode, FLAT, INLINE, INODE, type InodeFacts } from "./inode.js";
import { Layout } from "./layout.js";
import { DirectoryNode, FileNode, SparseNode, SymlinkNode, type Node, type SpecialNode } from "./nodes.js";
import { BLOCK, encodeHead, INODE_UNIT, type Origin } from "./superblock.js";

/** Of a layer's tar: what the index needs to know. */
export interface TarFacts extends Origin {
  /** 16 bytes, different for every layer. */
  readonly uuid: Uint8Array;
  /** Fills a buffer from a position of the tar. */
  read(into: Buffer, position: number): void;
}

/** Blocks are numbered by 32 bits over the index and the tar. */
const MOST_BLOCKS = 2 ** 32;

/**
 * The index of a finished tree, in pieces: inodes, then blocks of directories and long symlinks, and at the end what
 * sparse files cannot take from the tar as it is.
 */
export function* writeIndex(root: DirectoryNode, tar: TarFacts): Generator<Buffer, void> {
  const layout = new Layout(root);
  const blocksAt = Math.ceil(layout.end / BLOCK), composedAt = blocksAt + layout.blocks, blocks = composedAt + layout.composed;
  if (blocks + tar.tarBytes / BLOCK >= MOST_BLOCKS) throw new InvalidArgument("tar: a layer of 2 TiB or more");
  const out = Buffer.alloc(composedAt * BLOCK);
  encodeHead({ ...tar, blocks, inodes: layout.order.length, rootNid: root.at / INODE_UNIT, chunked: layout.plans.size > 0 }).copy(out);

  const encode = (node: Node): InodeFacts => {
    const behind = node.at + INODE + (layout.xattrs.get(node)?.length ?? 0);
    const flat = node.inline ? INLINE : FLAT, block = blocksAt + node.block;
    if (node instanceof FileNode) return { layout: FLAT, size: node.size, data: node.size === 0 ? 0 : blocks + node.offset / BLOCK };
    if (node instanceof DirectoryNode) {
      const last = node.inline ? Math.floor(node.size / BLOCK) : -1;
      const child = (name: ByteString): Node => (name === "." ? node : name === ".." ? node.parent ?? node : node.entries.get(name)!);
      writeDirectory(out, node.names, (n) => (n === last ? behind : (block + n) * BLOCK), (name) => child(name).at / INODE_UNIT, (name) => direntType(child(name).mode));
      return { layout: flat, size: node.size, data: block };
    }
    if (node instanceof SymlinkNode) {
      out.write(node.target, node.inline ? behind : block * BLOCK, "latin1");
      return { layout: flat, size: node.target.length, data: block };
    }
    if (node instanceof SparseNode) {
      const plan = layout.plans.get(node)!;
      writeChunks(out, Math.ceil(behind / CHUNK_ENTRY) * CHUNK_ENTRY, plan, node.offset, node.runs, composedAt + node.block);
      return { layout: CHUNKED, size: node.size, data: 0x20 | plan.bits };
    }
    return { layout: FLAT, size: 0, data: deviceNumber(node as SpecialNode) };
  };
  let number = 0;
  for (const node of layout.order) {
    const xattrs = layout.xattrs.get(node);
    xattrs?.copy(out, node.at + INODE);
    encodeInode(out, node, encode(node), ++number, xattrs?.length ?? 0);
  }
  yield out;

  for (const [node, { bits, composed }] of layout.plans) {
    const chunk = BLOCK * 2 ** bits;
    for (const number of composed) {
      const piece = Buffer.alloc(chunk);
      composeChunk(piece, number, chunk, node.offset, node.runs, (into, position) => tar.read(into, position));
      yield piece;
    }
  }
}

/** The kernel's own form of a device number (new_encode_dev). */
function deviceNumber({ major, minor }: SpecialNode): number { return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0; }
