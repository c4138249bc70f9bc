import type { Readable } from "node:stream";

const BLOCK = 512;

/** A member of a tar. Its body is to be read before the next one is asked for. */
export interface Member {
  readonly name: string;
  readonly type: "file" | "link" | "symlink" | "directory" | "other";
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly link: string;
  readonly size: number;
  readonly body: AsyncIterable<Buffer>;
}

const TYPES: Readonly<Record<string, Member["type"]>> = { "0": "file", "\0": "file", "7": "file", "1": "link", "2": "symlink", "5": "directory" };

/** Takes bytes from a stream in the amounts that are asked for. */
class Source {
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  #held: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  }

  /** At most so many bytes, at least one; empty at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#held.length === 0) {
      const next: IteratorResult<Buffer, undefined> = await this.#chunks.next();
      if (next.done === true) return this.#held;
      this.#held = next.value;
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }
  async exactly(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const part = await this.some(left);
      if (part.length === 0) throw new Error("the archive ends in the middle");
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }
  /** The rest, so that the other side can finish. */
  async drain(): Promise<void> {
    while ((await this.some(1 << 20)).length > 0);
  }
}

/** The members of a tar, pax and GNU's long names read into them. */
export async function* membersOf(stream: Readable): AsyncGenerator<Member> {
  const source = new Source(stream);
  let pax: Readonly<Record<string, string>> = {};
  for (;;) {
    const block = await source.exactly(BLOCK);
    if (block.every((byte) => byte === 0)) return source.drain();
    const text = (at: number, length: number): string => { const part = block.subarray(at, at + length), end = part.indexOf(0); return part.subarray(0, end < 0 ? length : end).toString("utf8"); };
    const type = String.fromCharCode(block[156]!);
    const size = pax["size"] === undefined ? number(block.subarray(124, 136)) : Number(pax["size"]);
    if (type === "x" || type === "g" || type === "L" || type === "K") {
      const body = await source.exactly(size);
      await source.exactly(padding(size));
      if (type === "x") pax = { ...pax, ...records(body) };
      else if (type !== "g") pax = { ...pax, [type === "L" ? "path" : "linkpath"]: body.toString("utf8").replace(/\0.*$/s, "") };
      continue;
    }
    const prefix = text(257, 5) === "ustar" ? text(345, 155) : "";
    let left = size;
    const rest = async function* (): AsyncGenerator<Buffer> {
      while (left > 0) {
        const part = await source.some(left);
        if (part.length === 0) throw new Error("the archive ends in the middle");
        left -= part.length;
        yield part;
      }
    };
    yield {
      name: pax["path"] ?? (prefix === "" ? text(0, 100) : `${prefix}/${text(0, 100)}`), type: TYPES[type] ?? "other", mode: number(block.subarray(100, 108)), size,
      mtime: Number(pax["mtime"] ?? number(block.subarray(136, 148))),
      link: pax["linkpath"] ?? text(157, 100), body: rest(),
    };
    for await (const _ of rest());
    await source.exactly(padding(size));
    pax = {};
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** Octal digits, or GNU's binary form for what does not fit. */
function number(field: Buffer): number {
  if ((field[0]! & 0x80) !== 0) return field.subarray(1).reduce((sum, byte) => sum * 256 + byte, field[0]! & 0x7f);
  return Number.parseInt(field.toString("latin1").replace(/\0.*$/s, "").trim() || "0", 8);
}

function records(body: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.subarray(at, space).toString("latin1"));
    if (space < 0 || !(length > 0)) break;
    const text = body.subarray(space + 1, at + length - 1).toString("utf8");
    found[text.slice(0, text.indexOf("="))] = text.slice(text.indexOf("=") + 1);
    at += length;
  }
  return found;
}
