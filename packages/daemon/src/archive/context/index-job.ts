import { createHash, type Hash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { InvalidArgument } from "../../core/errors.js";
import { toByteString, type ByteString } from "../../kernel/byte-path.js";
import { write } from "../../kernel/libc.js";
import type { TarEntry } from "../tar-entry.js";
import { TarParser, type TarSink } from "../tar-parser.js";
import { cleanPath, joinPath } from "../tar-path.js";
import type { Consumer } from "../workers/protocol.js";
import { dataFile, indexFile, type ContextEntry } from "./entry.js";

export interface ContextArguments {
  /** Folder that is made for it. */
  readonly directory: string;
  /** Below which all names of the tar are put; "" for none. */
  readonly prefix: string;
  /** What takes the place of the first part of every name; "" leaves it. */
  readonly top: string;
  /** Only what there is, nothing of what is in it. */
  readonly namesOnly?: boolean;
}
export interface ContextSummary {
  readonly entries: number;
  readonly bytes: number;
}

const GATHERED = 1 << 20;
/** Characters of an entry in the index, its names aside; and of the whole index, which is written and read as one string. */
const ENTRY = 280;
const SEGMENT = 50;
const LARGEST_INDEX = 400e6;

/** Takes a tar apart: all payload in one file, what there is in an index. Nothing of it is unpacked. */
export class ContextIndexJob implements Consumer<ContextSummary> {
  private readonly writer: ContextWriter;
  private readonly parser: TarParser;

  constructor(args: ContextArguments) {
    this.writer = new ContextWriter(args);
    this.parser = new TarParser(this.writer);
  }

  write(chunk: Buffer): void { this.parser.write(chunk); }
  end(): ContextSummary {
    this.parser.close();
    return this.writer.finish();
  }
  abort(): void { this.writer.close(); }
}

class ContextWriter implements TarSink {
  private readonly entries = new Map<ByteString, ContextEntry>();
  private readonly fd: number;
  private readonly gathered = Buffer.allocUnsafeSlow(GATHERED);
  private used = 0;
  private position = 0;
  private indexed = 0;
  private closed = false;
  private inodes = 0;
  private member: { readonly entry: TarEntry; readonly name: ByteString; readonly offset: number; readonly length: number; readonly hash: Hash } | undefined;

  private readonly prefix: ByteString;
  private readonly top: ByteString;

  constructor(private readonly args: ContextArguments) {
    this.prefix = toByteString(args.prefix);
    this.top = toByteString(args.top);
    mkdirSync(args.directory, { recursive: true, mode: 0o700 });
    this.fd = openSync(dataFile(args.directory), "wx", 0o600);
  }

  entry(entry: TarEntry, payload: number): void {
    const name = this.nameOf(entry.name);
    this.indexed += indexedLength(entry, name);
    if (this.indexed > LARGEST_INDEX) throw new InvalidArgument(`the context has too many files, or too much is said of them: the list of ${this.entries.size} is full`);
    this.member = { entry, name, offset: this.position, length: payload, hash: createHash("sha256") };
  }
  data(bytes: Buffer): void {
    this.member!.hash.update(bytes);
    this.position += bytes.length;
    if (this.args.namesOnly === true) return;
    if (bytes.length > GATHERED - this.used) this.flush();
    if (bytes.length > GATHERED) return this.whole(bytes);
    bytes.copy(this.gathered, this.used);
    this.used += bytes.length;
  }
  end(): void {
    const { entry, name, offset, length, hash } = this.member!;
    if (name === "") return;
    const placed = entry.type === "link" ? this.linked(entry, name) : {
      type: entry.type, name, linkName: entry.linkName, mode: entry.mode, uid: entry.uid, gid: entry.gid, size: entry.size,
      seconds: entry.mtime.seconds, nanos: entry.mtime.nanos, major: entry.major, minor: entry.minor,
      xattrs: [...entry.xattrs].map(([key, value]) => [key, value.toString("latin1")] as const),
      ...(entry.sparse === undefined ? {} : { sparse: entry.sparse }), offset, length, digest: length === 0 ? "" : hash.digest("hex"),
    };
    this.entries.set(name, placed);
  }
  raw(): void { /* what headers say is in the index */ }

  /** Sorted by name, so that what is in a directory follows it in one run. */
  finish(): ContextSummary {
    this.flush();
    this.close();
    const sorted = [...this.entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    writeFileSync(indexFile(this.args.directory), JSON.stringify(sorted), { mode: 0o600 });
    return { entries: sorted.length, bytes: this.position };
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.fd);
  }

  /** A second name of a file is an entry of its own: what is copied may be one of them only. */
  private linked(entry: TarEntry, name: ByteString): ContextEntry {
    const target = this.entries.get(this.nameOf(entry.linkName));
    if (target === undefined) throw new InvalidArgument(`the context has a hard link to what is not in it: ${JSON.stringify(name)}`);
    const inode = target.inode ?? this.inodes++;
    this.entries.set(target.name, { ...target, inode });
    return { ...target, inode, name };
  }
  private nameOf(member: ByteString): ByteString {
    const { prefix, top } = this, name = cleanPath(member);
    if (top === "" || name === "") return joinPath(prefix, name);
    const slash = name.indexOf("/");
    return joinPath(prefix, slash < 0 ? top : top + name.slice(slash));
  }
  private flush(): void {
    this.whole(this.gathered.subarray(0, this.used));
    this.used = 0;
  }
  private whole(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += write(this.fd, bytes.subarray(at));
  }
}

/** At most, in the index: bytes that are no text are written as six characters. */
function indexedLength({ linkName, xattrs, sparse }: TarEntry, name: ByteString): number {
  const attributes = [...xattrs].reduce((sum, [key, value]) => sum + key.length + 6 * value.length, 0);
  return ENTRY + name.length + linkName.length + attributes + SEGMENT * (sparse?.length ?? 0);
}
