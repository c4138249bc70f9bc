import type { ByteString } from "../../kernel/byte-path.js";
import { S_IFCHR } from "../../kernel/stat.js";
import type { LowerEntry, LowerView } from "../lower-view.js";
import { EPOCH, noXattrs } from "../tar-entry.js";
import { baseOf, joinPath, parentOf } from "../tar-path.js";
import type { LayerTree } from "./layer-tree.js";
import { DirectoryNode, SpecialNode, type Attributes } from "./nodes.js";

const OPAQUE: readonly [ByteString, Buffer] = ["trusted.overlay.opaque", Buffer.from("y")];

/**
 * Overlayfs's marks in a layer's tree, by the rules of whiteouts.ts: what stands in the layer at the end wins, and
 * there is a mark only where it hides something.
 */
export class LayerWhiteouts {
  private readonly hidden = new Set<ByteString>();
  private readonly closed = new Set<ByteString>();

  gone(dir: DirectoryNode, name: ByteString): void { this.hidden.add(joinPath(dir.path, name)); }
  opaque(dir: DirectoryNode): void { this.closed.add(dir.path); }
  /** A directory took the place of something else of this archive, which had hidden what lies below. */
  supplanted(path: ByteString): void { this.closed.add(path); }

  /** What lies below `path` is hidden by what the layer has said so far. */
  blocked(path: ByteString): boolean {
    if (path === "") return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) if (this.hides(path.slice(0, end))) return true;
    return this.hides("");
  }

  finish(tree: LayerTree, view: LowerView): void {
    if (this.hidden.size === 0 && this.closed.size === 0) return;
    // Overlayfs takes no such mark on the root: hide what is there one by one.
    if (this.closed.delete("")) for (const name of view.children(view.root).keys()) this.hidden.add(name);
    const absent: ByteString[] = [];
    for (const path of this.hidden) {
      const node = tree.at(path);
      if (node instanceof DirectoryNode) this.closed.add(path);
      else if (!node) absent.push(path);
    }
    for (const path of this.closed) {
      const dir = tree.at(path);
      if (dir instanceof DirectoryNode) dir.xattrs = new Map([...dir.xattrs, OPAQUE]);
    }
    for (const path of absent) {
      const dir = tree.at(parentOf(path));
      if (dir instanceof DirectoryNode && this.lookUp(view, path)) tree.put(dir, baseOf(path), new SpecialNode(S_IFCHR, WHITEOUT, 0, 0));
    }
  }

  private hides(path: ByteString): boolean { return this.hidden.has(path) || this.closed.has(path); }
  /** What the layers below show at a path, unless this layer hides a directory on the way. */
  private lookUp(view: LowerView, path: ByteString): LowerEntry | undefined {
    let at = view.root;
    let above: ByteString = "";
    for (const part of path.split("/")) {
      if (!at || this.hides(above)) return undefined;
      at = view.child(at, part);
      above = joinPath(above, part);
    }
    return at;
  }
}

const WHITEOUT: Attributes = { mode: 0, uid: 0, gid: 0, mtime: EPOCH, xattrs: noXattrs };
