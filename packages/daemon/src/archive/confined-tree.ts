import { readlinkSync } from "node:fs";
import { Conflict, errnoOf, InvalidArgument } from "../core/errors.js";
import { cPath, fromByteString, type ByteString } from "../kernel/byte-path.js";
import { chmodEntry } from "../kernel/directory.js";
import { AT_FDCWD, close, fchmodat, fchownat, mkdirat, O_DIRECTORY, O_RDONLY, openat, openInRoot, openStraight, readlinkat } from "../kernel/libc.js";
import { removeTreeSync } from "../kernel/remove-tree.js";
import { isDirectory, isSymlink, S_ISGID, Stater, type Stat } from "../kernel/stat.js";
import { EPOCH, type TarTime } from "./tar-entry.js";
import { joinPath } from "./tar-path.js";

/** An open directory of the tree. */
export interface Directory {
  readonly fd: number;
  /** Where it lies below the root, no symlink on the way. */
  readonly path: ByteString;
  readonly made?: MadeDirectory;
}

/** Directories that were made, given attributes or changed: their times are set when nothing more goes into them. */
export interface MadeDirectory {
  mtime: TarTime;
  /** We made it, and it hands down neither its group nor a default ACL: new entries are as we make them. */
  plain: boolean;
}

export interface ConfinedTreeOptions {
  /** Told of every entry but directories that is about to be removed; true when it has moved the entry away. */
  readonly gone?: (dir: number, name: ByteString, path: ByteString) => boolean;
  /** What lower layers show at a path: a directory that is made because an entry needs it looks like the one there. */
  readonly below?: (path: ByteString) => Stat | undefined;
  /** A directory was made where something else stood. */
  readonly supplanted?: (path: ByteString) => void;
  /**
   * Others work in the tree at the same time: mounts in it belong to it, nothing is replaced by a directory that no
   * entry names, and times of directories are left to the kernel.
   */
  readonly live?: boolean;
}

const MAX_OPEN = 96;
const MAX_HOPS = 40;

/**
 * A tree that is being filled from names that nobody has vetted. Whatever a name goes through, it stays below the
 * root: directories are opened by openat2(2) with RESOLVE_IN_ROOT, and the last part of a name is never followed.
 */
export class ConfinedTree {
  readonly root: Directory;
  readonly made = new Map<ByteString, MadeDirectory>();
  readonly stater = new Stater();
  private readonly rootPath: string;
  private readonly open = new Map<ByteString, Directory>();
  private lastPath: ByteString | null = null;
  private closed = false;
  private last!: Directory;

  /** `root`: a path, or an open directory, which stays open. */
  constructor(root: string | number, private readonly options: ConfinedTreeOptions = {}) {
    const fd = typeof root === "number" ? openat(root, ".", O_RDONLY | O_DIRECTORY) : openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
    this.root = { fd, path: "" };
    this.rootPath = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" });
  }

  /** The directory at `path` (cleaned); what is missing on the way is made, what is no directory is replaced. */
  directory(path: ByteString): Directory {
    if (path === this.lastPath) return this.last;
    const found = this.existing(path) ?? this.walk(this.root, path.split("/"), { left: MAX_HOPS });
    this.lastPath = path;
    this.last = found;
    return found;
  }

  /** The directory at `path`, symlinks followed inside the tree; undefined when there is none. */
  existing(path: ByteString): Directory | undefined {
    if (path === "") return this.root;
    const known = this.open.get(path);
    if (known) {
      this.open.delete(path);
      this.open.set(path, known);
      return known;
    }
    let fd: number;
    let canonical = path;
    try { fd = this.straight(path); }
    catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      if (code !== "ELOOP") throw error;
      const indirect = this.openThroughSymlinks(path);
      if (indirect === undefined) return undefined;
      fd = indirect;
      canonical = this.pathOf(fd);
    }
    return this.keep(path, { fd, path: canonical, made: this.made.get(canonical) });
  }

  /** Opens the directory that lies at just this path; the caller closes it. */
  straight(path: ByteString): number {
    return openStraight(this.root.fd, cPath(path), O_RDONLY | O_DIRECTORY, 0, this.options.live);
  }

  /** Something in it is about to change: a directory that the archive does not name keeps its time, as it does where layers are stacked. */
  change(dir: Directory): void {
    if (this.options.live || dir.made !== undefined || this.made.has(dir.path)) return;
    const { mtimeSec, mtimeNs } = this.stater.of(dir.fd);
    this.made.set(dir.path, { mtime: { seconds: mtimeSec, nanos: mtimeNs }, plain: false });
  }

  /** Removes an entry with all below it. Every directory held but `dir` may be closed by this. */
  remove(dir: Directory, name: ByteString, stat: Stat): void {
    const path = joinPath(dir.path, name);
    const { gone, live } = this.options;
    const notMounted = (there: Stat | undefined, at: ByteString): void => {
      if (there?.mountRoot) throw new Conflict(`unlinkat ${JSON.stringify(`/${fromByteString(at)}`)}: device or resource busy: something is mounted there`);
    };
    if (live) notMounted(stat, path);
    if (isDirectory(stat.mode) || isSymlink(stat.mode)) this.forget(dir);
    if (isDirectory(stat.mode)) {
      for (const made of this.made.keys()) if (made === path || made.startsWith(`${path}/`)) this.made.delete(made);
    } else if (gone?.(dir.fd, name, path)) return;
    // The kernel would not mind: it takes mounts of other namespaces, the container's own, away with the file that they are on.
    const keepMounts = (fd: number, entry: ByteString, below: ByteString): false => { notMounted(this.stater.at(fd, entry), joinPath(dir.path, below)); return false; };
    removeTreeSync(dir.fd, name, gone ? { before: (fd, entry, below) => gone(fd, entry, joinPath(dir.path, below)) } : live ? { before: keepMounts } : {});
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.forget();
    close(this.root.fd);
  }

  private keep(path: ByteString, dir: Directory): Directory {
    this.open.set(path, dir);
    if (this.open.size > MAX_OPEN) {
      const [oldest, { fd }] = this.open.entries().next().value!;
      this.open.delete(oldest);
      if (oldest === this.lastPath) this.lastPath = null;
      close(fd);
    }
    return dir;
  }
  private forget(but?: Directory): void {
    for (const dir of new Set(this.open.values())) if (dir !== but) close(dir.fd);
    this.open.clear();
    this.lastPath = null;
    if (but && but !== this.root) this.open.set(but.path, but);
  }

  private openThroughSymlinks(path: ByteString): number | undefined {
    try { return openInRoot(this.root.fd, cPath(path), O_RDONLY | O_DIRECTORY); }
    catch (error) {
      const code = errnoOf(error);
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      if (code === "ELOOP") throw new InvalidArgument(`tar: too many symlinks in ${JSON.stringify(fromByteString(path))}`);
      throw error;
    }
  }
  private pathOf(fd: number): ByteString {
    const full = readlinkSync(`/proc/self/fd/${fd}`, { encoding: "latin1" });
    if (full === this.rootPath) return "";
    const above = this.rootPath === "/" ? "/" : `${this.rootPath}/`;
    if (!full.startsWith(above)) throw new InvalidArgument("tar: name leaves the root");
    return full.slice(above.length);
  }

  /** Part by part, making what is missing. Only for paths that do not open as they are. */
  private walk(from: Directory, parts: readonly ByteString[], hops: { left: number }): Directory {
    let dir = from;
    for (const part of parts) {
      if (part === "" || part === ".") continue;
      dir = part === ".." ? this.mustExist(dir.path.slice(0, Math.max(0, dir.path.lastIndexOf("/")))) : this.step(dir, part, hops);
    }
    return dir;
  }
  private step(dir: Directory, name: ByteString, hops: { left: number }): Directory {
    const stat = this.stater.at(dir.fd, name);
    const path = joinPath(dir.path, name);
    if (stat && isDirectory(stat.mode)) return this.mustExist(path);
    if (stat && isSymlink(stat.mode)) {
      if (hops.left-- === 0) throw new InvalidArgument(`tar: too many symlinks in ${JSON.stringify(fromByteString(path))}`);
      const target = readlinkat(dir.fd, cPath(name)).toString("latin1");
      return this.walk(target.startsWith("/") ? this.root : dir, target.split("/"), hops);
    }
    this.change(dir);
    if (stat && this.options.live) throw new InvalidArgument(`cannot overwrite non-directory ${JSON.stringify(`/${fromByteString(path)}`)} with a directory`);
    if (stat) {
      this.remove(dir, name, stat);
      this.options.supplanted?.(path);
    }
    const model = this.options.below?.(path);
    const like = model && isDirectory(model.mode) ? model : undefined;
    const mode = like ? like.mode & 0o7777 : 0o755;
    mkdirat(dir.fd, cPath(name), 0o700);
    fchownat(dir.fd, cPath(name), like?.uid ?? 0, like?.gid ?? 0);
    if (this.options.live) {
      chmodEntry(dir.fd, name, mode);
      return this.mustExist(path);
    }
    fchmodat(dir.fd, cPath(name), mode);
    this.made.set(path, { mtime: like ? { seconds: like.mtimeSec, nanos: like.mtimeNs } : EPOCH, plain: (mode & S_ISGID) === 0 });
    return this.mustExist(path);
  }
  private mustExist(path: ByteString): Directory {
    const dir = this.existing(path);
    if (!dir) throw new Error(`directory vanished: ${fromByteString(path)}`);
    return dir;
  }
}
