/**
 * Reads bolt databases (BuildKit and Docker's volumes keep theirs so): pages of one size, two of them metadata of which the newer one that is
 * whole counts, the others B+ trees of keys and values. A value may be a bucket: a tree of its own, or, when small, a page within the value.
 */

const MAGIC = 0xed0cdaed;
const HEADER = 16;
const META = 64;
const BRANCH = 1;
const LEAF = 2;
const DEEPEST = 64;

export class BoltError extends Error {}

interface Meta { readonly pageSize: number; readonly root: bigint; readonly txid: bigint }

/** The root bucket of a database's bytes. */
export function openBolt(file: Buffer): Bucket {
  const metas = [readMeta(file, 0), ...[0x1000, 0x400, 0x800, 0x2000, 0x4000, 0x8000, 0x10000].map((size) => readMeta(file, size))];
  const [newest] = metas.filter((meta) => meta !== undefined).sort((a, b) => (a.txid < b.txid ? 1 : -1));
  if (newest === undefined) throw new BoltError("not a bolt database");
  return new Bucket(new Pages(file, newest.pageSize), newest.root);
}

function readMeta(file: Buffer, at: number): Meta | undefined {
  if (at + HEADER + META > file.length) return undefined;
  const meta = file.subarray(at + HEADER, at + HEADER + META);
  if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== 2) return undefined;
  if (meta.readBigUInt64LE(56) !== fnv1a(meta.subarray(0, 56))) return undefined;
  const pageSize = meta.readUInt32LE(8);
  return pageSize >= 512 && (at === 0 || at === pageSize) ? { pageSize, root: meta.readBigUInt64LE(16), txid: meta.readBigUInt64LE(48) } : undefined;
}

function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

class Pages {
  constructor(private readonly file: Buffer, private readonly size: number) {}

  /** A page with the pages that it runs on into. */
  page(id: bigint): Buffer {
    const at = Number(id) * this.size;
    if (!Number.isSafeInteger(at) || at + HEADER > this.file.length) throw new BoltError(`page ${id} lies beyond the end`);
    return this.file.subarray(at, at + (1 + this.file.readUInt32LE(at + 12)) * this.size);
  }
}

export class Bucket {
  constructor(private readonly pages: Pages, private readonly root: bigint, private readonly inline?: Buffer) {}

  /** Keys and plain values. */
  *values(): Generator<[key: string, value: Buffer]> {
    for (const { key, value, isBucket } of this.#leaves()) if (!isBucket) yield [key.toString(), value];
  }

  *buckets(): Generator<[name: string, bucket: Bucket]> {
    for (const { key, value, isBucket } of this.#leaves()) {
      if (!isBucket) continue;
      if (value.length < HEADER) throw new BoltError("a bucket is cut short");
      const root = value.readBigUInt64LE(0);
      yield [key.toString(), new Bucket(this.pages, root, root === 0n ? value.subarray(HEADER) : undefined)];
    }
  }

  #leaves(): Generator<Leaf> {
    return leavesOf(this.pages, this.inline ?? this.pages.page(this.root), 0);
  }
}

interface Leaf { readonly key: Buffer; readonly value: Buffer; readonly isBucket: boolean }

function* leavesOf(pages: Pages, page: Buffer, depth: number): Generator<Leaf> {
  if (depth > DEEPEST || page.length < HEADER) throw new BoltError("the tree has no end");
  const flags = page.readUInt16LE(8), count = page.readUInt16LE(10);
  if ((flags & (BRANCH | LEAF)) === 0) throw new BoltError("a page of a tree is of another kind");
  if (HEADER + count * 16 > page.length) throw new BoltError("a page is cut short");
  for (let i = 0; i < count; i++) {
    const at = HEADER + i * 16;
    if (flags & BRANCH) yield* leavesOf(pages, pages.page(page.readBigUInt64LE(at + 8)), depth + 1);
    else yield leafAt(page, at);
  }
}

function leafAt(page: Buffer, at: number): Leaf {
  const start = at + page.readUInt32LE(at + 4), middle = start + page.readUInt32LE(at + 8), end = middle + page.readUInt32LE(at + 12);
  if (end > page.length) throw new BoltError("an entry is cut short");
  return { key: page.subarray(start, middle), value: page.subarray(middle, end), isBucket: (page.readUInt32LE(at) & 1) !== 0 };
}
