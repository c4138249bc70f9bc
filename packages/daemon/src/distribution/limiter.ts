/** At most `limit` holders at a time; the others wait in order. */
export class Limiter {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) { this.#free = Math.max(1, limit); }

  /** Resolves with the way to give the place back (once). `onWait` is called when there is no place at once. */
  async acquire(signal?: AbortSignal, onWait?: () => void): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else {
      onWait?.();
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(grant), 1);
          reject(signal!.reason as Error);
        };
        const grant = (): void => {
          signal?.removeEventListener("abort", abort);
          resolve();
        };
        this.#waiting.push(grant);
        signal?.addEventListener("abort", abort, { once: true });
      });
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    };
  }

  async run<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }
}
