import type { Transferable, Worker } from "node:worker_threads";

/** `C`: a call under way. `M`: what the thread says. */
export interface ThreadUse<C, M> {
  readonly start: () => Worker;
  /** As errors name it: "the thread of the ledger". */
  readonly name: string;
  /** A thread that nobody called for so long ends. Default: it stays. */
  readonly idleMs?: number;
  /** Number of the call that a message is about. */
  readonly callOf: (message: M) => number;
  readonly receive: (call: C, message: M) => void;
  /** The thread ended, or died, before the call was over. */
  readonly lost: (call: C, error: Error) => void;
  /** It ended, for whatever reason. */
  readonly gone?: () => void;
}
export type Post = (message: unknown, transfer?: readonly Transferable[]) => void;

/**
 * A worker thread that starts with the first call, ends when there were none for a while, and is replaced if it dies. While idle it does
 * not keep the process alive.
 */
export class OnDemandThread<C, M> {
  private readonly calls = new Map<number, C>();
  private worker: Worker | undefined;
  private next = 1;
  private idle: NodeJS.Timeout | undefined;

  constructor(private readonly use: ThreadUse<C, M>) {}

  /** Calls under way. */
  get load(): number { return this.calls.size; }

  /** Begins a call: `post` is the way to the thread that it has for all its life. */
  begin<D extends C>(make: (id: number, post: Post) => D): D {
    clearTimeout(this.idle);
    const worker = (this.worker ??= this.start()), id = this.next++;
    worker.ref();
    const call = make(id, (message, transfer) => worker.postMessage(message, transfer));
    this.calls.set(id, call);
    return call;
  }

  /** A call is over. False when it was already. */
  over(id: number): boolean {
    if (!this.calls.delete(id)) return false;
    if (this.calls.size === 0) this.rest();
    return true;
  }

  /** Resolves when the thread has ended; calls under way are lost by then. */
  async end(): Promise<void> {
    clearTimeout(this.idle);
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = this.use.start();
    worker.on("message", (message: M) => {
      const call = this.calls.get(this.use.callOf(message));
      if (call !== undefined) this.use.receive(call, message);
    });
    worker.on("error", (error) => this.lose(worker, error));
    worker.on("exit", () => this.lose(worker, new Error(`${this.use.name} ended`)));
    return worker;
  }

  private rest(): void {
    const { worker } = this, { idleMs } = this.use;
    if (worker === undefined) return;
    worker.unref();
    if (idleMs === undefined) return;
    this.idle = setTimeout(() => {
      this.worker = undefined;
      this.use.gone?.();
      void worker.terminate();
    }, idleMs);
    this.idle.unref();
  }

  private lose(worker: Worker, error: Error): void {
    if (this.worker !== worker) return;
    clearTimeout(this.idle);
    this.worker = undefined;
    this.use.gone?.();
    for (const [id, call] of [...this.calls]) {
      this.use.lost(call, error);
      this.calls.delete(id);
    }
  }
}
