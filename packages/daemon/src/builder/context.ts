import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { IgnoreRules, parseIgnoreFile } from "@strata/oci";
import type { Found, Selection } from "../archive/context/select.js";
import type { LayerArguments } from "../archive/context/layer-job.js";
import type { ContextEntry } from "../archive/context/entry.js";
import { decompress, detectCompression } from "../archive/compress.js";
import { singleFile } from "../archive/single-file.js";
import type { WorkerPool } from "../archive/workers/pool.js";
import { InvalidArgument } from "../core/errors.js";

const LARGEST_IGNORE = 1 << 20;

type Chosen = Omit<Selection, "directory" | "hidden">;

/** What a context is read with. */
export interface ReadOptions {
  /** Bytes of the tar, unpacked, at most. */
  readonly limit: number;
  /** What its names are put below. */
  readonly prefix?: string;
  /** What takes the place of their first part. */
  readonly top?: string;
}

/** More than may be unpacked: a bomb, or a disk that is too small. */
export class SourceTooLarge extends InvalidArgument {
  constructor(readonly limit: number, what = "the context") { super(`${what} has more than ${limit} bytes when it is unpacked: build-source-limit, or the disk, allows no more`); }
}

/** Files to build from, in a folder of their own: taken apart, never unpacked. */
export class BuildContext {
  /** Names that are there for nobody. */
  private hidden: readonly string[] = [];
  private constructor(private readonly directory: string, private readonly workers: WorkerPool) {}

  /** Reads a tar, compressed or not. On error nothing stays. */
  static async read(tar: Readable, directory: string, workers: WorkerPool, { limit, prefix = "", top = "" }: ReadOptions): Promise<BuildContext> {
    try {
      await workers.consume("contextIndex", { directory, prefix, top }, limited(decompress(tar), limit));
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
    return new BuildContext(directory, workers);
  }

  /** What a URL gave: a tar, or else a Dockerfile alone. */
  static async fetched(body: Readable, dockerfile: string, directory: string, workers: WorkerPool, options: ReadOptions & { readonly largestFile: number }): Promise<BuildContext> {
    const { head, all } = await peek(body, 512);
    if (isArchive(head)) return BuildContext.read(all, directory, workers, options);
    const parts: Buffer[] = [];
    let length = 0;
    for await (const chunk of all) {
      parts.push(Buffer.from(chunk as Uint8Array));
      if ((length += (chunk as Uint8Array).length) > options.largestFile) throw new InvalidArgument(`remote: neither a tar, nor a Dockerfile of ${options.largestFile} bytes at most`);
    }
    return BuildContext.read(singleFile(dockerfile, Buffer.concat(parts), 0o644, 0), directory, workers, options);
  }

  /** NotFound for a source that is not there. */
  find(chosen: Chosen): Promise<Found> { return this.workers.run("contextFind", { ...chosen, directory: this.directory, hidden: this.hidden }); }
  layer(chosen: Chosen, how: Omit<LayerArguments, "selection">): Readable {
    return this.workers.produce("contextLayer", { ...how, selection: { ...chosen, directory: this.directory, hidden: this.hidden } });
  }
  /** Null where nothing is; symlinks are followed inside. */
  stat(path: string): Promise<ContextEntry | null> { return this.workers.run("contextStat", { directory: this.directory, path }); }
  member(path: string): Readable { return this.workers.produce("contextMember", { directory: this.directory, path }); }

  /** Undefined where there is no such file. InvalidArgument when it has more than `limit` bytes. */
  async text(path: string, limit: number): Promise<string | undefined> {
    const found = await this.stat(path);
    if (found?.type !== "file") return undefined;
    if (found.size > limit) throw new InvalidArgument(`${path} has more than ${limit} bytes`);
    const parts: Buffer[] = [];
    for await (const part of this.member(path)) parts.push(part as Buffer);
    return Buffer.concat(parts).toString("utf8");
  }

  /** What the context's own .dockerignore names of these is sent for the build's sake, and is not copied. */
  async hideIgnored(names: readonly string[]): Promise<void> {
    const text = await this.text(".dockerignore", LARGEST_IGNORE);
    if (text === undefined) return;
    const rules = new IgnoreRules(parseIgnoreFile(text));
    this.hidden = [...names, ".dockerignore"].filter((name) => rules.ignores(name));
  }

  remove(): Promise<void> { return rm(this.directory, { recursive: true, force: true }); }
}

function limited(stream: Readable, limit: number): Readable {
  return Readable.from((async function* () {
    let length = 0;
    for await (const chunk of stream) {
      if ((length += (chunk as Buffer).length) > limit) throw new SourceTooLarge(limit);
      yield chunk as Buffer;
    }
  })(), { objectMode: false });
}

/** By its first 512 bytes: a tar, or something packed that may be one. */
export const isArchive = (head: Buffer): boolean => detectCompression(head) !== "none" || isTar(head);
export const isTar = (head: Buffer): boolean => head.toString("latin1", 257, 262) === "ustar";

async function peek(stream: Readable, count: number): Promise<{ head: Buffer; all: Readable }> {
  const chunks: Buffer[] = [], iterator = stream[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
  for (let length = 0; length < count;) {
    const next = await iterator.next();
    if (next.done) break;
    chunks.push(Buffer.from(next.value));
    length += next.value.length;
  }
  return { head: Buffer.concat(chunks), all: Readable.from((async function* () { yield* chunks; yield* iterator; })(), { objectMode: false }) };
}
