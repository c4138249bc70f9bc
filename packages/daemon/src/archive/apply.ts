import { OPAQUE_WHITEOUT, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX } from "@strata/oci";
import { errnoOf, InvalidArgument } from "../core/errors.js";
import { cPath, fromByteString, procPath, type ByteString } from "../kernel/byte-path.js";
import { chmodEntry, withFd } from "../kernel/directory.js";
import {
  close, fchmod, fchmodat, fchown, fchownat, fsetxattr, ftruncate, futimens, linkat, lsetxattr, makedev, mkdirat, mknodat, O_CREAT, O_EXCL,
  O_NOFOLLOW, O_WRONLY, openat, pwrite, startWriteback, symlinkat, utimensat, write,
} from "../kernel/libc.js";
import { inodeKey, isDirectory, S_IFBLK, S_IFCHR, S_IFIFO, S_ISGID } from "../kernel/stat.js";
import { ConfinedTree, type Directory } from "./confined-tree.js";
import { type KeptFiles } from "./kept-files.js";
import type { SplitWriter } from "./split-writer.js";
import type { Segment, TarEntry } from "./tar-entry.js";
import type { TarSink } from "./tar-parser.js";
import { baseOf, cleanPath, joinPath, parentOf } from "./tar-path.js";
import { DeletingWhiteouts, MarkingWhiteouts, type WhiteoutHandler, type Whiteouts } from "./whiteouts.js";

export interface ApplyOptions {
  /** A directory to fill: its path, or an open one. */
  readonly root: string | number;
  readonly whiteouts: Whiteouts;
  /** Where what reassembly needs is written; null when the tar need not come out again. */
  readonly split: SplitWriter | null;
  /** Keeps files that the same archive replaces. Given with `split`. */
  readonly kept: KeptFiles | null;
  /** The tree is in use: only what the archive names is touched. */
  readonly live?: LivePlace;
}

/** Where and how files come into a tree that is in use. */
export interface LivePlace {
  /** The directory that the archive's names start from, no symlink on the way. */
  readonly place: ByteString;
  /** A directory is not replaced by something else, nor the other way round: InvalidArgument. */
  readonly keepKinds: boolean;
  /** Owner of everything; without it the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Notes of union file systems: they would say of this layer what was said of another. */
const IGNORED_XATTR = /^(?:(?:trusted|user)\.overlay|user\.fuseoverlayfs)\./;

interface OpenFile {
  readonly fd: number;
  readonly entry: TarEntry;
  readonly plain: boolean;
  /** Runs still to come of a sparse file, the first one cut to what is left of it. */
  readonly runs: Segment[] | null;
  /** Bytes written since the kernel was last told to begin with them. */
  unsent: number;
}
/** Data of a large file goes to the disk while the rest is still coming: the sync at the end then has little to do. */
const WRITEBACK = 8 << 20, LARGE = 1 << 20;

/**
 * Fills a directory from a tar: the sink of a TarParser. Owners, modes, attributes and times are set in that order;
 * the times of directories when all is there (`finish`). Synchronous: runs in a worker.
 *
 * Same name again: a directory over a directory takes the new attributes, else the later entry replaces the earlier.
 */
export class TreeApplier implements TarSink {
  private readonly tree: ConfinedTree;
  private readonly umask = process.umask();
  private readonly whiteouts: WhiteoutHandler;
  private file: OpenFile | null = null;
  private inline = false;
  /** Sum of the sizes of all regular files so far. */
  size = 0;

  constructor(private readonly options: ApplyOptions) {
    const { kept } = options;
    this.tree = new ConfinedTree(options.root, {
      below: (path) => this.whiteouts.below(path),
      supplanted: (path) => { this.whiteouts.supplanted(path); },
      live: options.live !== undefined,
      ...(kept ? { gone: (dir: number, name: ByteString, path: ByteString) => kept.take(dir, name, path) } : {}),
    });
    const { whiteouts } = options;
    this.whiteouts = typeof whiteouts === "string" ? new DeletingWhiteouts(this.tree) : new MarkingWhiteouts(this.tree, whiteouts.lowers, whiteouts.marks ?? "overlay");
  }

  raw(bytes: Buffer): void { this.options.split?.raw(bytes); }

  entry(entry: TarEntry, payload: number): void {
    this.inline = payload > 0;
    this.size += entry.size;
    try { this.make(this.options.live ? relocated(entry, this.options.live) : entry, payload); }
    catch (error) {
      const code = errnoOf(error);
      if (code === "ENAMETOOLONG" || code === "ELOOP" || code === "EXDEV") throw new InvalidArgument(`tar: cannot place ${JSON.stringify(fromByteString(entry.name))}`, { cause: error });
      throw error;
    }
  }

  data(bytes: Buffer): void {
    if (this.inline) this.options.split?.raw(bytes);
    if (!this.file) return;
    const { fd, runs } = this.file;
    if (runs) return writeRuns(fd, runs, bytes);
    for (let at = 0; at < bytes.length; ) at += write(fd, at === 0 ? bytes : bytes.subarray(at));
    this.file.unsent += bytes.length;
    if (this.file.unsent < WRITEBACK) return;
    startWriteback(fd);
    this.file.unsent = 0;
  }

  end(): void {
    const { file } = this;
    if (!file) return;
    this.file = null;
    const { fd, entry } = file;
    try {
      if (entry.sparse) ftruncate(fd, entry.size);
      if (!file.plain || entry.uid !== 0 || entry.gid !== 0) fchown(fd, entry.uid, entry.gid);
      if (!file.plain || entry.mode > 0o777 || (entry.mode & this.umask) !== 0) fchmod(fd, entry.mode);
      for (const [name, value] of entry.xattrs) setXattr(name, () => fsetxattr(fd, cPath(name), value));
      const seconds = BigInt(entry.mtime.seconds), nanos = BigInt(entry.mtime.nanos);
      futimens(fd, seconds, nanos, seconds, nanos);
      if (file.unsent >= LARGE) startWriteback(fd);
    } finally { close(fd); }
  }

  /** Sets what could not be set before all entries were there. */
  finish(): void {
    this.whiteouts.finish();
    for (const [path, { mtime }] of this.tree.made) {
      const seconds = BigInt(mtime.seconds), nanos = BigInt(mtime.nanos);
      if (path === "") futimens(this.tree.root.fd, seconds, nanos, seconds, nanos);
      else withFd(this.tree.straight(path), (fd) => futimens(fd, seconds, nanos, seconds, nanos));
    }
    this.tree.close();
  }
  abort(): void {
    if (this.file) close(this.file.fd);
    this.file = null;
    this.tree.close();
  }

  private make(entry: TarEntry, payload: number): void {
    const { uid, gid } = entry;
    if (!(uid >= 0 && uid < 0xffffffff && gid >= 0 && gid < 0xffffffff)) throw new InvalidArgument(`tar: owner ${uid}:${gid} of ${JSON.stringify(fromByteString(entry.name))} is out of range`);
    const path = cleanPath(entry.name);
    const { live } = this.options;
    if (path === (live?.place ?? "")) return entry.type === "directory" && !live ? this.rootAttributes(entry) : undefined;
    const base = baseOf(path), parent = parentOf(path);
    if (this.options.whiteouts !== "none" && this.forLayers(path, base, parent)) return;
    const dir = this.tree.directory(parent);
    if (live?.keepKinds) this.keepKind(dir, base, entry);
    this.tree.change(dir);
    this.whiteouts.placed(joinPath(dir.path, base));
    switch (entry.type) {
      case "file": return this.makeFile(dir, base, entry, payload);
      case "directory": return this.makeDirectory(dir, base, entry);
      case "link": return this.makeLink(dir, parent, base, entry);
      case "symlink":
        if (entry.linkName === "") throw new InvalidArgument(`tar: symlink without a target: ${JSON.stringify(fromByteString(entry.name))}`);
        this.replacing(dir, base, () => symlinkat(cPath(entry.linkName), dir.fd, cPath(base)));
        return this.attributes(dir, base, entry, dir.made?.plain ?? false);
      default: {
        const bits = entry.type === "char" ? S_IFCHR : entry.type === "block" ? S_IFBLK : S_IFIFO;
        this.replacing(dir, base, () => mknodat(dir.fd, cPath(base), bits | (entry.mode & 0o777), entry.type === "fifo" ? 0 : makedev(entry.major, entry.minor)));
        return this.attributes(dir, base, entry, dir.made?.plain ?? false);
      }
    }
  }

  /** Names that say something about layers; true when that is all they do. */
  private forLayers(path: ByteString, base: ByteString, parent: ByteString): boolean {
    if (path.includes(WHITEOUT_META_PREFIX) && base !== OPAQUE_WHITEOUT && path.split("/").some((part) => part.startsWith(WHITEOUT_META_PREFIX))) return true;
    if (!base.startsWith(WHITEOUT_PREFIX)) return false;
    this.whiteout(parent, base);
    return true;
  }

  private keepKind(dir: Directory, base: ByteString, entry: TarEntry): void {
    const stat = this.tree.stater.at(dir.fd, base);
    if (!stat || isDirectory(stat.mode) === (entry.type === "directory")) return;
    const [there, coming] = isDirectory(stat.mode) ? ["directory", "non-directory"] : ["non-directory", "directory"];
    throw new InvalidArgument(`cannot overwrite ${there} ${JSON.stringify(`/${fromByteString(joinPath(dir.path, base))}`)} with ${coming}`);
  }

  private makeFile(dir: Directory, base: ByteString, entry: TarEntry, payload: number): void {
    const name = cPath(base);
    const fd = this.replacing(dir, base, () => openat(dir.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 0o777));
    this.file = { fd, entry, plain: dir.made?.plain ?? false, runs: entry.sparse ? [...entry.sparse] : null, unsent: 0 };
    const { split, kept } = this.options;
    if (payload === 0 || entry.sparse || !split || !kept) return;
    const path = joinPath(dir.path, base);
    split.file(path, payload);
    kept.refer(path);
    this.inline = false;
  }

  private makeDirectory(dir: Directory, base: ByteString, entry: TarEntry): void {
    const path = joinPath(dir.path, base);
    let plain = dir.made?.plain ?? false;
    let fresh = true;
    try { mkdirat(dir.fd, cPath(base), entry.mode & 0o777); }
    catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      const stat = this.tree.stater.at(dir.fd, base);
      if (stat && isDirectory(stat.mode)) fresh = plain = false;
      else {
        if (stat) {
          this.tree.remove(dir, base, stat);
          this.whiteouts.supplanted(path);
        }
        mkdirat(dir.fd, cPath(base), entry.mode & 0o777);
      }
    }
    this.attributes(dir, base, entry, plain, false);
    const handsDown = (entry.mode & S_ISGID) !== 0 || entry.xattrs.has("system.posix_acl_default");
    const known = this.tree.made.get(path);
    if (known) {
      known.mtime = entry.mtime;
      known.plain &&= !handsDown;
    } else this.tree.made.set(path, { mtime: entry.mtime, plain: fresh && !handsDown });
  }

  private makeLink(dir: Directory, parent: ByteString, base: ByteString, entry: TarEntry): void {
    const target = cleanPath(entry.linkName);
    const find = (): Directory => {
      const from = target === "" ? undefined : this.tree.existing(parentOf(target));
      const stat = from && this.tree.stater.at(from.fd, baseOf(target));
      if (!from || !stat) throw new InvalidArgument(`tar: hard link ${JSON.stringify(fromByteString(entry.name))} to ${JSON.stringify(fromByteString(entry.linkName))}, which is not there`);
      if (isDirectory(stat.mode)) throw new InvalidArgument(`tar: hard link ${JSON.stringify(fromByteString(entry.name))} to a directory`);
      return from;
    };
    const link = (to: Directory): void => { const from = find(); linkat(from.fd, cPath(baseOf(target)), to.fd, cPath(base)); };
    try { link(dir); }
    catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      const from = find();
      const there = this.tree.stater.at(dir.fd, base), wanted = this.tree.stater.at(from.fd, baseOf(target));
      if (!there || !wanted || inodeKey(there) === inodeKey(wanted)) return;
      this.tree.remove(dir, base, there);
      link(this.tree.directory(parent));
    }
  }

  private rootAttributes(entry: TarEntry): void {
    const { fd } = this.tree.root;
    fchown(fd, entry.uid, entry.gid);
    fchmod(fd, entry.mode);
    for (const [name, value] of entry.xattrs) setXattr(name, () => fsetxattr(fd, cPath(name), value));
    this.tree.made.set("", { mtime: entry.mtime, plain: false });
  }

  /** Owner, mode, xattrs and (unless `times` is false) time of an entry that is not open. */
  private attributes(dir: Directory, base: ByteString, entry: TarEntry, plain: boolean, times = true): void {
    const name = cPath(base);
    if (!plain || entry.uid !== 0 || entry.gid !== 0) fchownat(dir.fd, name, entry.uid, entry.gid);
    if (entry.type !== "symlink" && (!plain || entry.mode > 0o777 || (entry.mode & this.umask) !== 0)) {
      if (this.options.live) chmodEntry(dir.fd, base, entry.mode);
      else fchmodat(dir.fd, name, entry.mode);
    }
    for (const [key, value] of entry.xattrs) setXattr(key, () => lsetxattr(procPath(dir.fd, base), cPath(key), value));
    if (!times) return;
    const seconds = BigInt(entry.mtime.seconds), nanos = BigInt(entry.mtime.nanos);
    utimensat(dir.fd, name, seconds, nanos, seconds, nanos);
  }

  /** Makes an entry; what stands in its way goes first. */
  private replacing<T>(dir: Directory, base: ByteString, make: () => T): T {
    try { return make(); }
    catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      const stat = this.tree.stater.at(dir.fd, base);
      if (stat) this.tree.remove(dir, base, stat);
      return make();
    }
  }

  private whiteout(parent: ByteString, base: ByteString): void {
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === "" || name === "." || name === "..") throw new InvalidArgument(`tar: whiteout of ${JSON.stringify(name)}`);
    const dir = this.tree.directory(parent);
    this.tree.change(dir);
    if (base === OPAQUE_WHITEOUT) this.whiteouts.opaque(dir);
    else this.whiteouts.gone(dir, name);
  }
}

/** The entry as it comes to lie at its place. */
function relocated(entry: TarEntry, { place, owner }: LivePlace): TarEntry {
  return { ...entry, name: joinPath(place, cleanPath(entry.name)), ...(entry.type === "link" ? { linkName: joinPath(place, cleanPath(entry.linkName)) } : {}), ...owner };
}

function setXattr(name: ByteString, set: () => void): void {
  if (IGNORED_XATTR.test(name)) return;
  try { set(); }
  catch (error) {
    const code = errnoOf(error);
    // The file system has none of this kind; user attributes are for files and directories only.
    if (code === "EOPNOTSUPP" || code === "ENOTSUP" || (code === "EPERM" && name.startsWith("user."))) return;
    throw error;
  }
}

function writeRuns(fd: number, runs: Segment[], bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const run = runs[0]!;
    const n = pwrite(fd, bytes.subarray(at, at + Math.min(run.length, bytes.length - at)), run.offset);
    at += n;
    if (n === run.length) runs.shift();
    else runs[0] = { offset: run.offset + n, length: run.length - n };
  }
}
