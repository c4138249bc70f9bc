import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { Readable, Transform, type TransformCallback } from "node:stream";
import type { Digest } from "@strata/oci";
import { DataLoss, errnoOf } from "../core/index.js";

const CHUNK = 1 << 20;
const digestFrom = (hash: Hash): Digest => `sha256:${hash.digest("hex")}` as Digest;

/** Passes bytes on and hashes them; `digest` and `length` are of everything that passed. */
export class HashingStream extends Transform {
  private readonly hash = createHash("sha256");
  length = 0;
  constructor() { super({ highWaterMark: CHUNK }); }
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.hash.update(chunk);
    this.length += chunk.length;
    done(null, chunk);
  }
  /** To be called once, at the end. */
  digest(): Digest { return digestFrom(this.hash); }
}

/** `source`, which fails with DataLoss before its end unless its bytes have the digest. */
export function verified(source: Readable, expected: Digest, what: string): Readable {
  const hash = createHash("sha256");
  return Readable.from((async function* () {
    // One chunk is held back, so that nobody sees the end of bytes that are wrong.
    let held: Buffer | undefined;
    for await (const chunk of source as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (held !== undefined) yield held;
      held = chunk;
    }
    const found = digestFrom(hash);
    if (found !== expected) throw new DataLoss(`${what} is corrupt: its bytes have digest ${found}, not ${expected}`);
    if (held !== undefined) yield held;
  })(), { objectMode: false, highWaterMark: CHUNK });
}

/**
 * A file of `size` bytes with a digest, read from `offset`. The bytes before are read too, to be verified.
 * DataLoss before the end when they are wrong, and when the file is not there.
 */
export function readVerified(path: string, expected: Digest, size: number, offset = 0): Readable {
  return Readable.from((async function* () {
    const hash = createHash("sha256");
    const lost = (why: string): DataLoss => new DataLoss(`blob ${expected} is corrupt: ${why}`);
    const file = await open(path).catch((e: unknown) => { throw errnoOf(e) === "ENOENT" ? lost("its file is missing") : e; });
    try {
      if ((await file.stat()).size !== size) throw lost("its file has the wrong length");
      for (let position = 0; position < size;) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(CHUNK, size - position)), 0, null, position);
        if (bytesRead === 0) throw lost("its file ends early");
        const chunk = buffer.subarray(0, bytesRead), start = position;
        hash.update(chunk);
        position += bytesRead;
        if (position === size && digestFrom(hash) !== expected) throw lost("its bytes have another digest");
        if (position > offset) yield start >= offset ? chunk : chunk.subarray(offset - start);
      }
    } finally {
      await file.close();
    }
  })(), { objectMode: false, highWaterMark: CHUNK });
}
