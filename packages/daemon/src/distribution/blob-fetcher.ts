import type { Descriptor } from "@strata/oci";
import { DataLoss, StrataError, Unavailable, messageOf } from "../core/index.js";
import type { ContentStore, Ingest, LeaseStore, Logger } from "../core/index.js";
import { Flights } from "./flights.js";
import type { FlightContext } from "./flights.js";
import type { Limiter } from "./limiter.js";
import { defaultPieces, inPieces } from "./pieces.js";
import type { PiecesPolicy } from "./pieces.js";
import type { BlobBody, Repository } from "./repository.js";
import { backOff, mayResume } from "./retry.js";
import type { RetryPolicy } from "./retry.js";

export type FetchStage = { readonly stage: "waiting" | "verifying" | "complete" } | { readonly stage: "downloading"; readonly current: number; readonly total: number };

export interface BlobFetcherOptions {
  readonly content: ContentStore;
  readonly leases: LeaseStore;
  readonly downloads: Limiter;
  readonly retry: RetryPolicy;
  readonly pieces?: PiecesPolicy;
  readonly logger: Logger;
}

/**
 * Downloads blobs into ingests: one transfer per digest however many ask, a few transfers at a time, and what was received before a
 * drop (or a restart) is not asked for again.
 */
export class BlobFetcher {
  readonly #flights: Flights<FetchedBlob, FetchStage>;
  /** Files that are in use, so that a late comer needs no transfer of its own. */
  readonly #files = new Map<string, FetchedBlob>();

  constructor(private readonly options: BlobFetcherOptions) {
    this.#flights = new Flights("download", options.leases);
  }

  /**
   * Calls `use` with the verified file. It goes away with its last user; it stays for a resume when `use` was only interrupted.
   * DataLoss when the registry sent something else, Unavailable when it cannot be reached.
   */
  async with<T>(repository: Repository, blob: Descriptor, signal: AbortSignal, report: (stage: FetchStage) => void, use: (file: FetchedBlob) => Promise<T>): Promise<T> {
    let file = this.#files.get(blob.digest);
    if (file !== undefined) {
      file.retain();
      report({ stage: "complete" });
    } else {
      file = await this.#flights.join(blob.digest, signal, report, (context) => this.#fetch(repository, blob, context), (f) => f.retain());
    }
    try {
      const result = await use(file);
      await file.release(false);
      return result;
    } catch (e) {
      await file.release(worthResuming(e));
      throw e;
    }
  }

  async #fetch(repository: Repository, blob: Descriptor, context: FlightContext<FetchStage>): Promise<FetchedBlob> {
    const { signal } = context;
    const ingest = await this.#complete(repository, blob, context);
    const file = new FetchedBlob(ingest, blob.size, () => this.#files.delete(blob.digest));
    this.#files.set(blob.digest, file);
    // The flight's own hold, until everyone who waited has one.
    signal.addEventListener("abort", () => {
      file.release(worthResuming(signal.reason)).catch((e: unknown) => this.options.logger.warn({ digest: blob.digest, reason: messageOf(e) }, "download not closed"));
    }, { once: true });
    return file;
  }

  /** An ingest with the whole, verified blob. */
  async #complete(repository: Repository, blob: Descriptor, context: FlightContext<FetchStage>): Promise<Ingest> {
    const { signal, lease, report } = context;
    const ingest = await this.options.content.ingest(`download:${blob.digest}`, blob, lease);
    const resumed = ingest.offset > 0;
    try {
      const release = await this.options.downloads.acquire(signal, () => report({ stage: "waiting" }));
      try {
        await this.#transfer(repository, blob, ingest, signal, report);
      } finally {
        release();
      }
      report({ stage: "verifying" });
      await ingest.check();
      signal.throwIfAborted();
      report({ stage: "complete" });
      return ingest;
    } catch (e) {
      await ingest.abort(worthResuming(signal.aborted ? signal.reason : e));
      if (!(e instanceof DataLoss)) throw e;
      // What was there from before may have suffered in a power cut; the registry is not to blame yet.
      if (resumed) return await this.#complete(repository, blob, context);
      // Nor when a mirror may have sent it.
      if (repository.origin !== undefined) return await this.#complete(repository.origin, blob, context);
      throw new DataLoss(`filesystem layer verification failed for digest ${blob.digest}: ${messageOf(e)}`, { cause: e });
    }
  }

  /** Fills the ingest. Gives up after `attempts` tries that came no further than one before. */
  async #transfer(repository: Repository, blob: Descriptor, ingest: Ingest, signal: AbortSignal, report: (stage: FetchStage) => void): Promise<void> {
    if (ingest.offset > blob.size) await ingest.truncate();
    const policy = this.options.pieces ?? defaultPieces;
    let ranges = true, furthest = ingest.offset;
    for (let fruitless = 1; ingest.offset < blob.size; ) {
      const before = ingest.offset;
      try {
        const inParts = ranges && blob.size - before >= policy.least;
        const body = await repository.blob(blob, before, signal, inParts ? before + policy.piece : undefined);
        if (body.offset !== before) {
          ranges = false;
          await ingest.truncate();
        }
        const chunks = inParts && body.ranged
          ? inPieces({ first: body, size: blob.size, policy, retry: this.options.retry, signal, open: (from, to, own) => repository.blob(blob, from, own, to) }) : body.chunks;
        await receive({ ...body, chunks }, ingest, blob, report);
        if (ingest.offset < blob.size) throw new Unavailable(`layer ${blob.digest}: unexpected EOF after ${ingest.offset} of ${blob.size} bytes`);
      } catch (e) {
        signal.throwIfAborted();
        if (ingest.offset > furthest) [furthest, fruitless] = [ingest.offset, 1];
        else if (fruitless++ >= this.options.retry.attempts) {
          // Where every attempt begins at the first byte, a part is of no use to a later one.
          if (!ranges) await ingest.truncate();
          throw e;
        }
        if (!mayResume(e)) throw e;
        this.options.logger.info({ digest: blob.digest, offset: ingest.offset, reason: messageOf(e) }, "download interrupted, going on");
        await backOff(this.options.retry, fruitless, e, signal);
      }
    }
  }
}

async function receive(body: BlobBody, ingest: Ingest, blob: Descriptor, report: (stage: FetchStage) => void): Promise<void> {
  let received = body.offset;
  for await (const chunk of body.chunks) {
    received += chunk.length;
    if (received > blob.size) throw new DataLoss(`the registry sends more than the ${blob.size} bytes of its manifest`);
    await ingest.write(chunk);
    report({ stage: "downloading", current: received, total: blob.size });
  }
}

/** A verified blob in its ingest file, shared by those who apply it. */
export class FetchedBlob {
  #users = 1;
  #keep = true;

  constructor(private readonly ingest: Ingest, readonly size: number, private readonly gone: () => void) {}

  get path(): string { return this.ingest.path; }

  retain(): void { this.#users++; }

  /** `keep`: this user would want the file again. */
  async release(keep: boolean): Promise<void> {
    this.#keep &&= keep;
    if (--this.#users > 0) return;
    this.gone();
    await this.ingest.abort(this.#keep);
  }
}

/** Whether a later attempt can go on with what is there: after a cancel or a lost connection, not after wrong bytes or a full disk. */
export function worthResuming(e: unknown): boolean {
  if (e instanceof StrataError) return e.code === "Unavailable";
  return e instanceof Error && e.name === "AbortError";
}
