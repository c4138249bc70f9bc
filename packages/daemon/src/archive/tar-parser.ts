import { InvalidArgument } from "../core/errors.js";
import type { ByteString } from "../kernel/byte-path.js";
import { parsePax, parsePaxInteger, parsePaxTime, parseSparseMap, XATTR_PREFIX, type PaxRecords } from "./pax.js";
import { BLOCK, isZeroBlock, paddingOf, parseBlock, parseGnuSparse, parseGnuSparseExtension, type RawHeader } from "./tar-block.js";
import { noXattrs, type EntryType, type Segment, type TarEntry } from "./tar-entry.js";

/** What a parse gives, in the order of the archive. Buffers are views of the caller's chunk: valid during the call only. */
export interface TarSink {
  /** A member begins. `payload` bytes of data follow, the first of them at `offset` in the archive. */
  entry(entry: TarEntry, payload: number, offset: number): void;
  /** Payload; of a sparse file its runs one behind the other. */
  data(bytes: Buffer): void;
  /** The member's payload is complete. */
  end(): void;
  /** Every byte that is no payload: headers, padding, trailer, and whatever stands behind it. */
  raw(bytes: Buffer): void;
}

/** Headers with a body (pax, GNU long names) may be this large; Go's reader, and so Docker, has the same bound. */
const MAX_EXTENSION = 1 << 20;
/** Global headers together: every member copies what they say. */
const MAX_GLOBAL = 1 << 16;
/** Same for a sparse map. */
const MAX_SEGMENTS = 1 << 20;
/** Digits of a number in a sparse map, its newline aside. */
const MAX_DIGITS = 20;

const TYPES: Readonly<Record<string, EntryType>> = { "\0": "file", "0": "file", "7": "file", S: "file", "1": "link", "2": "symlink", "3": "char", "4": "block", "5": "directory", "6": "fifo" };

const noRecords: ReadonlyMap<string, ByteString> = new Map();

type State =
  /** Collecting `room` bytes of something that is parsed as a whole. */
  | { readonly kind: "block"; readonly size: number; readonly parse: (bytes: Buffer) => void }
  /** Passing payload on. */
  | { readonly kind: "data"; left: number; readonly padding: number }
  | { readonly kind: "padding"; left: number; readonly next: () => void }
  | { readonly kind: "trailer" };

/**
 * A tar reader that is pushed: `write` any number of times, then `close`. It does no I/O and keeps no payload.
 * Reads ustar, old V7, GNU (L, K, base-256, sparse S), star, pax (x, g, SCHILY.xattr, sparse 0.0, 0.1, 1.0).
 * Anything malformed is InvalidArgument; so is an archive that ends inside a member.
 */
export class TarParser {
  private state!: State;
  private partial: Buffer | null = null;
  private filled = 0;
  private offset = 0;
  private zeroBlock = false;
  private atHeader = true;
  private longName: ByteString | undefined;
  private longLink: ByteString | undefined;
  private local: PaxRecords = [];
  /** Bytes of the extensions of the member to come, and of all global ones. */
  private localBytes = 0;
  private globalBytes = 0;
  private readonly global = new Map<string, ByteString>();

  constructor(private readonly sink: TarSink) { this.expectHeader(); }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const state = this.state;
      const left = chunk.length - at;
      switch (state.kind) {
        case "block": {
          if (this.partial === null && left >= state.size) {
            const bytes = chunk.subarray(at, at + state.size);
            at += state.size;
            this.take(bytes, state.parse);
            break;
          }
          this.partial ??= Buffer.allocUnsafe(state.size);
          const n = Math.min(left, state.size - this.filled);
          chunk.copy(this.partial, this.filled, at, at + n);
          at += n;
          this.filled += n;
          if (this.filled === state.size) {
            const bytes = this.partial;
            this.partial = null;
            this.filled = 0;
            this.take(bytes, state.parse);
          }
          break;
        }
        case "data": {
          const n = Math.min(left, state.left);
          state.left -= n;
          this.offset += n;
          this.sink.data(at === 0 && n === chunk.length ? chunk : chunk.subarray(at, at + n));
          at += n;
          if (state.left === 0) this.endOfData(state.padding);
          break;
        }
        case "padding": {
          const n = Math.min(left, state.left);
          state.left -= n;
          this.raw(chunk.subarray(at, at + n));
          at += n;
          if (state.left === 0) state.next();
          break;
        }
        case "trailer":
          this.raw(at === 0 ? chunk : chunk.subarray(at));
          at = chunk.length;
      }
    }
  }

  /** So many bytes of payload come next: a sink that does not look at them may be given anything. */
  get payloadLeft(): number { return this.state.kind === "data" ? this.state.left : 0; }

  /** The input is over. */
  close(): void {
    const { kind } = this.state;
    if (kind === "trailer" || (kind === "block" && this.filled === 0 && this.atHeader && !this.pending)) return;
    throw new InvalidArgument(`tar: unexpected end of the archive at byte ${this.offset + this.filled}`);
  }

  private get pending(): boolean { return this.longName !== undefined || this.longLink !== undefined || this.local.length > 0; }

  private take(bytes: Buffer, parse: (bytes: Buffer) => void): void {
    this.raw(bytes);
    parse(bytes);
  }
  private raw(bytes: Buffer): void {
    this.offset += bytes.length;
    this.sink.raw(bytes);
  }

  private expectHeader = (): void => {
    this.atHeader = true;
    this.state = { kind: "block", size: BLOCK, parse: this.header };
  };
  private expectBlock(size: number, parse: (bytes: Buffer) => void): void {
    this.atHeader = false;
    this.state = { kind: "block", size, parse };
  }

  private readonly header = (block: Buffer): void => {
    const start = this.offset - BLOCK;
    if (isZeroBlock(block)) {
      if (this.pending) throw new InvalidArgument(`tar: extension header without a member at byte ${start}`);
      if (this.zeroBlock) this.state = { kind: "trailer" };
      this.zeroBlock = true;
      return;
    }
    if (this.zeroBlock) throw new InvalidArgument(`tar: invalid header at byte ${start} (data behind a zero block)`);
    const header = parseBlock(block, start);
    switch (header.typeflag) {
      case "x": return this.extension(header, (body) => { this.local.push(...parsePax(body)); });
      case "g": return this.extension(header, (body) => { for (const [key, value] of parsePax(body)) this.global.set(key, value); });
      case "L": return this.extension(header, (body) => { this.longName = untilNul(body); });
      case "K": return this.extension(header, (body) => { this.longLink = untilNul(body); });
      case "S": return this.gnuSparse(header, block, start);
      default: return this.member(header, undefined);
    }
  };

  private extension(header: RawHeader, use: (body: Buffer) => void): void {
    const { size } = header;
    if (size < 0 || size > MAX_EXTENSION) throw new InvalidArgument(`tar: extension header of ${size} bytes at byte ${this.offset - BLOCK}`);
    if (header.typeflag === "g") this.globalBytes += size;
    else this.localBytes += size;
    if (this.localBytes > 3 * MAX_EXTENSION || this.globalBytes > MAX_GLOBAL) throw new InvalidArgument(`tar: too many extension headers at byte ${this.offset - BLOCK}`);
    const next = (): void => this.pad(paddingOf(size), this.expectHeader);
    if (size === 0) { use(Buffer.alloc(0)); return next(); }
    this.expectBlock(size, (body) => { use(body); next(); });
  }

  private gnuSparse(header: RawHeader, block: Buffer, start: number): void {
    if (!header.gnu) throw new InvalidArgument(`tar: sparse member without the GNU magic at byte ${start}`);
    const map = parseGnuSparse(block, start);
    const found = map.segments;
    const go = (extended: boolean): void => {
      if (!extended) return this.member(header, { segments: found, realSize: map.realSize });
      this.expectBlock(BLOCK, (bytes) => {
        const more = parseGnuSparseExtension(bytes, this.offset - BLOCK);
        found.push(...more.segments);
        if (found.length > MAX_SEGMENTS) throw new InvalidArgument("tar: sparse map too long");
        go(more.extended);
      });
    };
    go(map.extended);
  }

  /** All headers of a member are here: apply the extensions. */
  private member(header: RawHeader, gnuSparse: { segments: Segment[]; realSize: number } | undefined): void {
    const start = this.offset - BLOCK;
    let type = TYPES[header.typeflag];
    if (type === undefined) throw new InvalidArgument(`tar: unhandled tar header type ${JSON.stringify(header.typeflag)} at byte ${start}`);
    const pax = this.records();
    const name = this.longName ?? pax.get("GNU.sparse.name") ?? pax.get("path") ?? header.name;
    const linkName = this.longLink ?? pax.get("linkpath") ?? header.linkName;
    if (name.includes("\0") || linkName.includes("\0")) throw new InvalidArgument(`tar: name with a NUL byte at byte ${start}`);
    let payload = integer(pax, "size", header.size);
    let skipped = 0;
    // A name that ends in a slash was how archives older than POSIX said "directory".
    if ((header.typeflag === "\0" || header.typeflag === "0") && name.endsWith("/")) {
      type = "directory";
      if (header.typeflag === "0") skipped = payload;
    }
    if (type !== "file") payload = 0;
    if (payload < 0 || skipped < 0) throw new InvalidArgument(`tar: negative size at byte ${start}`);
    const mtime = pax.get("mtime");
    const entry: TarEntry = {
      type, name, linkName: type === "link" || type === "symlink" ? linkName : "",
      mode: header.mode & 0o7777,
      uid: integer(pax, "uid", header.uid), gid: integer(pax, "gid", header.gid),
      size: payload,
      mtime: mtime === undefined ? { seconds: header.mtime, nanos: 0 } : parsePaxTime("mtime", mtime),
      major: header.major, minor: header.minor,
      xattrs: xattrsOf(pax),
      sparse: undefined,
    };
    const sparse = type !== "file" ? undefined : (gnuSparse ?? this.paxSparse(pax));
    this.longName = this.longLink = undefined;
    if (this.local.length > 0) this.local = [];
    this.localBytes = 0;
    if (sparse === undefined) this.begin(entry, payload, skipped);
    else if (sparse === "in the payload") this.sparseMapInPayload(entry, payload, integer(pax, "GNU.sparse.realsize", 0));
    else this.begin({ ...entry, size: sparse.realSize, sparse: checkSegments(sparse.segments, sparse.realSize, payload) }, payload, 0);
  }

  private records(): ReadonlyMap<string, ByteString> {
    if (this.local.length === 0 && this.global.size === 0) return noRecords;
    const all = new Map(this.global);
    const offsets: string[] = [], lengths: string[] = [];
    for (const [key, value] of this.local) {
      if (key === "GNU.sparse.offset") offsets.push(value);
      else if (key === "GNU.sparse.numbytes") lengths.push(value);
      all.set(key, value);
    }
    // Form 0.0 repeats two keys; as 0.1 it is one list.
    if (offsets.length > 0 && offsets.length === lengths.length) all.set("GNU.sparse.map", offsets.map((offset, i) => `${offset},${lengths[i]!}`).join(","));
    for (const [key, value] of all) if (value === "" && !key.startsWith(XATTR_PREFIX) && key !== "GNU.sparse.map") all.delete(key);
    return all;
  }

  private paxSparse(pax: ReadonlyMap<string, ByteString>): { segments: Segment[]; realSize: number } | "in the payload" | undefined {
    if (pax.size === 0) return undefined;
    const version = `${pax.get("GNU.sparse.major") ?? ""}.${pax.get("GNU.sparse.minor") ?? ""}`;
    if (version === "1.0") return "in the payload";
    const map = pax.get("GNU.sparse.map");
    if (map === undefined) return undefined;
    const size = pax.get("GNU.sparse.size") ?? pax.get("GNU.sparse.realsize");
    if (size === undefined) throw new InvalidArgument("tar: sparse member without its size");
    return { segments: parseSparseMap(map), realSize: parsePaxInteger("GNU.sparse.size", size) };
  }

  /** Form 1.0: the payload begins with the map, decimal numbers each on a line, filled up to whole blocks. */
  private sparseMapInPayload(entry: TarEntry, payload: number, realSize: number): void {
    const numbers: number[] = [];
    let rest = "";
    let left = payload;
    const block = (bytes: Buffer): void => {
      left -= BLOCK;
      const lines = (rest + bytes.toString("latin1")).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (numbers.length > 0 && numbers.length === 1 + 2 * numbers[0]!) break;
        numbers.push(parsePaxInteger("sparse map", line));
      }
      const count = numbers[0];
      if (count !== undefined && (count < 0 || count > MAX_SEGMENTS)) throw new InvalidArgument("tar: sparse map too long");
      if (count === undefined || numbers.length < 1 + 2 * count) {
        if (rest.length > MAX_DIGITS) throw new InvalidArgument("tar: invalid sparse map");
        return more();
      }
      const found: Segment[] = [];
      for (let i = 0; i < count; i++) found.push({ offset: numbers[1 + 2 * i]!, length: numbers[2 + 2 * i]! });
      this.begin({ ...entry, size: realSize, sparse: checkSegments(found, realSize, left) }, left, 0);
    };
    const more = (): void => {
      if (left < BLOCK) throw new InvalidArgument("tar: sparse map runs out of the member");
      this.expectBlock(BLOCK, block);
    };
    more();
  }

  private begin(entry: TarEntry, payload: number, skipped: number): void {
    this.sink.entry(entry, payload, this.offset);
    if (payload > 0) this.state = { kind: "data", left: payload, padding: paddingOf(payload) };
    else if (skipped > 0) { this.sink.end(); this.pad(skipped + paddingOf(skipped), this.expectHeader); }
    else this.endOfData(0);
  }
  private endOfData(padding: number): void {
    this.sink.end();
    this.pad(padding, this.expectHeader);
  }
  private pad(padding: number, next: () => void): void {
    if (padding === 0) next();
    else this.state = { kind: "padding", left: padding, next };
  }
}

function untilNul(body: Buffer): ByteString {
  const nul = body.indexOf(0);
  return body.toString("latin1", 0, nul < 0 ? body.length : nul);
}

function integer(pax: ReadonlyMap<string, ByteString>, key: string, fallback: number): number {
  const value = pax.get(key);
  return value === undefined ? fallback : parsePaxInteger(key, value);
}

function xattrsOf(pax: ReadonlyMap<string, ByteString>): ReadonlyMap<ByteString, Buffer> {
  let found: Map<ByteString, Buffer> | undefined;
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR_PREFIX)) (found ??= new Map()).set(key.slice(XATTR_PREFIX.length), Buffer.from(value, "latin1"));
  }
  return found ?? noXattrs;
}

/** Runs must be in order, inside the file, and together as long as the payload. Empty runs are dropped. */
function checkSegments(segments: readonly Segment[], realSize: number, payload: number): Segment[] {
  let end = 0, sum = 0;
  for (const { offset, length } of segments) {
    if (offset < end || length < 0 || offset + length > realSize) throw new InvalidArgument("tar: invalid sparse map");
    end = offset + length;
    sum += length;
  }
  if (sum !== payload) throw new InvalidArgument("tar: the sparse map does not match the member's size");
  return segments.filter((segment) => segment.length > 0);
}
