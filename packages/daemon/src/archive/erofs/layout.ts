import { CHUNK_ENTRY, planChunks, type ChunkPlan } from "./chunks.js";
import { directorySize } from "./directory.js";
import { INODE } from "./inode.js";
import { DirectoryNode, SparseNode, SymlinkNode, type Node } from "./nodes.js";
import { BLOCK, INODES_AT, INODE_UNIT } from "./superblock.js";
import { encodeXattrs } from "./xattrs.js";

/**
 * Where everything of a finished tree goes: a directory, then what is in it by name, then its subdirectories in the
 * same way, so that a walk of the tree reads the index from its beginning to its end.
 */
export class Layout {
  /** Every inode, in the order in which they lie. */
  readonly order: Node[] = [];
  readonly xattrs = new Map<Node, Buffer>();
  readonly plans = new Map<SparseNode, ChunkPlan>();
  /** Where the inodes end, in bytes. */
  end = INODES_AT;
  /** Blocks of directories and symlinks outside the inodes. */
  blocks = 0;
  /** Blocks of sparse files that are put together. */
  composed = 0;

  constructor(root: DirectoryNode) {
    const waiting = [root];
    for (let dir = waiting.pop(); dir; dir = waiting.pop()) this.directory(dir, waiting);
  }

  private directory(dir: DirectoryNode, waiting: DirectoryNode[]): void {
    const names = [...dir.entries.keys(), ".", ".."].sort();
    dir.names = names;
    dir.size = directorySize(names);
    this.place(dir, dir.size % BLOCK, dir.size);
    dir.links = 2;
    const below: DirectoryNode[] = [];
    for (const name of names) {
      const node = dir.entries.get(name);
      if (!node) continue;
      if (node instanceof DirectoryNode) below.push(node);
      else if (node.links++ === 0) this.leaf(node);
    }
    dir.links += below.length;
    for (let i = below.length; i > 0; i--) waiting.push(below[i - 1]!);
  }

  private leaf(node: Node): void {
    if (node instanceof SymlinkNode) this.place(node, node.target.length, node.target.length);
    else if (node instanceof SparseNode) this.sparse(node);
    else this.put(node, INODE + this.attributes(node));
  }

  /** An inode with data of `size` bytes, of which the last `tail` may follow it when both fit into one block. */
  private place(node: Node, tail: number, size: number): void {
    const fixed = INODE + this.attributes(node), total = fixed + tail;
    const room = BLOCK - (this.end % BLOCK);
    node.inline = tail > 0 && total <= BLOCK && (total <= room || room + tail <= BLOCK);
    if (node.inline && total > room) this.end += room;
    this.put(node, node.inline ? total : fixed);
    node.block = this.blocks;
    this.blocks += Math.ceil((node.inline ? size - tail : size) / BLOCK);
  }

  private sparse(node: SparseNode): void {
    const plan = planChunks(node.size, node.offset, node.runs);
    this.plans.set(node, plan);
    const table = Math.ceil((INODE + this.attributes(node)) / CHUNK_ENTRY) * CHUNK_ENTRY;
    this.put(node, table + plan.count * CHUNK_ENTRY);
    node.block = this.composed;
    this.composed += plan.composed.length * 2 ** plan.bits;
  }

  private put(node: Node, length: number): void {
    node.at = this.end;
    this.order.push(node);
    this.end = Math.ceil((this.end + length) / INODE_UNIT) * INODE_UNIT;
  }

  private attributes(node: Node): number {
    if (node.xattrs.size === 0) return 0;
    const encoded = encodeXattrs(node.xattrs);
    if (encoded.length > 0) this.xattrs.set(node, encoded);
    return encoded.length;
  }
}
