import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { OnDemandThread } from "../core/index.js";

/** `all`: the rows of a query. `checkpoint`: what is in the write-ahead log goes into the database. */
export type AsideJob = { readonly kind: "all"; readonly sql: string; readonly parameters: readonly unknown[] } | { readonly kind: "checkpoint" };
export type AsideRequest = AsideJob & { readonly id: number; readonly path: string };
export interface AsideAnswer { readonly id: number; readonly value?: unknown; readonly error?: string }

interface Waiting { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }

/** A thread that nobody needs ends after so long. */
const IDLE_MS = 30_000;

/**
 * Work on the database that would hold up the event loop, on a thread that starts when it is needed. Each job has a connection of
 * its own that is closed after it, so the main connection is the last one and leaves no log behind.
 */
export class Aside {
  private readonly thread = new OnDemandThread<Waiting, AsideAnswer>({
    name: "the thread of the ledger", idleMs: IDLE_MS, start: () => new Worker(join(__dirname, "aside-thread.js")),
    callOf: ({ id }) => id,
    receive: ({ resolve, reject }, { id, value, error }) => {
      this.thread.over(id);
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    },
    lost: ({ reject }, error) => reject(error),
  });

  constructor(private readonly path: string) {}

  run(job: AsideJob): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.thread.begin((id, post) => {
        post({ ...job, id, path: this.path } satisfies AsideRequest);
        return { resolve, reject };
      });
    });
  }

  /** Jobs under way come to no end, but their connections are closed when this resolves. */
  end(): Promise<void> { return this.thread.end(); }
}
