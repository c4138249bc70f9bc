import { DataLoss, errnoOf, messageOf } from "../../core/errors.js";
import { AT_FDCWD, close, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, openat, pread, read, renameat, startWriteback, write } from "../../kernel/libc.js";
import { Stater } from "../../kernel/stat.js";
import { TarParser } from "../tar-parser.js";
import type { Consumer, Steps } from "../workers/protocol.js";
import { writeIndex } from "./index-writer.js";
import { LayerBuilder } from "./layer-builder.js";
import type { DirectoryNode } from "./nodes.js";
import type { Origin } from "./superblock.js";

export interface IndexArguments {
  /** Where the tar lies, or is to be written. */
  readonly tar: string;
  readonly index: string;
  /** 32 hexadecimal digits, of this layer only. */
  readonly uuid: string;
}

/** Where the layers below are to be seen, nearest first. */
export type Lowers = readonly string[];

/** Data go to the disk while the rest is still coming: the sync at the end then has little to do. */
const WRITEBACK = 8 << 20;
const CHUNK = 1 << 20;

/** Writes a layer's tar as it comes, and its index at the end, for which the layers below have to be in sight. What a failed job leaves behind is the caller's to remove. */
export class ApplyErofsJob implements Consumer<Origin, Lowers> {
  private readonly fd: number;
  private readonly builder = new LayerBuilder();
  private readonly parser = new TarParser(this.builder);
  private length = 0;
  private unsent = 0;
  private open = true;

  constructor(private readonly args: IndexArguments) {
    this.fd = openat(AT_FDCWD, args.tar, O_RDWR | O_CREAT | O_EXCL, 0o600);
  }

  write(chunk: Buffer): void {
    writeAll(this.fd, chunk);
    this.length += chunk.length;
    this.unsent += chunk.length;
    if (this.unsent >= WRITEBACK) {
      startWriteback(this.fd);
      this.unsent = 0;
    }
    this.parser.write(chunk);
  }

  end(lowers: Lowers): Origin {
    this.parser.close();
    startWriteback(this.fd);
    const origin = { tarBytes: this.length, size: this.builder.size };
    saveIndex(this.args, this.builder.finish(lowers), origin, this.fd);
    this.abort();
    return origin;
  }

  abort(): void {
    if (this.open) close(this.fd);
    this.open = false;
  }
}

/** Makes the index of a layer whose tar is there. DataLoss when the tar is not, or is none. */
export function* makeIndex({ lowers, ...args }: IndexArguments & { readonly lowers: Lowers }): Steps<Origin> {
  let fd: number;
  try { fd = openat(AT_FDCWD, args.tar, O_RDONLY); }
  catch (error) { throw new DataLoss(`${args.tar} is missing: ${messageOf(error)}`, { cause: error }); }
  try {
    const { builder, origin } = yield* parsed(args.tar, fd);
    saveIndex(args, builder.finish(lowers), origin, fd);
    return origin;
  } finally { close(fd); }
}

/** Whether an index is byte for byte the one that its tar makes. */
export function* checkIndex({ tar, index, uuid, lowers }: IndexArguments & { readonly lowers: Lowers }): Steps<boolean> {
  const fd = openat(AT_FDCWD, tar, O_RDONLY);
  try {
    const { builder, origin } = yield* parsed(tar, fd);
    return yield* sameAs(index, piecesOf(builder.finish(lowers), uuid, origin, fd));
  } finally { close(fd); }
}

function* sameAs(file: string, pieces: Iterable<Buffer>): Steps<boolean> {
  let fd: number;
  try { fd = openat(AT_FDCWD, file, O_RDONLY); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  try {
    const there = Buffer.allocUnsafeSlow(CHUNK);
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; yield undefined) {
        const n = read(fd, there.subarray(0, Math.min(CHUNK, piece.length - at)));
        if (n === 0 || !there.subarray(0, n).equals(piece.subarray(at, at + n))) return false;
        at += n;
      }
    }
    return read(fd, there) === 0;
  } finally { close(fd); }
}

/** What large files hold is not read. */
function* parsed(tar: string, fd: number): Steps<{ builder: LayerBuilder; origin: Origin }> {
  const builder = new LayerBuilder(), parser = new TarParser(builder);
  const buffer = Buffer.allocUnsafeSlow(CHUNK), zeros = Buffer.alloc(CHUNK), { size } = new Stater().of(fd);
  let tarBytes = 0;
  try {
    for (;;) {
      const skipped = parser.payloadLeft > CHUNK, n = skipped ? CHUNK : pread(fd, buffer, tarBytes);
      if (n === 0) break;
      parser.write(skipped ? zeros : buffer.subarray(0, n));
      tarBytes += n;
      yield undefined;
    }
    parser.close();
    if (tarBytes > size) throw new DataLoss("it ends early");
  } catch (error) { throw new DataLoss(`${tar} is damaged: ${messageOf(error)}`, { cause: error }); }
  return { builder, origin: { tarBytes, size: builder.size } };
}

/** Whole or not at all: others may look meanwhile. */
function saveIndex({ index, uuid }: IndexArguments, root: DirectoryNode, origin: Origin, tar: number): void {
  const next = `${index}.next`;
  const fd = openat(AT_FDCWD, next, O_WRONLY | O_CREAT | O_TRUNC, 0o600);
  try {
    for (const piece of piecesOf(root, uuid, origin, tar)) writeAll(fd, piece);
    startWriteback(fd);
  } finally { close(fd); }
  renameat(AT_FDCWD, next, AT_FDCWD, index);
}

function piecesOf(root: DirectoryNode, uuid: string, origin: Origin, tar: number): Generator<Buffer, void> {
  const read = (into: Buffer, position: number): void => {
    for (let at = 0; at < into.length; ) {
      const n = pread(tar, at === 0 ? into : into.subarray(at), position + at);
      if (n === 0) throw new DataLoss("the tar ends early");
      at += n;
    }
  };
  return writeIndex(root, { ...origin, uuid: Buffer.from(uuid, "hex"), read });
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += write(fd, at === 0 ? bytes : bytes.subarray(at));
}
