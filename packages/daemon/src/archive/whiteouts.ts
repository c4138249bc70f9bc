import { toByteString, type ByteString } from "../kernel/byte-path.js";
import { openDirectoryAt, readDirectory, withFd } from "../kernel/directory.js";
import { isDirectory, type Stat } from "../kernel/stat.js";
import type { ConfinedTree, Directory } from "./confined-tree.js";
import { LowerView, type LowerEntry } from "./lower-view.js";
import { marksOf, type Marks, type MarksKind } from "./marks.js";
import { baseOf, joinPath, parentOf } from "./tar-path.js";

/**
 * What `.wh.` names do: nothing, as they are names like any; delete from a tree that holds all layers; or hide, by marks
 * (overlayfs's when not told), what the directories `lowers` (nearest first) show.
 */
export type Whiteouts = "none" | "delete" | { readonly lowers: readonly string[]; readonly marks?: MarksKind };

/** A whiteout hides what lower layers have; what its own layer has of that name stays, wherever it stands in the archive. */
export interface WhiteoutHandler {
  /** The archive put something here; canonical path. */
  placed(path: ByteString): void;
  gone(dir: Directory, name: ByteString): void;
  opaque(dir: Directory): void;
  /** A directory took the place of something else of this archive, which had hidden what lies below. */
  supplanted(path: ByteString): void;
  /** What lower layers show at a path, where they are not in the tree themselves. */
  below(path: ByteString): Stat | undefined;
  /** All entries are there. */
  finish(): void;
}

/**
 * Marks, made at the end, and only where they hide something: the kernel lists an overlay's whiteout as a broken entry
 * when its directory is not merged with one below, and a layer without another below is seen as it lies.
 */
export class MarkingWhiteouts implements WhiteoutHandler {
  private readonly hidden = new Set<ByteString>();
  private readonly closed = new Set<ByteString>();

  private readonly view: LowerView;
  private readonly marks: Marks;

  constructor(private readonly tree: ConfinedTree, lowers: readonly string[], marks: MarksKind) {
    this.view = new LowerView(lowers.map(toByteString), marks);
    this.marks = marksOf[marks];
  }

  placed(): void { /* what stands there at the end counts */ }
  gone(dir: Directory, name: ByteString): void { this.hidden.add(joinPath(dir.path, name)); }
  opaque(dir: Directory): void { this.closed.add(dir.path); }
  supplanted(path: ByteString): void { this.closed.add(path); }
  below(path: ByteString): Stat | undefined { return this.hides(path) ? undefined : this.lookUp(path)?.stat; }

  finish(): void {
    if (this.hidden.size === 0 && this.closed.size === 0) return;
    const { view } = this;
    // Overlayfs takes no mark on the root: hide what is there one by one.
    if (this.closed.delete("")) for (const name of view.children(view.root).keys()) this.hidden.add(name);
    const absent: ByteString[] = [];
    for (const path of this.hidden) {
      const dir = this.directory(parentOf(path));
      const stat = dir && this.tree.stater.at(dir.fd, baseOf(path));
      if (stat && isDirectory(stat.mode)) this.closed.add(path);
      else if (dir && !stat) absent.push(path);
    }
    for (const path of this.closed) {
      const dir = this.directory(path);
      if (dir && this.lookUp(path)) this.marks.makeOpaque(`/proc/self/fd/${dir.fd}/.`);
    }
    for (const path of absent) {
      const dir = this.directory(parentOf(path));
      if (dir && this.lookUp(path)) this.marks.hide(dir.fd, baseOf(path));
    }
  }

  /** The directory that lies at just this path; symlinks that came later do not count. */
  private directory(path: ByteString): Directory | undefined {
    const dir = this.tree.existing(path);
    return dir?.path === path ? dir : undefined;
  }
  private hides(path: ByteString): boolean { return this.hidden.has(path) || this.closed.has(path); }
  /** What the layers below show at a path, unless this layer hides a directory on the way. */
  private lookUp(path: ByteString): LowerEntry | undefined {
    let at = this.view.root;
    let above: ByteString = "";
    for (const part of path.split("/")) {
      if (!at || this.hides(above)) return undefined;
      at = this.view.child(at, part);
      above = joinPath(above, part);
    }
    return at;
  }
}

/** Deletes at once. */
export class DeletingWhiteouts implements WhiteoutHandler {
  /** Paths of this archive with all their parents. */
  private readonly unpacked = new Set<ByteString>();

  constructor(private readonly tree: ConfinedTree) {}

  placed(path: ByteString): void {
    for (let at = path; at !== "" && !this.unpacked.has(at); at = parentOf(at)) this.unpacked.add(at);
  }
  gone(dir: Directory, name: ByteString): void {
    this.placed(dir.path);
    const path = joinPath(dir.path, name);
    const stat = this.tree.stater.at(dir.fd, name);
    if (!stat) return;
    if (!this.unpacked.has(path)) this.tree.remove(dir, name, stat);
    else if (isDirectory(stat.mode)) this.opaque(this.tree.directory(path));
  }
  opaque(dir: Directory): void {
    this.placed(dir.path);
    const { path } = dir;
    for (const { name } of withFd(openDirectoryAt(dir.fd, "."), readDirectory)) {
      // What was removed may have closed the directories held before.
      const at = this.tree.directory(path);
      const stat = this.tree.stater.at(at.fd, name);
      if (!stat) continue;
      if (!this.unpacked.has(joinPath(path, name))) this.tree.remove(at, name, stat);
      else if (isDirectory(stat.mode)) this.opaque(this.tree.directory(joinPath(path, name)));
    }
  }
  supplanted(): void { /* what was hidden is deleted */ }
  below(): undefined { return undefined; }
  finish(): void { /* nothing waited */ }
}
