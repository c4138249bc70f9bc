import { InvalidArgument } from "../../core/errors.js";
import { fromByteString, type ByteString } from "../../kernel/byte-path.js";
import { EPOCH, noXattrs } from "../tar-entry.js";
import { joinPath } from "../tar-path.js";
import { DirectoryNode, SymlinkNode, type Attributes, type Node } from "./nodes.js";

/** What happens to directories that nobody named. */
export interface LayerTreeOptions {
  /** A directory was made because an entry needs it. */
  readonly implied: (made: DirectoryNode) => void;
  /** A directory was made where something else stood. */
  readonly supplanted: (path: ByteString) => void;
}

const MAX_HOPS = 40;
const NAME_MAX = 255;
export const PLAIN_DIRECTORY: Attributes = { mode: 0o755, uid: 0, gid: 0, mtime: EPOCH, xattrs: noXattrs };

/**
 * A layer's tree in memory, filled from names that nobody has vetted: names are resolved as ConfinedTree has the
 * kernel resolve them, so both make the same tree of the same tar.
 */
export class LayerTree {
  readonly root: DirectoryNode;
  private lastPath: ByteString | null = null;
  private last!: DirectoryNode;

  constructor(private readonly options: LayerTreeOptions) {
    this.root = new DirectoryNode(PLAIN_DIRECTORY, null, "");
  }

  /** The directory at `path` (cleaned); what is missing on the way is made, what is no directory is replaced. */
  directory(path: ByteString): DirectoryNode {
    if (path === this.lastPath) return this.last;
    const found = this.existing(path) ?? this.walk(this.root, path, { left: MAX_HOPS }, true)!;
    this.lastPath = path;
    this.last = found;
    return found;
  }

  /** The directory at `path`, symlinks followed inside the tree; undefined when there is none. */
  existing(path: ByteString): DirectoryNode | undefined { return this.walk(this.root, path, { left: MAX_HOPS }, false); }

  /** What lies at just this path: a symlink on the way leads nowhere. */
  at(path: ByteString): Node | undefined {
    let node: Node | undefined = this.root;
    if (path === "") return node;
    for (const part of path.split("/")) {
      if (!(node instanceof DirectoryNode)) return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  /** Gives an entry its name; what had it goes, with all below it. */
  put(dir: DirectoryNode, name: ByteString, node: Node): void {
    if (name.length > NAME_MAX) throw cannotPlace(name);
    if (dir.entries.has(name)) this.lastPath = null;
    dir.entries.set(name, node);
  }
  remove(dir: DirectoryNode, name: ByteString): void {
    dir.entries.delete(name);
    this.lastPath = null;
  }
  makeDirectory(dir: DirectoryNode, name: ByteString, attributes: Attributes): DirectoryNode {
    const made = new DirectoryNode(attributes, dir, joinPath(dir.path, name));
    this.put(dir, name, made);
    return made;
  }

  private walk(from: DirectoryNode, path: ByteString, hops: { left: number }, make: boolean): DirectoryNode | undefined {
    let dir: DirectoryNode | undefined = from;
    for (const part of path.split("/")) {
      if (part === "" || part === ".") continue;
      dir = part === ".." ? dir.parent ?? dir : this.step(dir, part, hops, make);
      if (!dir) return undefined;
    }
    return dir;
  }
  private step(dir: DirectoryNode, name: ByteString, hops: { left: number }, make: boolean): DirectoryNode | undefined {
    const node = dir.entries.get(name);
    if (node instanceof DirectoryNode) return node;
    if (node instanceof SymlinkNode) {
      if (hops.left-- === 0) throw new InvalidArgument(`tar: too many symlinks in ${JSON.stringify(fromByteString(joinPath(dir.path, name)))}`);
      return this.walk(node.target.startsWith("/") ? this.root : dir, node.target, hops, make);
    }
    if (!make) return undefined;
    const path = joinPath(dir.path, name);
    if (node) this.options.supplanted(path);
    const made = this.makeDirectory(dir, name, PLAIN_DIRECTORY);
    this.options.implied(made);
    return made;
  }
}

export function cannotPlace(name: ByteString): InvalidArgument {
  return new InvalidArgument(`tar: cannot place ${JSON.stringify(fromByteString(name))}`);
}
