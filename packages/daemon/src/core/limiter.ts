/** At most `limit` holders at a time; the others wait in order. */
export class Limiter {
  /** Negative after a lower limit, until enough holders are done. */
  #free: number;
  #limit: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) { this.#free = this.#limit = Math.max(1, limit); }

  /** Holds from now on; who has a place keeps it. */
  set limit(limit: number) {
    const next = Math.max(1, limit);
    this.#free += next - this.#limit;
    this.#limit = next;
    this.#grant();
  }

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
      this.#free++;
      this.#grant();
    };
  }

  #grant(): void {
    while (this.#free > 0 && this.#waiting.length > 0) {
      this.#free--;
      this.#waiting.shift()!();
    }
  }
}
