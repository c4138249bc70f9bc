import type { Lease, LeaseStore } from "../core/index.js";

/** What shared work sees of its callers. */
export interface FlightContext<P> {
  /** Aborted when the last caller has left, with that caller's reason if it aborted. */
  readonly signal: AbortSignal;
  /** Held until every caller has taken over what the work made. */
  readonly lease: Lease;
  /** Goes to every caller; one that joins later gets the last line first. */
  readonly report: (line: P) => void;
}

interface Flight<T, P> {
  readonly result: Promise<T>;
  readonly abort: AbortController;
  readonly sinks: Set<(line: P) => void>;
  last: P | undefined;
  left: () => void;
  /** The work and its lease are over, whatever became of it. */
  done: Promise<void>;
}

/**
 * Work of which one instance per key runs at a time; whoever asks for the same key meanwhile shares it. It goes on for as long as one
 * caller is interested.
 */
export class Flights<T, P> {
  readonly #flights = new Map<string, Flight<T, P>>();

  constructor(private readonly purpose: string, private readonly leases: LeaseStore) {}

  /** The result of what is under way for a key, without taking part in it. */
  peek(key: string): Promise<T> | undefined {
    return this.#flights.get(key)?.result;
  }

  /**
   * Joins or begins the work. `adopt` runs for this caller after success, while the work's lease still holds what was made: there the
   * caller takes its own hold. A caller that aborts leaves without disturbing the others; the last one sees the work wound up.
   */
  async join(key: string, signal: AbortSignal, sink: (line: P) => void, work: (context: FlightContext<P>) => Promise<T>, adopt: (result: T) => void): Promise<T> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    if (flight.last !== undefined) sink(flight.last);
    // One sink may be given by two callers.
    const own = (line: P): void => sink(line);
    flight.sinks.add(own);
    let onAbort = (): void => {};
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      const result = await Promise.race([flight.result, aborted]);
      adopt(result);
      return result;
    } finally {
      signal.removeEventListener("abort", onAbort);
      flight.sinks.delete(own);
      if (flight.sinks.size === 0) {
        // A next caller must not join work that is being given up.
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.abort.abort(signal.aborted ? signal.reason : undefined);
        flight.left();
        if (signal.aborted) await flight.done;
      }
    }
  }

  #begin(key: string, work: (context: FlightContext<P>) => Promise<T>): Flight<T, P> {
    const abort = new AbortController();
    const sinks = new Set<(line: P) => void>();
    let left = (): void => {};
    const allLeft = new Promise<void>((resolve) => { left = resolve; });
    let settle: { resolve: (value: T) => void; reject: (reason: unknown) => void };
    const result = new Promise<T>((resolve, reject) => { settle = { resolve, reject }; });
    const flight: Flight<T, P> = { result, abort, sinks, last: undefined, left, done: Promise.resolve() };
    result.catch(() => {});
    this.#flights.set(key, flight);
    flight.done = this.leases.with(this.purpose, async (lease) => {
      const report = (line: P): void => {
        flight.last = line;
        for (const sink of sinks) sink(line);
      };
      settle.resolve(await work({ signal: abort.signal, lease, report }));
      await allLeft;
    }).catch((e: unknown) => settle.reject(e));
    return flight;
  }

  /** Resolves when nothing is under way. For tests and an orderly end. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#flights.values()].map((f) => f.result));
  }
}
