/** Those who wait for a container to end or to be removed. */
export class Waiters {
  readonly #exit = new Set<(code: number) => void>();
  readonly #removed = new Set<(code: number) => void>();

  /** Subscribes at once; rejects when `signal` aborts. */
  next(what: "exit" | "removed", signal: AbortSignal): Promise<number> {
    const waiting = what === "exit" ? this.#exit : this.#removed;
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(done);
        signal.removeEventListener("abort", abort);
      };
      const done = (code: number) => {
        leave();
        resolve(code);
      };
      const abort = () => {
        leave();
        reject(new Error("no longer waited for", { cause: signal.reason }));
      };
      if (signal.aborted) return abort();
      waiting.add(done);
      signal.addEventListener("abort", abort);
    });
  }

  exited(code: number): void {
    for (const done of [...this.#exit]) done(code);
  }

  removed(code: number): void {
    for (const done of [...this.#removed]) done(code);
  }
}
