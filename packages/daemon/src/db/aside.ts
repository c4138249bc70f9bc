import { join } from "node:path";
import { Worker } from "node:worker_threads";

/** `all`: the rows of a query. `checkpoint`: what is in the write-ahead log goes into the database. */
export type AsideJob = { readonly kind: "all"; readonly sql: string; readonly parameters: readonly unknown[] } | { readonly kind: "checkpoint" };
export type AsideRequest = AsideJob & { readonly id: number; readonly path: string };
export interface AsideAnswer { readonly id: number; readonly value?: unknown; readonly error?: string }

/** A thread that nobody needs ends after so long. */
const IDLE_MS = 30_000;

/**
 * Work on the database that would hold up the event loop, on a thread that starts when it is needed. Each job has a connection of
 * its own that is closed after it, so the main connection is the last one and leaves no log behind.
 */
export class Aside {
  private worker: Worker | undefined;
  private readonly waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  private idle: NodeJS.Timeout | undefined;
  private next = 1;

  constructor(private readonly path: string) {}

  run(job: AsideJob): Promise<unknown> {
    clearTimeout(this.idle);
    const worker = this.worker ??= this.start(), id = this.next++;
    worker.ref();
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage({ ...job, id, path: this.path } satisfies AsideRequest);
    });
  }

  /** Jobs under way come to no end, but their connections are closed when this resolves. */
  async end(): Promise<void> {
    clearTimeout(this.idle);
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(join(__dirname, "aside-thread.js"));
    worker.on("message", ({ id, value, error }: AsideAnswer) => {
      const job = this.waiting.get(id);
      this.waiting.delete(id);
      if (this.waiting.size === 0) this.rest(worker);
      if (error === undefined) job?.resolve(value);
      else job?.reject(new Error(error));
    });
    worker.on("error", (error) => this.lost(worker, error));
    worker.on("exit", () => this.lost(worker, new Error("the thread of the ledger ended")));
    return worker;
  }
  private rest(worker: Worker): void {
    worker.unref();
    this.idle = setTimeout(() => {
      this.worker = undefined;
      void worker.terminate();
    }, IDLE_MS);
    this.idle.unref();
  }
  private lost(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    for (const job of this.waiting.values()) job.reject(error);
    this.waiting.clear();
  }
}
