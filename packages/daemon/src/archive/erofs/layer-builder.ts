import { OPAQUE_WHITEOUT, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX } from "@strata/oci";
import { InvalidArgument } from "../../core/errors.js";
import { fromByteString, toByteString, type ByteString } from "../../kernel/byte-path.js";
import { isDirectory, S_IFBLK, S_IFCHR, S_IFIFO } from "../../kernel/stat.js";
import { LowerView } from "../lower-view.js";
import { noXattrs, type TarEntry } from "../tar-entry.js";
import type { TarSink } from "../tar-parser.js";
import { baseOf, cleanPath, parentOf } from "../tar-path.js";
import { cannotPlace, LayerTree } from "./layer-tree.js";
import { LayerWhiteouts } from "./layer-whiteouts.js";
import { DirectoryNode, FileNode, SparseNode, SpecialNode, SymlinkNode, type Attributes, type Node } from "./nodes.js";
import { hasPlace } from "./xattrs.js";

const IGNORED_XATTR = /^(?:trusted|user)\.overlay\./;
const LONGEST_TARGET = 4095;

/**
 * Makes a layer's tree in memory from its tar: the sink of a TarParser. Payloads stay where they are in the tar.
 * The rules are those of TreeApplier (apply.ts), the words of its errors too.
 */
export class LayerBuilder implements TarSink {
  private readonly whiteouts = new LayerWhiteouts();
  /** Directories that no entry has described, and that look as the layers below have them. */
  private readonly implied = new Set<DirectoryNode>();
  private readonly tree = new LayerTree({
    implied: (made) => { if (!this.whiteouts.blocked(made.path)) this.implied.add(made); },
    supplanted: (path) => this.whiteouts.supplanted(path),
  });
  /** Sum of the sizes of all regular files so far. */
  size = 0;

  /** `loose`: hard links to what is not in the archive are left out, as what they lead to may lie below. */
  constructor(private readonly loose = false) { this.implied.add(this.tree.root); }

  raw(): void { /* it lies in the tar */ }
  data(): void { /* so does this */ }
  end(): void { /* nothing waits for it */ }

  entry(entry: TarEntry, _payload: number, offset: number): void {
    this.size += entry.size;
    const { uid, gid } = entry;
    if (!(uid >= 0 && uid < 0xffffffff && gid >= 0 && gid < 0xffffffff)) throw new InvalidArgument(`tar: owner ${uid}:${gid} of ${JSON.stringify(fromByteString(entry.name))} is out of range`);
    const path = cleanPath(entry.name);
    if (path === "") {
      if (entry.type === "directory") this.described(this.tree.root, entry);
      return;
    }
    const base = baseOf(path), parent = parentOf(path);
    if (path.includes(WHITEOUT_META_PREFIX) && base !== OPAQUE_WHITEOUT && path.split("/").some((part) => part.startsWith(WHITEOUT_META_PREFIX))) return;
    if (base.startsWith(WHITEOUT_PREFIX)) return this.whiteout(parent, base);
    const dir = this.tree.directory(parent);
    switch (entry.type) {
      case "directory": return this.directory(dir, base, entry);
      case "link": return this.link(dir, parent, base, entry);
      default: this.tree.put(dir, base, nodeOf(entry, offset));
    }
  }

  /** The finished tree. `lowers`: absolute paths where the trees of the layers below are to be seen, nearest first. */
  finish(lowers: readonly string[]): DirectoryNode {
    const view = new LowerView(lowers.map(toByteString), "overlay");
    for (const dir of this.implied) {
      const stat = view.at(dir.path)?.stat;
      if (stat && isDirectory(stat.mode)) dir.become({ mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: { seconds: stat.mtimeSec, nanos: stat.mtimeNs }, xattrs: noXattrs });
    }
    this.whiteouts.finish(this.tree, view);
    return this.tree.root;
  }

  /** The tree as it is without the layers below: no whiteouts. */
  get root(): DirectoryNode { return this.tree.root; }
  /** The archive itself says how it looks. */
  isDescribed(node: Node): boolean { return !this.implied.has(node as DirectoryNode); }

  private described(dir: DirectoryNode, entry: TarEntry): void {
    this.implied.delete(dir);
    dir.become(attributesOf(entry));
  }

  private directory(dir: DirectoryNode, base: ByteString, entry: TarEntry): void {
    const there = dir.entries.get(base);
    if (there instanceof DirectoryNode) return this.described(there, entry);
    const made = this.tree.makeDirectory(dir, base, attributesOf(entry));
    if (there) this.whiteouts.supplanted(made.path);
  }

  private link(dir: DirectoryNode, parent: ByteString, base: ByteString, entry: TarEntry): void {
    const target = cleanPath(entry.linkName);
    const find = (): Node => {
      const node = target === "" ? undefined : this.tree.existing(parentOf(target))?.entries.get(baseOf(target));
      if (!node) throw new InvalidArgument(`tar: hard link ${JSON.stringify(fromByteString(entry.name))} to ${JSON.stringify(fromByteString(entry.linkName))}, which is not there`);
      if (node instanceof DirectoryNode) throw new InvalidArgument(`tar: hard link ${JSON.stringify(fromByteString(entry.name))} to a directory`);
      return node;
    };
    if (this.loose && !this.tree.existing(parentOf(target))?.entries.has(baseOf(target))) return;
    const wanted = find(), there = dir.entries.get(base);
    if (there === wanted) return;
    if (!there) return this.tree.put(dir, base, wanted);
    // The target may go with what stands in the way.
    this.tree.remove(dir, base);
    const found = find();
    this.tree.put(this.tree.directory(parent), base, found);
  }

  private whiteout(parent: ByteString, base: ByteString): void {
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === "" || name === "." || name === "..") throw new InvalidArgument(`tar: whiteout of ${JSON.stringify(name)}`);
    const dir = this.tree.directory(parent);
    if (base === OPAQUE_WHITEOUT) this.whiteouts.opaque(dir);
    else this.whiteouts.gone(dir, name);
  }
}

function nodeOf(entry: TarEntry, offset: number): Node {
  const attributes = attributesOf(entry);
  switch (entry.type) {
    case "symlink":
      if (entry.linkName === "") throw new InvalidArgument(`tar: symlink without a target: ${JSON.stringify(fromByteString(entry.name))}`);
      if (entry.linkName.length > LONGEST_TARGET) throw cannotPlace(entry.name);
      return new SymlinkNode({ ...attributes, mode: 0o777 }, entry.linkName);
    case "char": return new SpecialNode(S_IFCHR, attributes, entry.major, entry.minor);
    case "block": return new SpecialNode(S_IFBLK, attributes, entry.major, entry.minor);
    case "fifo": return new SpecialNode(S_IFIFO, attributes, 0, 0);
    default: {
      const { sparse, size } = entry;
      const whole = !sparse || size === 0 || (sparse.length === 1 && sparse[0]!.length === size);
      return whole ? new FileNode(attributes, size, offset) : new SparseNode(attributes, size, offset, sparse);
    }
  }
}

function attributesOf({ mode, uid, gid, mtime, xattrs, type }: TarEntry): Attributes {
  return { mode, uid, gid, mtime, xattrs: xattrs.size === 0 ? noXattrs : kept(xattrs, type) };
}

/** Attributes that have a place; those of users are for files and directories only. */
function kept(xattrs: ReadonlyMap<ByteString, Buffer>, type: TarEntry["type"]): ReadonlyMap<ByteString, Buffer> {
  const users = type === "file" || type === "directory";
  return new Map([...xattrs].filter(([name]) => hasPlace(name) && !IGNORED_XATTR.test(name) && (users || !name.startsWith("user."))));
}
