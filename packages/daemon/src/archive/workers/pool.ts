import { availableParallelism } from "node:os";
import { Readable } from "node:stream";
import { isHandedOver } from "../../core/handover.js";
import type { LayerSource, TarFile } from "../../core/storage.js";
import { AT_FDCWD, close, lseek, O_RDONLY, openat, SEEK_CUR } from "../../kernel/libc.js";
import type { Fed } from "./feed.js";
import type { Arguments, ConsumerKind, LastOf, Result, StepsKind } from "./jobs.js";
import type { FileSource } from "./protocol.js";
import { Thread, type Job } from "./thread.js";

export interface WorkerPoolOptions {
  /** Threads at most. Default: one a core, from 2 to 4. */
  readonly size?: number;
  /** An idle thread ends after so long: one that is warm does the next piece of work much faster. Default 30 s. */
  readonly idleMs?: number;
}

/** A job that is fed piece by piece. */
export interface OpenJob<R> {
  /** Bytes that the job is done with. */
  readonly taken: number;
  /** Waits while the thread is behind; throws once the job has failed. A chunk that was handed over is empty afterwards. */
  write(chunk: Uint8Array): Promise<void>;
  end(): Promise<R>;
  /** Resolves when the job has stopped. */
  abort(): Promise<void>;
}

/**
 * Threads for work that would hold up the event loop: unpacking, packing, walking and removing trees. A thread takes
 * any number of jobs and gives each a turn, so a stream that nobody reads holds up nothing. Threads start when needed
 * and do not keep the process alive while idle.
 */
export class WorkerPool {
  private readonly threads: Thread[] = [];
  private readonly size: number;
  private readonly idleMs: number;

  constructor(options: WorkerPoolOptions = {}) {
    this.size = options.size ?? Math.min(4, Math.max(2, availableParallelism()));
    this.idleMs = options.idleMs ?? 30_000;
  }

  /** Runs a job to its end. */
  async run<K extends StepsKind>(kind: K, args: Arguments<K>): Promise<Result<K>> {
    return (await this.start(kind, args).over) as Result<K>;
  }

  /**
   * Feeds a stream or a file to a job; `last` is what its end needs, which may come later than all bytes. A stream is
   * destroyed when the job fails; a failing stream, or `last`, aborts the job.
   */
  async consume<K extends ConsumerKind>(kind: K, args: Arguments<K>, source: LayerSource, ...lasts: LastOf<K>): Promise<Result<K>> {
    const [last] = lasts as readonly (Promise<unknown> | undefined)[];
    if (!(source instanceof Readable)) return this.consumeFile(kind, args, source, last);
    const job = this.start(kind, args);
    job.over.catch((error: unknown) => source.destroy(error as Error));
    let failure: { readonly error: unknown } | undefined;
    Promise.resolve(last).catch((error: unknown) => {
      failure ??= { error };
      job.abort();
    });
    try {
      for await (const chunk of source) await job.write(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as Uint8Array));
      job.end(await last);
    } catch (error) {
      failure ??= { error };
      job.abort();
    }
    try { return (await job.over) as Result<K>; }
    catch (error) { throw job.aborted && failure ? failure.error : error; }
  }

  private async consumeFile<K extends ConsumerKind>(kind: K, args: Arguments<K>, source: TarFile, last: Promise<unknown> | undefined): Promise<Result<K>> {
    const fd = openat(AT_FDCWD, source.path, O_RDONLY);
    // The filter reads by the same descriptor: its place in the file is how far it came.
    const timer = setInterval(() => source.progress(lseek(fd, 0, SEEK_CUR) ?? 0), 100);
    let failure: { readonly error: unknown } | undefined;
    try {
      const job = this.start(kind, args, { fd, filter: source.filter, grows: source.growth !== null });
      Promise.all([last, follow(job, source.growth)]).then(([value]) => job.end(value), (error: unknown) => { failure = { error }; job.abort(); });
      const { result, sha256, length } = (await job.over) as Fed<Result<K>>;
      source.hashed(sha256, length);
      return result;
    } catch (error) {
      throw failure ? failure.error : error;
    } finally {
      clearInterval(timer);
      close(fd);
    }
  }

  /** Starts a job for bytes that come from more than one source. */
  open<K extends ConsumerKind>(kind: K, args: Arguments<K>): OpenJob<Result<K>> {
    const job = this.start(kind, args);
    const over = job.over as Promise<Result<K>>;
    let failure: { readonly error: unknown } | undefined;
    over.catch((error: unknown) => { failure = { error }; });
    return {
      get taken() { return job.consumed; },
      async write(chunk) {
        const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
        await (isHandedOver(chunk) ? job.give(bytes) : job.write(bytes));
        if (failure) throw failure.error;
      },
      end() {
        job.end(undefined);
        return over;
      },
      async abort() {
        job.abort();
        await over.catch(() => undefined);
      },
    };
  }

  /** A job's output as a stream: nothing starts before it is read. */
  produce<K extends StepsKind>(kind: K, args: Arguments<K>): Readable {
    const begin = (): Job => this.start(kind, args);
    let job: Job | undefined;
    let owed = 0;
    return new Readable({
      highWaterMark: 1 << 20,
      read() {
        if (!job) {
          job = begin();
          job.over.then(() => this.push(null), (error: unknown) => this.destroy(error as Error));
          job.onOutput = (bytes) => {
            if (this.push(bytes)) job!.credit();
            else owed++;
          };
        }
        for (; owed > 0; owed--) job.credit();
      },
      destroy(error, callback) {
        if (!job) return callback(error);
        job.abort();
        job.over.then(() => callback(error), () => callback(error));
      },
    });
  }

  /** Ends every thread; jobs under way fail. */
  async close(): Promise<void> {
    await Promise.all([...this.threads].map((thread) => thread.end()));
  }

  private forget(thread: Thread): void {
    const at = this.threads.indexOf(thread);
    if (at >= 0) this.threads.splice(at, 1);
  }
  private start(kind: string, args: unknown, file?: FileSource): Job {
    let best = this.threads.reduce<Thread | undefined>((a, b) => (a && a.load <= b.load ? a : b), undefined);
    if (!best || (best.load > 0 && this.threads.length < this.size)) {
      best = new Thread(this.idleMs, (thread) => this.forget(thread));
      this.threads.push(best);
    }
    return best.start(kind, args, file);
  }
}

/** Tells a job how its file grows; resolves when that is whole. */
async function follow(job: Job, growth: AsyncIterable<number> | null): Promise<void> {
  if (growth !== null) for await (const length of growth) job.grown(length);
}
