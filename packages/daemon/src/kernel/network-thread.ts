import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { OnDemandThread } from "../core/on-demand-thread.js";
import type { NetworkPlug } from "./network-plug.js";

type Verb = keyof NetworkPlug;
export interface Request { readonly id: number; readonly verb: Verb; readonly argument: readonly unknown[] }
export interface Answer { readonly id: number; readonly value?: unknown; readonly error?: { readonly message: string; readonly code?: string } }
interface Waiting { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }

/**
 * The verbs of NetworkPlug on a thread of their own: it visits other network namespaces, and it waits for the
 * kernel's network lock where the main thread must not. Calls run one after another, in order. The thread starts with
 * the first call, is replaced if it dies, and does not keep the process alive while idle.
 */
export class NetworkThread {
  private readonly thread = new OnDemandThread<Waiting, Answer>({
    name: "the network thread", start: () => new Worker(join(__dirname, "network-worker.js"), { resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 } }),
    callOf: ({ id }) => id,
    receive: ({ resolve, reject }, { id, value, error }) => {
      this.thread.over(id);
      if (error) reject(Object.assign(new Error(error.message), error.code === undefined ? {} : { code: error.code }));
      else resolve(value);
    },
    lost: ({ reject }, error) => reject(error),
  });

  call<V extends Verb>(verb: V, ...argument: Parameters<NetworkPlug[V]>): Promise<ReturnType<NetworkPlug[V]>> {
    return new Promise<unknown>((resolve, reject) => {
      this.thread.begin((id, post) => {
        post({ id, verb, argument } satisfies Request);
        return { resolve, reject };
      });
    }) as Promise<ReturnType<NetworkPlug[V]>>;
  }

  /** Stops the thread; calls under way fail. */
  close(): Promise<void> { return this.thread.end(); }
}
