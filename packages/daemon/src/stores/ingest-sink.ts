import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { WorkerPool } from "../archive/workers/pool.js";

/** Where an ingest's bytes go: to the end of its file, and through a hash of the whole of it. */
export interface Sink {
  /** Length of the file, as far as it is known to be there. */
  readonly written: number;
  /** May return before the bytes are written; a failure shows by a later call at the latest. */
  write(chunk: Uint8Array): Promise<void>;
  /** When all of it is written: SHA-256 of the file, in hex. */
  finish(): Promise<string>;
  /** Resolves when the file is not written any more. */
  abandon(): Promise<void>;
}

/** For few bytes, in a file that was empty. */
export class DirectSink implements Sink {
  private readonly hash: Hash = createHash("sha256");
  written = 0;

  constructor(private readonly file: FileHandle) {}

  async write(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await this.file.write(chunk, done, chunk.length - done, this.written);
      done += bytesWritten;
      this.written += bytesWritten;
    }
    this.hash.update(chunk);
  }
  async finish(): Promise<string> { return this.hash.digest("hex"); }
  async abandon(): Promise<void> {}
}

/** On a thread: hashing and writing megabytes on the main one would hold up every answer. */
export function threadSink(workers: WorkerPool, file: FileHandle, size: number): Sink {
  const job = workers.open("ingest", { fd: file.fd, size });
  return {
    get written() { return size + job.taken; },
    write: (chunk) => job.write(chunk),
    finish: () => job.end(),
    abandon: () => job.abort(),
  };
}
