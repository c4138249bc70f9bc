import type { Clock, EventBus, StrataEvent } from "../core/index.js";
import { Unavailable } from "../core/index.js";

/** How many past events are held for `since`. */
const HELD = 4096;
/** How many events may wait for one subscriber before it is let go. */
const QUEUED = 8192;
/** Longest span that a timer takes, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** Events within this process: the last ones are held, subscribers have bounded queues, listeners are called at once. */
export class LocalEvents implements EventBus {
  readonly #held: StrataEvent[] = [];
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners = new Set<(event: StrataEvent) => void>();
  readonly #clock: Clock;
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many clients follow. */
  get subscribers(): number {
    return this.#subscriptions.size;
  }

  emit(event: Omit<StrataEvent, "time">): void {
    // Two events never share a time: clients go on from the last one they saw.
    const time = (this.#last = Math.max(this.#clock.now(), this.#last + 0.001));
    const timed: StrataEvent = { ...event, time };
    if (this.#held.push(timed) > HELD * 2) this.#held.splice(0, this.#held.length - HELD);
    for (const listener of this.#listeners) listener(timed);
    for (const subscription of this.#subscriptions) subscription.push(timed);
  }

  on(listener: (event: StrataEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes part from the call on, not from the first read. A subscriber that falls far behind gets Unavailable. */
  subscribe(options: { since?: number; until?: number; signal: AbortSignal }): AsyncIterable<StrataEvent> {
    const { since, until, signal } = options;
    const past = since === undefined ? [] : this.#held.filter((e) => e.time >= since && (until === undefined || e.time <= until));
    const subscription = new Subscription(past, until, () => this.#subscriptions.delete(subscription));
    const left = until === undefined ? undefined : until - this.#clock.now();
    if (signal.aborted || (left !== undefined && left <= 0)) {
      subscription.end();
    } else {
      this.#subscriptions.add(subscription);
      signal.addEventListener("abort", () => subscription.end(), { once: true });
      if (left !== undefined && left < LONGEST) subscription.endAfter(left);
    }
    return subscription;
  }
}

/** One subscriber's queue. */
class Subscription implements AsyncIterable<StrataEvent>, AsyncIterator<StrataEvent> {
  readonly #queue: StrataEvent[];
  readonly #until: number | undefined;
  readonly #leave: () => void;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  #overrun = false;

  constructor(past: StrataEvent[], until: number | undefined, leave: () => void) {
    this.#queue = past;
    this.#until = until;
    this.#leave = leave;
  }

  push(event: StrataEvent): void {
    if (this.#until !== undefined && event.time > this.#until) return this.end();
    if (this.#queue.push(event) > QUEUED) {
      this.#overrun = true;
      this.#queue.length = 0;
      this.end();
    }
    this.#wake?.();
  }
  endAfter(ms: number): void {
    this.#timer = setTimeout(() => this.end(), ms).unref();
  }
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#leave();
    this.#wake?.();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
  async next(): Promise<IteratorResult<StrataEvent, undefined>> {
    for (;;) {
      const value = this.#queue.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#overrun) {
        this.#overrun = false;
        throw new Unavailable("events came faster than they were read");
      }
      if (this.#ended) return { value: undefined, done: true };
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }
  return(): Promise<IteratorResult<StrataEvent, undefined>> {
    this.#queue.length = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }
}
