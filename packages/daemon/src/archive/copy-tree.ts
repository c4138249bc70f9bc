import { errnoOf } from "../core/errors.js";
import { cPath, procPath, type ByteString } from "../kernel/byte-path.js";
import { openBelow } from "../kernel/confined.js";
import { copyFile } from "../kernel/copy-file.js";
import { openDirectoryAt, readDirectory, withFd, withFdSteps } from "../kernel/directory.js";
import {
  AT_FDCWD, fchmod, fchmodat, fchown, fchownat, fsetxattr, futimens, linkat, lsetxattr, makedev, mkdirat, mknodat, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW,
  O_NONBLOCK, O_RDONLY, O_WRONLY, openat, readlinkat, symlinkat, unlinkat, utimensat,
} from "../kernel/libc.js";
import { inodeKey, S_IFCHR, S_IFBLK, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Stater, type Stat } from "../kernel/stat.js";
import { marksOf } from "./marks.js";
import { joinPath } from "./tar-path.js";
import { xattrsOf } from "./tree-tar.js";
import type { Steps } from "./workers/protocol.js";

const TURN = 64;

/**
 * `copy`: everything anew. `link`: what is no directory becomes a hard link to the original, as far as the file system
 * can. `upper`: as `copy`, and directories of an overlay's upper directory stay opaque.
 */
export type CopyKind = "copy" | "link" | "upper";

/**
 * Fills an empty directory with a copy of another, with owners, modes, times to the nanosecond, xattrs, hard links,
 * holes and special files, and the directory's own attributes.
 */
export function* copyTree({ from, to, kind }: { readonly from: string; readonly to: string; readonly kind?: CopyKind }): Steps<void> {
  const source = openat(AT_FDCWD, from, O_RDONLY | O_DIRECTORY);
  yield* withFdSteps(source, () => copyInto(source, to, kind ?? "copy"));
}

/** The same from a directory inside a tree, symlinks followed inside it; false when there is no such directory. */
export function* copyTreeFromRoot({ root, path, to }: { readonly root: string; readonly path: string; readonly to: string }): Steps<boolean> {
  let source: number | undefined;
  try { source = openBelow(root, path, O_RDONLY | O_DIRECTORY, (fd) => openat(fd, ".", O_RDONLY | O_DIRECTORY)); }
  catch (error) { if (errnoOf(error) !== "ENOTDIR") throw error; }
  if (source === undefined) return false;
  yield* withFdSteps(source, () => copyInto(source, to, "copy"));
  return true;
}

function* copyInto(source: number, to: string, kind: CopyKind): Steps<void> {
  const target = openat(AT_FDCWD, to, O_RDONLY | O_DIRECTORY);
  yield* withFdSteps(target, () => new TreeCopy(target, kind).whole(source));
}

/** What a file system says that will make no (more) hard links to a file. */
const NO_LINK = new Set(["EMLINK", "EPERM", "EOPNOTSUPP", "ENOTSUP"]);

class TreeCopy {
  private readonly stater = new Stater();
  private readonly buffer = Buffer.allocUnsafeSlow(65536);
  /** Inodes with several names: where the first one lies in the copy. */
  private readonly links = new Map<string, ByteString>();
  private copied = 0;

  /** Originals that take no more links: where their copy lies. */
  private readonly full = new Map<string, ByteString>();

  constructor(private readonly root: number, private readonly kind: CopyKind) {}

  *whole(source: number): Steps<void> {
    yield* this.directory(source, this.root, "");
    if (this.full.size === 0) return;
    yield* this.unite(this.root);
    futimens(this.root, ...timesOf(this.stater.of(source)));
  }

  /** Names that became links to an original before it was full are to be one with the copy that the later ones have. */
  private *unite(dir: number): Steps<void> {
    for (const { name } of readDirectory(dir, this.buffer)) {
      if (++this.copied % TURN === 0) yield undefined;
      const stat = this.stater.at(dir, name)!;
      const self = this;
      if ((stat.mode & S_IFMT) === S_IFDIR) {
        const child = openDirectoryAt(dir, name), own = this.stater.of(child);
        yield* withFdSteps(child, function* () {
          yield* self.unite(child);
          futimens(child, ...timesOf(own));
        });
        continue;
      }
      const copy = this.full.get(inodeKey(stat));
      if (copy === undefined) continue;
      unlinkat(dir, cPath(name));
      linkat(this.root, cPath(copy), dir, cPath(name));
    }
  }

  *directory(from: number, to: number, path: ByteString): Steps<void> {
    const own = this.stater.of(from);
    for (const { name } of readDirectory(from, this.buffer)) {
      if (++this.copied % TURN === 0) yield undefined;
      const stat = this.stater.at(from, name);
      if (!stat) continue;
      if ((stat.mode & S_IFMT) !== S_IFDIR) { this.plain(from, to, name, joinPath(path, name), stat); continue; }
      mkdirat(to, cPath(name), 0o700);
      const source = openDirectoryAt(from, name), self = this;
      yield* withFdSteps(source, function* () {
        const target = openDirectoryAt(to, name);
        yield* withFdSteps(target, () => self.directory(source, target, joinPath(path, name)));
      });
    }
    fchown(to, own.uid, own.gid);
    fchmod(to, own.mode & 0o7777);
    for (const [key, value] of xattrsOf(from, ".")) set(() => fsetxattr(to, cPath(key), value));
    if (this.kind === "upper" && marksOf.overlay.isOpaque(this.stater, `/proc/self/fd/${from}/.`)) marksOf.overlay.makeOpaque(`/proc/self/fd/${to}/.`);
    futimens(to, ...timesOf(own));
  }

  private plain(from: number, to: number, name: ByteString, path: ByteString, stat: Stat): void {
    if (this.kind === "link" && this.link(from, to, name, path, stat)) return;
    if (stat.nlink > 1) {
      const key = inodeKey(stat);
      const first = this.links.get(key);
      if (first !== undefined) return linkat(this.root, cPath(first), to, cPath(name));
      this.links.set(key, path);
    }
    const raw = cPath(name);
    const type = stat.mode & S_IFMT;
    if (type === S_IFREG) return this.file(from, to, name, stat);
    if (type === S_IFLNK) symlinkat(cPath(readlinkat(from, raw).toString("latin1")), to, raw);
    else mknodat(to, raw, type | 0o600, type === S_IFCHR || type === S_IFBLK ? makedev(stat.rdevMajor, stat.rdevMinor) : 0);
    fchownat(to, raw, stat.uid, stat.gid);
    if (type !== S_IFLNK) fchmodat(to, raw, stat.mode & 0o7777);
    for (const [key, value] of xattrsOf(from, name)) set(() => lsetxattr(procPath(to, name), cPath(key), value));
    utimensat(to, raw, ...timesOf(stat));
  }

  /** False where the original takes no more links: then the first name is copied, and the others are links to that. */
  private link(from: number, to: number, name: ByteString, path: ByteString, stat: Stat): boolean {
    const key = inodeKey(stat);
    if (this.full.has(key)) return false;
    try { linkat(from, cPath(name), to, cPath(name)); return true; }
    catch (error) { if (!NO_LINK.has(errnoOf(error) ?? "")) throw error; }
    this.full.set(key, path);
    return false;
  }

  private file(from: number, to: number, name: ByteString, stat: Stat): void {
    withFd(openat(from, cPath(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK), (source) => {
      withFd(openat(to, cPath(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), (target) => {
        copyFile(source, target, stat.size);
        fchown(target, stat.uid, stat.gid);
        fchmod(target, stat.mode & 0o7777);
        for (const [key, value] of xattrsOf(from, name)) set(() => fsetxattr(target, cPath(key), value));
        futimens(target, ...timesOf(stat));
      });
    });
  }
}

function timesOf(stat: Stat): [bigint, bigint, bigint, bigint] {
  const seconds = BigInt(stat.mtimeSec), nanos = BigInt(stat.mtimeNs);
  return [seconds, nanos, seconds, nanos];
}
/** An attribute that the target's file system cannot hold is left out. */
function set(attribute: () => void): void {
  try { attribute(); }
  catch (error) { if (errnoOf(error) !== "EOPNOTSUPP" && errnoOf(error) !== "ENOTSUP") throw error; }
}
