import { createHash, type Hash } from "node:crypto";
import { cPath, fromByteString, procPath, toByteString, type ByteString } from "../kernel/byte-path.js";
import { openDirectoryAt, readDirectory } from "../kernel/directory.js";
import { AT_FDCWD, close, lseek, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, openat, pread, read, readlinkat, SEEK_DATA, takesXattr } from "../kernel/libc.js";
import { inodeKey, S_IFLNK, S_IFMT, Stater, type Stat } from "../kernel/stat.js";
import { LayerBuilder } from "./erofs/layer-builder.js";
import { DirectoryNode, FileNode, SparseNode, SpecialNode, SymlinkNode, type Node } from "./erofs/nodes.js";
import { LowerView } from "./lower-view.js";
import { marksOf } from "./marks.js";
import { readSplit } from "./split-reader.js";
import type { TarEntry } from "./tar-entry.js";
import { TarParser, type TarSink } from "./tar-parser.js";
import { joinPath } from "./tar-path.js";
import { LEFT_OUT, xattrsOf } from "./tree-tar.js";
import type { Steps } from "./workers/protocol.js";

export interface AuditArguments {
  readonly root: string;
  /** The layer's tar, known to be sound: put together from this split file and the tree, or a file of its own. */
  readonly source: { readonly split: string } | { readonly tar: string };
  /** Directories of the layers below, nearest first, where the tree has this layer only, with overlayfs's marks; null where it has more: only what the tar names is looked at then. */
  readonly lowers: readonly string[] | null;
}

const CHUNK = 1 << 20;
const TOLD = 3;
/** Times that every file system can keep. */
const MOST_SECONDS = 2 ** 31;
const CAPABILITY = "security.capability", ACL = "system.posix_acl_";
/** Labels of security modules are the machine's affair. */
const KEPT = /^(?:user\.|trusted\.|security\.capability$)/;

/** How a tree differs from what its layer's tar says of owners, modes, times, attributes, names and links, for people; undefined when it does not. Of the files' bytes only those are read that the tar is not put together from: sparse ones'. */
export function* auditTree({ root, source, lowers }: AuditArguments): Steps<string | undefined> {
  const builder = new LayerBuilder(lowers === null), sparse = new SparseSums(builder), parser = new TarParser(sparse);
  for (const bytes of "split" in source ? headersOf(source.split) : bytesOf(source.tar)) {
    parser.write(bytes);
    yield undefined;
  }
  parser.close();
  const audit = new Audit(builder, lowers, sparse.sums);
  const fd = openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
  try { yield* audit.directory(lowers === null ? builder.root : builder.finish(lowers), fd, "", false); } finally { close(fd); }
  const { faults } = audit;
  return faults.length === 0 ? undefined : [...faults.slice(0, TOLD), ...(faults.length > TOLD ? [`and ${faults.length - TOLD} more`] : [])].join("; ");
}

/** The tar with zeros for what the files hold. */
function* headersOf(split: string): Generator<Buffer, void> {
  const zeros = Buffer.alloc(CHUNK);
  for (const record of readSplit(split)) {
    if (Buffer.isBuffer(record)) yield record;
    else for (let left = record.size; left > 0; left -= CHUNK) yield left < CHUNK ? zeros.subarray(0, left) : zeros;
  }
}
function* bytesOf(tar: string): Generator<Buffer, void> {
  const fd = openat(AT_FDCWD, tar, O_RDONLY), buffer = Buffer.allocUnsafeSlow(CHUNK);
  try { for (let n = read(fd, buffer); n > 0; n = read(fd, buffer)) yield buffer.subarray(0, n); } finally { close(fd); }
}

/** Passes on, and hashes what sparse files hold. */
class SparseSums implements TarSink {
  /** By where it lies in the tar: hexadecimal. */
  readonly sums = new Map<number, string>();
  private current: { readonly offset: number; readonly hash: Hash } | undefined;

  constructor(private readonly inner: LayerBuilder) {}

  entry(entry: TarEntry, payload: number, offset: number): void {
    this.inner.entry(entry, payload, offset);
    this.current = entry.sparse && payload > 0 ? { offset, hash: createHash("sha256") } : undefined;
  }
  data(bytes: Buffer): void { this.current?.hash.update(bytes); }
  end(): void {
    if (this.current) this.sums.set(this.current.offset, this.current.hash.digest("hex"));
    this.current = undefined;
  }
  raw(): void { /* no payload */ }
}

class Audit {
  readonly faults: string[] = [];
  private readonly stater = new Stater();
  private readonly buffer = Buffer.allocUnsafeSlow(65536);
  private readonly view: LowerView | null;
  /** Which inode is whose, both ways. */
  private readonly inodes = new Map<Node, string>();
  private readonly nodes = new Map<string, Node>();
  /** A directory hands an access list down to what is made in it. */
  private handsDown = false;

  constructor(private readonly builder: LayerBuilder, lowers: readonly string[] | null, private readonly sums: ReadonlyMap<number, string>) {
    this.view = lowers && new LowerView(lowers.map(toByteString), "overlay");
  }

  /** `closed`: nothing of the layers below shows through here. */
  *directory(node: DirectoryNode, fd: number, path: ByteString, closed: boolean): Steps<void> {
    this.attributes(node, fd, ".", path, this.stater.of(fd));
    closed = this.opaque(node, fd, path, closed);
    if (this.view) for (const { name } of readDirectory(fd, this.buffer)) if (!node.entries.has(name)) this.fault(joinPath(path, name), "is there, and not in the tar");
    let seen = 0;
    for (const [name, child] of node.entries) {
      if (++seen % 256 === 0) yield undefined;
      const at = joinPath(path, name), stat = this.stater.at(fd, name);
      if (!stat) {
        if (this.isLookedAt(child)) this.fault(at, "is missing");
      } else if ((stat.mode & S_IFMT) !== (child.mode & S_IFMT)) {
        // In a whole tree a name may lead through a symlink of a layer below.
        if (this.isLookedAt(child)) this.fault(at, "is of another kind");
      } else if (child instanceof DirectoryNode) yield* this.descend(child, fd, name, at, closed);
      else {
        this.entry(child, fd, name, at, stat);
        if (child instanceof FileNode || child instanceof SparseNode) yield* this.content(child, fd, name, at);
      }
    }
  }
  private *descend(node: DirectoryNode, dir: number, name: ByteString, path: ByteString, closed: boolean): Steps<void> {
    const fd = openDirectoryAt(dir, name);
    try { yield* this.directory(node, fd, path, closed); } finally { close(fd); }
  }

  private isLookedAt(node: Node): boolean { return this.view !== null || this.builder.isDescribed(node); }

  private opaque(node: DirectoryNode, fd: number, path: ByteString, closed: boolean): boolean {
    if (!this.view) return false;
    const wanted = node.xattrs.has("trusted.overlay.opaque"), is = marksOf.overlay.isOpaque(this.stater, `/proc/self/fd/${fd}/.`);
    if (is && !wanted) this.fault(path, "hides what lies below");
    // There is a mark only where it hides something.
    if (wanted && !is && !closed && this.view.at(path)) this.fault(path, "does not hide what lies below");
    return closed || wanted;
  }

  private entry(node: Node, dir: number, name: ByteString, path: ByteString, stat: Stat): void {
    if (node instanceof SpecialNode && (node.major !== stat.rdevMajor || node.minor !== stat.rdevMinor) && stat.rdevMajor + stat.rdevMinor + node.major + node.minor > 0) {
      return this.fault(path, `is device ${stat.rdevMajor}:${stat.rdevMinor}, not ${node.major}:${node.minor}`);
    }
    if (marksOf.overlay.hides(name, stat) !== undefined) return;
    if ((node instanceof FileNode || node instanceof SparseNode) && node.size !== stat.size) this.fault(path, `has ${stat.size} bytes, not ${node.size}`);
    if (node instanceof SymlinkNode) {
      const target = readlinkat(dir, cPath(name)).toString("latin1");
      if (target !== node.target) this.fault(path, `leads to ${JSON.stringify(fromByteString(target))}, not ${JSON.stringify(fromByteString(node.target))}`);
    }
    this.links(node, path, inodeKey(stat));
    this.attributes(node, dir, name, path, stat);
  }

  private *content(node: FileNode | SparseNode, dir: number, name: ByteString, path: ByteString): Steps<void> {
    const wanted = this.sums.get(node.offset);
    if (wanted === undefined) return;
    const fd = openat(dir, cPath(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK), hash = createHash("sha256");
    try {
      let at = 0, clean = true;
      for (const run of [...(node instanceof SparseNode ? node.runs : [{ offset: 0, length: node.size }]), { offset: node.size, length: 0 }]) {
        for (let data = at < run.offset ? lseek(fd, at, SEEK_DATA) : undefined; data !== undefined && data < run.offset; data = lseek(fd, data, SEEK_DATA)) {
          const bytes = chunkOf(fd, data, run.offset);
          clean &&= bytes.length > 0 && bytes.every((byte) => byte === 0);
          data += bytes.length || run.offset - data;
          yield undefined;
        }
        for (at = run.offset; at < run.offset + run.length; yield undefined) {
          const bytes = chunkOf(fd, at, run.offset + run.length);
          hash.update(bytes);
          at += bytes.length || run.offset + run.length - at;
        }
      }
      if (!clean || hash.digest("hex") !== wanted) this.fault(path, "holds other bytes");
    } finally { close(fd); }
  }

  private links(node: Node, path: ByteString, inode: string): void {
    const own = this.inodes.get(node), other = this.nodes.get(inode);
    if (own !== undefined && own !== inode) this.fault(path, "is no hard link any more");
    else if (own === undefined && other !== undefined && other !== node) this.fault(path, "is a hard link to another file");
    this.inodes.set(node, inode);
    this.nodes.set(inode, node);
  }

  private attributes(node: Node, dir: number, name: ByteString, path: ByteString, stat: Stat): void {
    if (!this.isLookedAt(node)) return;
    const mode = node.mode & 0o7777, has = stat.mode & 0o7777;
    // An access list changes the bits of the group.
    if (mode !== has && (node.mode & S_IFMT) !== S_IFLNK && ![...node.xattrs.keys()].some((key) => key.startsWith(ACL))) this.fault(path, `has mode ${has.toString(8)}, not ${mode.toString(8)}`);
    if (node.uid !== stat.uid || node.gid !== stat.gid) this.fault(path, `belongs to ${stat.uid}:${stat.gid}, not ${node.uid}:${node.gid}`);
    if ((path !== "" || this.builder.isDescribed(node)) && !sameTime(node, stat)) this.fault(path, `is of ${timeOf(stat.mtimeSec)}, not ${timeOf(node.seconds)}`);
    this.xattrs(node, dir, name, path);
  }

  private xattrs(node: Node, dir: number, name: ByteString, path: ByteString): void {
    const there = xattrsOf(dir, name);
    for (const [key, value] of node.xattrs) {
      if (!KEPT.test(key) || LEFT_OUT.test(key)) continue;
      const found = there.get(key);
      if (found === undefined ? takesXattr(procPath(dir, name), cPath(key)) : !sameValue(key, found, value)) this.fault(path, `has ${found === undefined ? "no" : "another"} attribute ${key}`);
    }
    this.handsDown ||= node.xattrs.has(`${ACL}default`);
    if (!this.view) return;
    for (const key of there.keys()) if (!node.xattrs.has(key) && (KEPT.test(key) || (key.startsWith(ACL) && !this.handsDown))) this.fault(path, `has an attribute ${key}, which is not in the tar`);
  }

  private fault(path: ByteString, what: string): void { this.faults.push(`/${fromByteString(path)} ${what}`); }
}

/** Bytes of a file from a position on, no more than a chunk; none at its end. */
function chunkOf(fd: number, from: number, to: number): Buffer {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, to - from));
  return buffer.subarray(0, pread(fd, buffer, from));
}

/** A time without nanoseconds is from a file system that keeps none. */
function sameTime({ seconds, nanos }: Node, { mtimeSec, mtimeNs }: Stat): boolean {
  return Math.abs(seconds) >= MOST_SECONDS || (seconds === mtimeSec && (nanos === mtimeNs || mtimeNs === 0));
}
const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** The kernel gives capabilities in the form that suits whoever asks. */
function sameValue(key: string, a: Buffer, b: Buffer): boolean {
  return key === CAPABILITY ? a.subarray(4, 20).equals(b.subarray(4, 20)) : a.equals(b);
}
