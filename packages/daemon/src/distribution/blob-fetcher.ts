import type { Descriptor } from "@strata/oci";
import { DataLoss, StrataError, Unavailable, messageOf } from "../core/index.js";
import type { ContentStore, Ingest, Lease, LeaseStore, Limiter, Logger } from "../core/index.js";
import { Flights } from "./flights.js";
import type { FlightContext } from "./flights.js";
import { EarlyUse, GrowingFile } from "./growth.js";
import type { BlobFile } from "./growth.js";
import { defaultPieces, inPieces } from "./pieces.js";
import type { PiecesPolicy } from "./pieces.js";
import type { BlobBody, Repository } from "./repository.js";
import { backOff, mayResume } from "./retry.js";
import type { RetryPolicy } from "./retry.js";

export type FetchStage = { readonly stage: "waiting" | "verifying" | "complete" } | { readonly stage: "downloading"; readonly current: number; readonly total: number; readonly file: GrowingFile };

export interface BlobFetcherOptions {
  readonly content: ContentStore;
  readonly leases: LeaseStore;
  readonly downloads: Limiter;
  readonly retry: RetryPolicy;
  readonly pieces?: PiecesPolicy;
  /** Whether files become blobs of the content store once they have been used. */
  readonly keeps: () => boolean;
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
   * Calls `use` with the file: a large one while it still comes, and once more when that came to nothing because the download broke or began
   * anew. It goes away with its last user, or becomes a blob that the lease holds; it stays for a resume when `use` was only interrupted.
   * DataLoss when the registry sent something else, Unavailable when it cannot be reached.
   */
  async with<T>(repository: Repository, blob: Descriptor, { signal, lease, report }: FlightContext<FetchStage>, use: (file: BlobFile) => Promise<T>): Promise<T> {
    const early = new EarlyUse(use, signal);
    let file = this.#files.get(blob.digest);
    if (file !== undefined) {
      file.retain();
      report({ stage: "complete" });
    } else {
      const watch = (stage: FetchStage): void => {
        report(stage);
        if (stage.stage === "downloading") early.consider(stage.file);
      };
      try {
        file = await this.#flights.join(blob.digest, signal, watch, (context) => this.#fetch(repository, blob, context), (f) => f.retain());
      } catch (e) {
        await early.settled();
        throw e;
      }
    }
    try {
      const { value: result } = await early.result() ?? { value: await use(file) };
      await file.release("used", lease);
      return result;
    } catch (e) {
      await file.release(worthResuming(e) ? "interrupted" : "failed", lease);
      throw e;
    }
  }

  async #fetch(repository: Repository, blob: Descriptor, context: FlightContext<FetchStage>): Promise<FetchedBlob> {
    const { signal, lease } = context;
    const ingest = await this.#complete(repository, blob, context);
    const file = new FetchedBlob(ingest, blob.size, this.options.keeps(), () => this.#files.delete(blob.digest));
    this.#files.set(blob.digest, file);
    // The flight's own hold, until everyone who waited has one.
    signal.addEventListener("abort", () => {
      file.release(worthResuming(signal.reason) ? "interrupted" : "failed", lease).catch((e: unknown) => this.options.logger.warn({ digest: blob.digest, reason: messageOf(e) }, "download not closed"));
    }, { once: true });
    return file;
  }

  /** An ingest with the whole, verified blob. */
  async #complete(repository: Repository, blob: Descriptor, context: FlightContext<FetchStage>): Promise<Ingest> {
    const { signal, lease, report } = context;
    const ingest = await this.options.content.ingest(`download:${blob.digest}`, blob, lease);
    const resumed = ingest.offset > 0;
    const file = new GrowingFile(ingest.path, blob.size);
    try {
      const release = await this.options.downloads.acquire(signal, () => report({ stage: "waiting" }));
      try {
        await this.#transfer(repository, blob, ingest, file, signal, report);
      } finally {
        release();
      }
      report({ stage: "verifying" });
      await ingest.check();
      signal.throwIfAborted();
      file.complete();
      report({ stage: "complete" });
      return ingest;
    } catch (e) {
      file.fail(e);
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
  async #transfer(repository: Repository, blob: Descriptor, ingest: Ingest, file: GrowingFile, signal: AbortSignal, report: (stage: FetchStage) => void): Promise<void> {
    if (ingest.offset > blob.size) await ingest.truncate();
    file.reach(ingest.offset);
    const policy = this.options.pieces ?? defaultPieces;
    let ranges = true, furthest = ingest.offset;
    for (let fruitless = 1; ingest.offset < blob.size; ) {
      const before = ingest.offset;
      try {
        const inParts = ranges && blob.size - before >= policy.least;
        const body = await repository.blob(blob, before, signal, inParts ? before + policy.piece : undefined);
        if (body.offset !== before) {
          ranges = false;
          file.fail(new Unavailable("the registry sends all of it again"));
          await ingest.truncate();
        }
        const chunks = inParts && body.ranged
          ? inPieces({ first: body, size: blob.size, policy, retry: this.options.retry, signal, open: (from, to, own) => repository.blob(blob, from, own, to) }) : body.chunks;
        await receive({ ...body, chunks }, ingest, file, report);
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

async function receive(body: BlobBody, ingest: Ingest, file: GrowingFile, report: (stage: FetchStage) => void): Promise<void> {
  let received = body.offset;
  for await (const chunk of body.chunks) {
    received += chunk.length;
    if (received > file.size) throw new DataLoss(`the registry sends more than the ${file.size} bytes of its manifest`);
    await ingest.write(chunk);
    file.reach(ingest.written);
    report({ stage: "downloading", current: received, total: file.size, file });
  }
}

/** A verified blob in its ingest file, shared by those who apply it. */
export class FetchedBlob implements BlobFile {
  readonly growth = null;
  readonly whole = true;
  #users = 1;
  #used = false;
  #resume = true;

  constructor(private readonly ingest: Ingest, readonly size: number, private readonly keep: boolean, private readonly gone: () => void) {}

  get path(): string { return this.ingest.path; }

  retain(): void { this.#users++; }

  /** One user leaves: done with it, or cut short and would want it again, or not. */
  async release(how: "used" | "interrupted" | "failed", lease: Lease): Promise<void> {
    this.#used ||= how === "used";
    this.#resume &&= how === "interrupted";
    if (--this.#users > 0) return;
    this.gone();
    if (this.keep && this.#used) await this.ingest.commit(lease);
    else await this.ingest.abort(this.#resume);
  }
}

/** Whether a later attempt can go on with what is there: after a cancel or a lost connection, not after wrong bytes or a full disk. */
export function worthResuming(e: unknown): boolean {
  if (e instanceof StrataError) return e.code === "Unavailable";
  return e instanceof Error && e.name === "AbortError";
}
