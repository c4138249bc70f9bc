import { errnoOf } from "../core/errors.js";
import { cPath, type ByteString } from "../kernel/byte-path.js";
import { readDirectory } from "../kernel/directory.js";
import { AT_FDCWD, close, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, openat } from "../kernel/libc.js";
import { isDirectory, Stater, type Stat } from "../kernel/stat.js";
import { marksOf, type MarksKind } from "./marks.js";

/** An entry as stacked layers show it. */
export interface LowerEntry {
  readonly stat: Stat;
  /** Paths that are merged here, nearest layer first; more than one for directories only. */
  readonly paths: readonly ByteString[];
}

/** What a union mount would show of read-only layers, without a mount: for looking up a few entries. */
export class LowerView {
  private readonly stater = new Stater();
  readonly root: LowerEntry | undefined;

  private readonly marks;

  /** Absolute paths of the layers' directories, nearest first. */
  constructor(layers: readonly ByteString[], marks: MarksKind) {
    this.marks = marksOf[marks];
    const stat = layers[0] === undefined ? undefined : this.stater.at(AT_FDCWD, layers[0]);
    this.root = stat && { stat, paths: layers };
  }

  /** What is shown at a path below the root. */
  at(path: ByteString): LowerEntry | undefined {
    return path === "" ? this.root : path.split("/").reduce((entry, name) => this.child(entry, name), this.root);
  }

  /** The entry `name` of a merged directory; undefined where there is none, or a layer deleted it. */
  child(parent: LowerEntry | undefined, name: ByteString): LowerEntry | undefined {
    if (!parent || !isDirectory(parent.stat.mode)) return undefined;
    let top: Stat | undefined;
    const paths: ByteString[] = [];
    for (const dir of parent.paths) {
      if (this.marks.covers(this.stater, dir, name)) break;
      const path = `${dir}/${name}`;
      const stat = this.stater.at(AT_FDCWD, path);
      if (!stat) continue;
      if (this.marks.hides(name, stat) !== undefined || (top && !isDirectory(stat.mode))) break;
      top ??= stat;
      paths.push(path);
      if (!isDirectory(stat.mode) || this.marks.isOpaque(this.stater, path)) break;
    }
    return top && { stat: top, paths };
  }

  children(parent: LowerEntry | undefined): Map<ByteString, LowerEntry> {
    const found = new Map<ByteString, LowerEntry>();
    if (!parent || !isDirectory(parent.stat.mode)) return found;
    for (const dir of parent.paths) {
      let fd: number;
      try { fd = openat(AT_FDCWD, cPath(dir), O_RDONLY | O_DIRECTORY | O_NOFOLLOW); }
      catch (error) {
        if (errnoOf(error) === "ENOENT") continue;
        throw error;
      }
      try {
        for (const { name } of readDirectory(fd)) {
          if (found.has(name)) continue;
          const entry = this.child(parent, name);
          if (entry) found.set(name, entry);
        }
      } finally { close(fd); }
    }
    return found;
  }
}
