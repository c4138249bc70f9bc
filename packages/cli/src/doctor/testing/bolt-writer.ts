/** What a bucket of a test's database holds. */
export interface Tree { readonly [key: string]: string | Tree }

const PAGE = 4096;

/** Writes bolt databases for tests: leaves of so many entries below one branch, small buckets inline, large ones on pages of their own. */
export class BoltWriter {
  readonly #pages: Buffer[] = [Buffer.alloc(PAGE), Buffer.alloc(PAGE), page(2, 0x10, [], 0)];

  /** `fanout`: how many entries a leaf has. */
  static write(tree: Tree, fanout = 3): Buffer {
    const writer = new BoltWriter();
    const root = writer.#tree(tree, fanout);
    const metas = [meta(0, root, writer.#count(), 6n), meta(1, root, writer.#count(), 7n)];
    return Buffer.concat([...metas, ...writer.#pages.slice(2)]);
  }

  #count(): number { return this.#pages.reduce((sum, { length }) => sum + length / PAGE, 0); }

  #add(flags: number, entries: readonly Entry[]): number {
    const id = this.#count();
    this.#pages.push(page(id, flags, entries));
    return id;
  }

  #tree(tree: Tree, fanout: number): number {
    const entries = Object.keys(tree).sort().map((key) => this.#entry(key, tree[key]!, fanout));
    if (entries.length <= fanout) return this.#add(2, entries);
    const children: Entry[] = [];
    for (let at = 0; at < entries.length; at += fanout) {
      const some = entries.slice(at, at + fanout);
      children.push({ key: some[0]!.key, value: Buffer.alloc(0), child: this.#add(2, some) });
    }
    return this.#add(1, children);
  }

  #entry(name: string, value: string | Tree, fanout: number): Entry {
    const key = Buffer.from(name);
    if (typeof value === "string") return { key, value: Buffer.from(value) };
    const small = Object.values(value).every((one) => typeof one === "string" && one.length < 40) && Object.keys(value).length <= fanout;
    const head = Buffer.alloc(16);
    if (!small) {
      head.writeBigUInt64LE(BigInt(this.#tree(value, fanout)));
      return { key, value: head, bucket: true };
    }
    const inline = pageBytes(0, 2, Object.keys(value).sort().map((one) => this.#entry(one, value[one]!, fanout)));
    return { key, value: Buffer.concat([head, inline]), bucket: true };
  }
}

interface Entry { readonly key: Buffer; readonly value: Buffer; readonly bucket?: boolean; readonly child?: number }

function pageBytes(id: number, flags: number, entries: readonly Entry[]): Buffer {
  const head = Buffer.alloc(16 + entries.length * 16), data: Buffer[] = [];
  head.writeBigUInt64LE(BigInt(id));
  head.writeUInt16LE(flags, 8);
  head.writeUInt16LE(entries.length, 10);
  let at = head.length;
  entries.forEach(({ key, value, bucket, child }, index) => {
    const element = 16 + index * 16;
    if (child === undefined) {
      for (const [word, offset] of [[bucket === true ? 1 : 0, 0], [at - element, 4], [key.length, 8], [value.length, 12]] as const) head.writeUInt32LE(word, element + offset);
    } else {
      for (const [word, offset] of [[at - element, 0], [key.length, 4]] as const) head.writeUInt32LE(word, element + offset);
      head.writeBigUInt64LE(BigInt(child), element + 8);
    }
    data.push(key, value);
    at += key.length + value.length;
  });
  return Buffer.concat([head, ...data]);
}

/** Runs on into as many pages as it takes. */
function page(id: number, flags: number, entries: readonly Entry[], overflow?: number): Buffer {
  const bytes = pageBytes(id, flags, entries), pages = Math.ceil(bytes.length / PAGE);
  bytes.writeUInt32LE(overflow ?? pages - 1, 12);
  return Buffer.concat([bytes, Buffer.alloc(pages * PAGE - bytes.length)]);
}

function meta(id: number, root: number, pages: number, txid: bigint): Buffer {
  const bytes = Buffer.alloc(PAGE);
  bytes.writeBigUInt64LE(BigInt(id));
  bytes.writeUInt16LE(4, 8);
  const body = bytes.subarray(16);
  [0xed0cdaed, 2, PAGE, 0].forEach((word, at) => body.writeUInt32LE(word, at * 4));
  [BigInt(root), 0n, 2n, BigInt(pages), txid].forEach((word, at) => body.writeBigUInt64LE(word, 16 + at * 8));
  let hash = 0xcbf29ce484222325n;
  for (const byte of body.subarray(0, 56)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  body.writeBigUInt64LE(hash, 56);
  return bytes;
}
