import { setTimeout as sleep } from "node:timers/promises";

/** What is owed is waited for in portions of at least so much, in milliseconds. */
const WORTH_WAITING = 20;

/** Holds a reader to so many bytes a second. */
export class Pace {
  /** When the next byte may be read, in milliseconds of a clock that never goes back. */
  private due = performance.now();

  /** `rate` 0: no limit. */
  constructor(private readonly rate: number, private readonly signal: AbortSignal) {}

  async read(bytes: number): Promise<void> {
    this.signal.throwIfAborted();
    if (this.rate === 0) return;
    const now = performance.now();
    // Nobody saves up what was not read.
    this.due = Math.max(this.due, now) + (bytes / this.rate) * 1000;
    if (this.due - now > WORTH_WAITING) await sleep(this.due - now, undefined, { signal: this.signal });
  }
}
