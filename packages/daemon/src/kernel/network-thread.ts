import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { NetworkPlug } from "./network-plug.js";

type Verb = keyof NetworkPlug;
export interface Request { readonly id: number; readonly verb: Verb; readonly argument: readonly unknown[] }
export interface Answer { readonly id: number; readonly value?: unknown; readonly error?: { readonly message: string; readonly code?: string } }
interface Waiting { resolve(value: unknown): void; reject(error: Error): void }

/**
 * The verbs of NetworkPlug on a thread of their own: it visits other network namespaces, and it waits for the
 * kernel's network lock where the main thread must not. Calls run one after another, in order. The thread starts with
 * the first call, is replaced if it dies, and does not keep the process alive while idle.
 */
export class NetworkThread {
  private worker: Worker | undefined;
  private last = 0;
  private readonly waiting = new Map<number, Waiting>();

  call<V extends Verb>(verb: V, ...argument: Parameters<NetworkPlug[V]>): Promise<ReturnType<NetworkPlug[V]>> {
    return new Promise<unknown>((resolve, reject) => {
      const worker = (this.worker ??= this.start());
      const id = ++this.last;
      this.waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, verb, argument } satisfies Request);
    }) as Promise<ReturnType<NetworkPlug[V]>>;
  }

  /** Stops the thread; calls under way fail. */
  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(join(__dirname, "network-worker.js"), { resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 } });
    worker.on("message", ({ id, value, error }: Answer) => {
      const call = this.waiting.get(id);
      this.waiting.delete(id);
      if (this.waiting.size === 0) worker.unref();
      if (error) call?.reject(Object.assign(new Error(error.message), error.code === undefined ? {} : { code: error.code }));
      else call?.resolve(value);
    });
    const lost = (why: Error): void => {
      if (this.worker !== worker) return;
      this.worker = undefined;
      const calls = [...this.waiting.values()];
      this.waiting.clear();
      for (const call of calls) call.reject(why);
    };
    worker.on("error", lost);
    worker.on("exit", () => lost(new Error("the network thread ended")));
    return worker;
  }
}
