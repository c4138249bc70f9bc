import { Limiter } from "../core/index.js";

/** How long one waits for a turn that does not come: somebody else's file system that hangs holds up nobody for good. */
const PATIENCE_MS = 1000;

/** Work of many at once, a few at a time, so that the event loop has room for those who ask meanwhile. */
export class Turns {
  readonly #limiter: Limiter;

  constructor(atOnce: number) { this.#limiter = new Limiter(atOnce); }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.#limiter.acquire(AbortSignal.timeout(PATIENCE_MS)).catch(() => () => {});
    try {
      return await work();
    } finally {
      release();
    }
  }
}
