import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { type Ignored, IgnoreRules } from "@strata/oci";
import { CliError, messageOf } from "../cli.js";
import { TAR_END, tarHeader, type TarMember, tarPadding } from "./tar.js";

/** A file that goes into the context in place of one of that name, if there is one. */
export interface Extra {
  readonly name: string;
  readonly content: Buffer;
}

/** Files up to this size are read in one go, without leaving the thread. */
const SMALL = 1 << 18;
const CHUNK = 1 << 20;

/**
 * A directory as a tar: what the patterns do not ignore, in the order of names, owned by root. Fails with a message that
 * names what cannot be read.
 */
export function packContext(root: string, patterns: readonly string[], extras: readonly Extra[] = []): Readable {
  return Readable.from(inChunks(new Packer(root, new IgnoreRules(patterns), extras)), { objectMode: false, highWaterMark: CHUNK });
}

/** Bytes of the archive, or a file too large to be read in one go. */
type Part = Buffer | { readonly large: string; readonly member: Omit<TarMember, "type" | "size"> };

/** Small parts are put together: a header is half a kilobyte. */
async function* inChunks(packer: Packer): AsyncGenerator<Buffer> {
  let held: Buffer[] = [], size = 0;
  for (const part of packer.members()) {
    if (Buffer.isBuffer(part)) {
      held.push(part);
      size += part.length;
      if (size < SMALL) continue;
    }
    yield Buffer.concat(held, size);
    [held, size] = [[], 0];
    if (!Buffer.isBuffer(part)) yield* packer.large(part.large, part.member);
  }
  yield Buffer.concat([...held, TAR_END]);
}

class Packer {
  /** The name that a file with several links was first met by. */
  readonly #links = new Map<string, string>();
  readonly #extras: ReadonlyMap<string, Buffer>;
  constructor(private readonly root: string, private readonly rules: IgnoreRules, extras: readonly Extra[]) {
    this.#extras = new Map(extras.map(({ name, content }) => [bytes(name), content]));
  }

  *members(): Generator<Part> {
    yield* this.#directory("", undefined, []);
    const mtime = Math.trunc(Date.now() / 1000);
    for (const [name, content] of this.#extras) {
      yield tarHeader({ name, type: "file", mode: 0o600, mtime, size: content.length });
      yield content;
      yield tarPadding(content.length);
    }
  }

  /** `waiting`: headers of directories that are ignored themselves; they are written once something in them is not. */
  *#directory(path: string, above: Ignored | undefined, waiting: Buffer[]): Generator<Part> {
    if (above?.ignored !== true) yield* waiting.splice(0);
    const names = this.#attempt(path, () => readdirSync(this.#path(path), { encoding: "latin1" })).sort((a, b) => (a < b ? -1 : 1));
    for (const name of names) {
      const inside = path === "" ? name : `${path}/${name}`;
      if (this.#extras.has(inside)) continue;
      const said = this.rules.below(Buffer.from(inside, "latin1").toString("utf8"), above);
      const stats = this.#attempt(inside, () => lstatSync(this.#path(inside)));
      if (stats.isDirectory()) yield* this.#subdirectory(inside, said, stats, waiting);
      else if (!said.ignored && !stats.isSocket()) {
        yield* waiting.splice(0);
        yield* this.#leaf(inside, stats);
      }
    }
  }

  *#subdirectory(path: string, said: Ignored, stats: Stats, waiting: Buffer[]): Generator<Part> {
    if (said.ignored && !this.rules.mayHoldExceptions(Buffer.from(path, "latin1").toString("utf8"))) return;
    const header = tarHeader({ ...described(stats), name: `${path}/`, type: "directory" });
    if (!said.ignored) yield* waiting.splice(0);
    waiting.push(header);
    yield* this.#directory(path, said, waiting);
    // Nothing in it was wanted.
    const at = waiting.indexOf(header);
    if (at >= 0) waiting.splice(at);
  }

  *#leaf(name: string, stats: Stats): Generator<Part> {
    const member = { ...described(stats), name };
    const earlier = stats.nlink > 1 ? this.#links.get(`${stats.dev}:${stats.ino}`) : undefined;
    if (stats.nlink > 1 && earlier === undefined) this.#links.set(`${stats.dev}:${stats.ino}`, name);
    if (earlier !== undefined) yield tarHeader({ ...member, type: "link", linkName: earlier });
    else if (stats.isSymbolicLink()) yield tarHeader({ ...member, type: "symlink", mode: 0o777, linkName: this.#attempt(name, () => readlinkSync(this.#path(name), { encoding: "latin1" })) });
    else if (stats.isFile()) yield* this.#file(name, member, stats.size);
    else yield tarHeader({ ...member, type: stats.isFIFO() ? "fifo" : stats.isBlockDevice() ? "block" : "char", device: deviceOf(stats.rdev) });
  }

  *#file(name: string, member: Omit<TarMember, "type" | "size">, size: number): Generator<Part> {
    if (size > SMALL) {
      yield { large: name, member };
      return;
    }
    const content = this.#attempt(name, () => readSmall(this.#path(name)));
    yield tarHeader({ ...member, type: "file", size: content.length });
    yield content;
    yield tarPadding(content.length);
  }

  async *large(name: string, member: Omit<TarMember, "type" | "size">): AsyncGenerator<Buffer> {
    const file = await open(this.#path(name)).catch((e: unknown) => this.#fail(name, e));
    try {
      const { size } = await file.stat();
      yield tarHeader({ ...member, type: "file", size });
      for (let at = 0; at < size;) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
        if (bytesRead === 0) throw new CliError(`file ('${this.#shown(name)}') became shorter while it was read`);
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
      yield tarPadding(size);
    } finally {
      await file.close();
    }
  }

  #path(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), Buffer.from(name, "latin1")]);
  }
  #shown(name: string): string {
    return `${this.root}/${Buffer.from(name, "latin1").toString("utf8")}`;
  }

  #attempt<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (e) {
      return this.#fail(name, e);
    }
  }

  #fail(name: string, cause: unknown): never {
    const { code } = cause as NodeJS.ErrnoException;
    const shown = this.#shown(name);
    const message = code === "EACCES" ? `no permission to read from '${shown}'` : code === "ENOENT" ? `file ('${shown}') disappeared while the context was read` : messageOf(cause);
    throw new CliError(`checking context: ${message}`, 1, { cause });
  }
}

/** The whole file as it is now: its header is written from what was read. */
function readSmall(path: Buffer): Buffer {
  const fd = openSync(path, "r");
  try {
    const content = Buffer.allocUnsafe(fstatSync(fd).size);
    let at = 0;
    for (let read = 1; at < content.length && read > 0; at += read) read = readSync(fd, content, at, content.length - at, at);
    return content.subarray(0, at);
  } finally {
    closeSync(fd);
  }
}

function described(stats: Stats): { mode: number; mtime: number } {
  return { mode: stats.mode & 0o7777, mtime: Math.floor(stats.mtimeMs / 1000) };
}

const bytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

/** As Linux packs them into a number. */
function deviceOf(device: number): [major: number, minor: number] {
  const high = Math.trunc(device / 2 ** 32);
  return [((device >>> 8) & 0xfff) | (high & ~0xfff), (device & 0xff) | ((device >>> 12) & 0xfff00)];
}
