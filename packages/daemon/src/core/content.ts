import type { Readable } from "node:stream";
import type { Descriptor, Digest } from "@strata/oci";
import type { Lease } from "./leases.js";

/** Content-addressed bytes: manifests, kept packed layers. There is no delete: drop references, the collector deletes. */
export interface ContentStore {
  /**
   * Stores a body, verified while written; with `expected` a wrong digest or size is DataLoss and nothing is kept.
   * Content that exists already is success.
   */
  put(body: Readable | Uint8Array, lease: Lease, expected?: Partial<Descriptor>): Promise<Descriptor>;
  /**
   * A download under way, found again by `ref` after a drop or a restart. `offset` is what it holds already: all of it when the blob is kept;
   * `check` then reads it, and drops it when it is damaged.
   * Only one ingest of a ref is open at a time; a second caller waits.
   */
  ingest(ref: string, expected: Descriptor, lease: Lease): Promise<Ingest>;
  /** Verified while it is read: an error surfaces before the end of the stream. NotFound when absent. */
  open(digest: Digest, offset?: number): Promise<Readable>;
  /** Whole content, verified. */
  read(digest: Digest): Promise<Buffer>;
  stat(digest: Digest): Descriptor | undefined;
  list(): Iterable<Descriptor>;
}

/** A resumable write of one blob. */
export interface Ingest {
  /** Bytes that it has so far. */
  readonly offset: number;
  /** How many of them are known to be in the file. */
  readonly written: number;
  /** Absolute path of the file being filled, for readers that start before the end. */
  readonly path: string;
  /** Appends; may resolve before the bytes are in the file: they are after `check`, `commit` and `abort(true)`. The chunk may be used again, unless it was handed over. */
  write(chunk: Uint8Array): Promise<void>;
  /** Forgets what was written (the server would not resume). */
  truncate(): Promise<void>;
  /** Verifies the digest and makes the blob durable, held by the lease. DataLoss (and the bytes are dropped) when it does not match. */
  commit(lease: Lease): Promise<Descriptor>;
  /**
   * Verifies size and digest of what was written; the bytes stay where they are until `abort` or `commit`, so that a
   * download that is not applied yet survives a cancel. DataLoss (and the bytes are dropped) when they do not match.
   */
  check(): Promise<void>;
  /** Closes without commit; `keep` leaves the bytes, if there are any, for a later resume. */
  abort(keep: boolean): Promise<void>;
}
