import { PassThrough, pipeline, Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { errnoOf, InvalidArgument, messageOf, StrataError, Unavailable } from "../core/errors.js";
import { filter, FilterFailed } from "../kernel/filter.js";
import { findProgram } from "../kernel/spawn.js";
import { zstdFallback } from "./zstd.js";

export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b, 0x08]], ["zstd", [0x28, 0xb5, 0x2f, 0xfd]], ["bzip2", [0x42, 0x5a, 0x68]], ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];
const LONGEST_MAGIC = 6;
/** Below this a program's start costs more than it gains. */
const SMALL = 1 << 20;

/** Programs that unpack, best first. */
const PROGRAMS: Readonly<Record<Exclude<Compression, "none">, readonly (readonly [name: string, ...args: string[]])[]>> = {
  gzip: [["igzip", "-dc"], ["unpigz", "-c"], ["gzip", "-dc"]],
  zstd: [["zstd", "-dcq"]],
  bzip2: [["bzip2", "-dc"]],
  xz: [["xz", "-dc"]],
};

/** What a stream is, by its first bytes. A zstd stream may begin with a skippable frame. */
export function detectCompression(head: Uint8Array): Compression {
  if (head.length >= 4 && (head[0]! & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return "zstd";
  return MAGIC.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0] ?? "none";
}

/**
 * Unpacks gzip, zstd, bzip2 and xz; passes anything else as it is. A stream that is cut off or corrupt ends in
 * InvalidArgument, never silently; an error of `packed` is passed on as it is. Destroying the result destroys `packed`.
 * `programs: false` keeps to what runs in this process.
 */
export function decompress(packed: Readable, options: { readonly programs?: boolean } = {}): Readable {
  const steps = unpack(packed, options.programs ?? true);
  return new Readable({
    highWaterMark: 1 << 20,
    read() { steps.next().then(({ done, value }) => this.push(done ? null : value), (error: Error) => this.destroy(error)); },
    destroy(error, done) {
      // Also ends what a step may be waiting for.
      packed.destroy();
      steps.return().catch(() => undefined);
      done(error);
    },
  });
}

async function* unpack(packed: Readable, programs: boolean): AsyncGenerator<Buffer, void> {
  const input = packed[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>;
  try {
    const head: Buffer[] = [];
    let size = 0, ended = false, kind: Compression | undefined;
    while (!ended && size < SMALL && kind !== "none") {
      const next = await input.next();
      if (next.done) ended = true;
      else { head.push(next.value); size += next.value.length; }
      if (ended || size >= LONGEST_MAGIC) kind ??= detectCompression(Buffer.concat(head));
    }
    async function* all(): AsyncGenerator<Buffer, void> {
      yield* head;
      if (!ended) yield* input;
    }
    if (kind === undefined || kind === "none") return yield* all();
    yield* expand(kind, all(), programs && (size >= SMALL || kind === "bzip2" || kind === "xz"));
  } finally { packed.destroy(); }
}

/** The program that unpacks a large file with this head, with its arguments; null when there is nothing to unpack, undefined when no program does it. */
export function fileFilter(head: Uint8Array): readonly [program: string, ...args: string[]] | null | undefined {
  const kind = detectCompression(head);
  return kind === "none" ? null : programFor(kind);
}
/** Files from this size on are worth a program. */
export const LARGE_FILE = SMALL;

function programFor(kind: Exclude<Compression, "none">): readonly [program: string, ...args: string[]] | undefined {
  for (const [name, ...args] of PROGRAMS[kind]) {
    const path = findProgram(name);
    if (path !== undefined) return [path, ...args];
  }
  return undefined;
}

async function* expand(kind: Exclude<Compression, "none">, input: AsyncGenerator<Buffer, void>, programs: boolean): AsyncGenerator<Buffer, void> {
  const [program, ...args] = (programs ? programFor(kind) : undefined) ?? [];
  try {
    if (program !== undefined) return yield* filter(program, args, input);
    const transform = inProcess(kind);
    if (transform) return yield* through(transform, input);
    throw new Unavailable(`unpacking ${kind} needs the program ${PROGRAMS[kind].map(([name]) => name).join(" or ")}, which is not installed`);
  } catch (error) {
    throw error instanceof FilterFailed || isZlibError(error) ? new InvalidArgument(`corrupt ${kind} stream: ${error instanceof FilterFailed ? error.detail : messageOf(error)}`, { cause: error }) : error;
  }
}
const isZlibError = (error: unknown): boolean => !(error instanceof StrataError) && /^(?:Z_|ERR_ZLIB|ZSTD_)/.test(errnoOf(error) ?? "");

function inProcess(kind: Compression): Transform | undefined {
  if (kind === "gzip") return zlib.createGunzip({ chunkSize: 1 << 20 });
  if (kind !== "zstd") return undefined;
  const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: object) => Transform };
  return createZstdDecompress?.({ chunkSize: 1 << 20 }) ?? zstdFallback();
}

async function* through(transform: Transform, input: AsyncGenerator<Buffer, void>): AsyncGenerator<Buffer, void> {
  const source = Readable.from(input, { objectMode: false, highWaterMark: 1 << 20 });
  // The loop below sees every error; it is told by the first stream that fails.
  pipeline(source, transform, () => undefined);
  yield* transform as AsyncIterable<Buffer>;
}

/** Packs for a push. The same bytes give the same stream on every machine: fixed level, no time, no name. */
export function compressGzip(source: Readable): Readable {
  const out = new PassThrough({ highWaterMark: 1 << 20 });
  pipeline(source, zlib.createGzip({ level: 6, chunkSize: 1 << 18 }), out, () => undefined);
  return out;
}
