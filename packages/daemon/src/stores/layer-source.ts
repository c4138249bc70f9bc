import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { DiffId } from "@strata/oci";
import { errnoOf, type LayerSource, type PackedFile, type TarFile } from "../core/index.js";
import { HashingStream } from "./verified.js";

/** What a driver reads of a layer that is registered, and what is known of it afterwards. */
export interface HashedSource {
  readonly bytes: LayerSource;
  /** The driver is done: reads what it left, and tells what all bytes were. */
  end(): Promise<{ readonly diffId: DiffId; readonly length: number }>;
  /** Why it failed, when the driver failed with `e`: of two failures the source's is the cause. */
  cause(e: unknown): Promise<unknown>;
}

/** A stream that is hashed while it passes. */
export class HashedStream implements HashedSource {
  readonly bytes = new HashingStream();
  private readonly reading: Promise<void>;

  constructor(tar: Readable) {
    this.reading = pipeline(tar, this.bytes);
    // It is awaited later; until then a failure of the source reaches the driver through the stream.
    this.reading.catch(() => undefined);
  }
  async end(): Promise<{ diffId: DiffId; length: number }> {
    // A driver may stop at the archive's end mark; the diff ID covers what follows, too.
    this.bytes.resume();
    await this.reading;
    return { diffId: this.bytes.digest() as DiffId, length: this.bytes.length };
  }
  cause(e: unknown): Promise<unknown> {
    return this.reading.then(() => e, (failure: unknown) => (errnoOf(failure) === "ERR_STREAM_PREMATURE_CLOSE" ? e : failure));
  }
}

/** A file that whoever unpacks it hashes, too. */
export class HashedFile implements HashedSource {
  readonly bytes: TarFile;
  private found: { diffId: DiffId; length: number } | undefined;

  constructor(file: PackedFile) {
    this.bytes = {
      path: file.path, filter: file.filter, growth: file.growth, progress: (n) => file.progress(n),
      hashed: (sha256, length) => { this.found = { diffId: `sha256:${sha256}` as DiffId, length }; },
      destroy: () => undefined,
    };
  }
  async end(): Promise<{ diffId: DiffId; length: number }> {
    if (this.found === undefined) throw new Error(`${this.bytes.path} was not read to its end`);
    return this.found;
  }
  async cause(e: unknown): Promise<unknown> { return e; }
}
