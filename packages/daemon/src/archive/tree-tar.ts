import { OPAQUE_WHITEOUT, WHITEOUT_PREFIX } from "@strata/oci";
import { errnoOf } from "../core/errors.js";
import { cPath, procPath, type ByteString } from "../kernel/byte-path.js";
import { readDirectory, openDirectoryAt } from "../kernel/directory.js";
import { AT_FDCWD, close, lgetxattr, llistxattr, lseek, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, openat, readlinkat, SEEK_DATA, SEEK_HOLE } from "../kernel/libc.js";
import { inodeKey, isDirectory, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, Stater, type Stat } from "../kernel/stat.js";
import { marksOf } from "./marks.js";
import { Output } from "./output.js";
import { EPOCH, noXattrs, type EntryType, type Segment, type TarEntry } from "./tar-entry.js";
import { joinPath } from "./tar-path.js";
import { encodeHeader, padding, TRAILER } from "./tar-writer.js";
import type { Steps } from "./workers/protocol.js";

const TYPES = new Map<number, EntryType>([[S_IFREG, "file"], [S_IFDIR, "directory"], [S_IFLNK, "symlink"], [S_IFCHR, "char"], [S_IFBLK, "block"], [S_IFIFO, "fifo"]]);
/** Host labels and union file systems' own notes do not travel. */
export const LEFT_OUT = /^(?:(?:trusted|user)\.overlay\.|user\.fuseoverlayfs\.|security\.(?:selinux|ima|evm)$)/;
/** Holes of together less are written as zeros. */
const WORTH_A_MAP = 1 << 20;

export interface PackOptions {
  /** Write files with large holes as GNU sparse members; else as zeros, which every tar reads. */
  readonly sparse: boolean;
}

/** Writes members one by one from open directories, with all they have. */
export class TreePacker {
  readonly output = new Output();
  private readonly links = new Map<string, ByteString>();

  constructor(private readonly options: PackOptions) {}

  /** The entry `name` of an open directory as member `path`; nothing for sockets. Hard links of one inode become links. */
  *member(dir: number, name: ByteString, path: ByteString, stat: Stat): Steps<void> {
    const type = TYPES.get(stat.mode & S_IFMT);
    if (type === undefined) return;
    const entry: TarEntry = {
      type, name: path, linkName: "", mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, size: 0,
      mtime: { seconds: stat.mtimeSec, nanos: stat.mtimeNs }, major: 0, minor: 0, xattrs: noXattrs,
    };
    if (stat.nlink > 1 && type !== "directory") {
      const key = inodeKey(stat);
      const first = this.links.get(key);
      if (first !== undefined) return yield* this.output.bytes(encodeHeader({ ...entry, type: "link", linkName: first }));
      this.links.set(key, path);
    }
    const xattrs = xattrsOf(dir, name);
    switch (type) {
      case "file": return yield* this.file(dir, name, { ...entry, xattrs }, stat);
      case "symlink": return yield* this.output.bytes(encodeHeader({ ...entry, xattrs, linkName: readlinkat(dir, cPath(name)).toString("latin1") }));
      case "char": case "block": return yield* this.output.bytes(encodeHeader({ ...entry, xattrs, major: stat.rdevMajor, minor: stat.rdevMinor }));
      default: return yield* this.output.bytes(encodeHeader({ ...entry, xattrs }));
    }
  }

  /** An empty file that says by its name what is gone (OCI image-spec, layer.md). */
  whiteout(parent: ByteString, name: ByteString): Steps<void> { return this.marker(joinPath(parent, WHITEOUT_PREFIX + name)); }
  opaque(path: ByteString): Steps<void> { return this.marker(joinPath(path, OPAQUE_WHITEOUT)); }

  *finish(): Steps<void> {
    yield* this.output.bytes(TRAILER);
    yield* this.output.flush();
  }

  private marker(name: ByteString): Steps<void> {
    return this.output.bytes(encodeHeader({ type: "file", name, linkName: "", mode: 0o600, uid: 0, gid: 0, size: 0, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs }));
  }

  private *file(dir: number, name: ByteString, entry: TarEntry, stat: Stat): Steps<void> {
    let fd: number;
    try { fd = openat(dir, cPath(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK); }
    catch (error) {
      // Gone since the directory was read: a live tree.
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    try {
      const runs = this.options.sparse && stat.size - stat.allocated >= WORTH_A_MAP ? dataRuns(fd, stat.size) : undefined;
      yield* this.output.bytes(encodeHeader({ ...entry, size: stat.size, ...(runs ? { sparse: runs } : {}) }));
      let written = 0;
      for (const run of runs ?? [{ offset: 0, length: stat.size }]) {
        if (runs) lseek(fd, run.offset, 0);
        // A file that shrinks while it is read is filled up: its header is out already.
        yield* this.output.zeros(run.length - (yield* this.output.from(fd, run.length)));
        written += run.length;
      }
      yield* this.output.bytes(padding(written));
    } finally { close(fd); }
  }
}

/** Where a file has data. Undefined when it has no hole. */
function dataRuns(fd: number, size: number): Segment[] | undefined {
  const runs: Segment[] = [];
  for (let at = 0; at < size; ) {
    const start = lseek(fd, at, SEEK_DATA);
    if (start === undefined || start >= size) break;
    const end = Math.min(size, lseek(fd, start, SEEK_HOLE) ?? size);
    runs.push({ offset: start, length: end - start });
    at = end;
  }
  lseek(fd, 0, 0);
  return runs.length === 1 && runs[0]!.length === size ? undefined : runs;
}

export function xattrsOf(dir: number, name: ByteString): ReadonlyMap<ByteString, Buffer> {
  const path = procPath(dir, name);
  let names: string[];
  try { names = llistxattr(path); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return noXattrs;
    throw error;
  }
  let found: Map<ByteString, Buffer> | undefined;
  for (const key of names) {
    if (LEFT_OUT.test(key)) continue;
    const value = lgetxattr(path, cPath(key));
    if (value) (found ??= new Map()).set(key, value);
  }
  return found ?? noXattrs;
}

export interface TreeTarArguments extends PackOptions {
  readonly root: string;
  /** `plain`: the tree as it is. `upper`: an overlay's upper directory, its whiteouts as `.wh.` names. */
  readonly kind: "plain" | "upper";
  /** Also the root itself, as `./`. */
  readonly withRoot: boolean;
}

/** What is in an open directory, with all below it, as members whose names `under` makes. `upper`: of an overlay, see TreeTarArguments. */
export class TreeWalker {
  private readonly stater = new Stater();
  private readonly buffer = Buffer.allocUnsafeSlow(65536);

  constructor(private readonly packer: TreePacker, private readonly upper = false) {}

  *walk(fd: number, path: ByteString, under: (path: ByteString, name: ByteString) => ByteString = joinPath): Steps<void> {
    const { packer, stater, upper } = this;
    for (const { name } of readDirectory(fd, this.buffer)) {
      const stat = stater.at(fd, name);
      if (!stat) continue;
      const member = under(path, name);
      if (upper) {
        // The format cannot hold such a name: a reader would take it for a deletion.
        if (name.startsWith(WHITEOUT_PREFIX)) continue;
        if (marksOf.overlay.hides(name, stat) !== undefined) { yield* packer.whiteout(path, name); continue; }
      }
      yield* packer.member(fd, name, member, stat);
      if (!isDirectory(stat.mode)) continue;
      if (upper && marksOf.overlay.isOpaque(stater, `/proc/self/fd/${fd}/${name}`)) yield* packer.opaque(member);
      yield* this.descend(fd, name, member);
    }
  }
  private *descend(dir: number, name: ByteString, path: ByteString): Steps<void> {
    let fd: number;
    try { fd = openDirectoryAt(dir, name); }
    catch (error) {
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return;
      throw error;
    }
    try { yield* this.walk(fd, path); } finally { close(fd); }
  }
}

/** A tree as a tar, sorted by name, parents before children. Mounts in it are entered. */
export function* treeTar(args: TreeTarArguments): Steps<void> {
  const packer = new TreePacker(args);
  const fd = openat(AT_FDCWD, args.root, O_RDONLY | O_DIRECTORY);
  try {
    if (args.withRoot) yield* packer.member(fd, ".", ".", new Stater().of(fd));
    yield* new TreeWalker(packer, args.kind === "upper").walk(fd, "");
    yield* packer.finish();
  } finally { close(fd); }
}
