import { type Clock, type Logger, NotFound, Unavailable } from "../../core/index.js";
import type { Figures } from "./figures.js";

/** Things of which each can be measured by itself. */
export interface Measurable {
  readonly kind: string;
  /** Those whose figures may be out of date. */
  stale(): readonly string[];
  /** Whether it is in use, and may change all the time. */
  held(key: string): boolean;
  /** Measures it and writes the figure. */
  measure(key: string): Promise<void>;
}

export interface MeterParts {
  readonly figures: Figures;
  readonly measurables: readonly Measurable[];
  /** Directories that are measured as a whole. */
  readonly places: { measure(): Promise<void> };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Time for what has ended to be at rest, and for more of it to come. */
const SETTLE_MS = 2_000;
/** How often what is in use is measured: when nobody looks, and when somebody does. */
const IDLE_MS = 300_000, WATCHED_MS = 15_000;
/** What takes long to measure is measured less often: it may take this part of the time. */
const SHARE = 50;
/** At once when somebody waits. */
const PARALLEL = 4;

/** `idle` and `watched` leave out what is in use and was measured lately. */
type Pass = "idle" | "watched" | "all";

/** Measures, in the background, what may have changed: what came to rest soon after, what is in use now and then. */
export class Meter {
  private timer: NodeJS.Timeout | undefined;
  private readonly regular: NodeJS.Timeout;
  private running: Promise<void> = Promise.resolve();
  /** Passes that have yet to begin. */
  private readonly queued = new Map<Pass, Promise<void>>();
  /** What is in use: when it may be measured again, if nobody looks. */
  private readonly next = new Map<string, { readonly watched: number; readonly idle: number }>();
  private closed = false;

  constructor(private readonly parts: MeterParts) {
    parts.figures.onChange(() => this.soon());
    this.regular = setInterval(() => void this.pass("idle"), IDLE_MS).unref();
  }

  /** After the recovery: measures what a former process left unmeasured. */
  begin(): void { this.soon(); }

  /** Somebody looks at figures. */
  lookedAt(): void { void this.pass("watched"); }

  /** Everything that may be out of date, now. */
  refresh(): Promise<void> { return this.pass("all"); }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.regular);
    await this.running;
  }

  private soon(): void {
    if (this.closed) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.pass("idle");
    }, SETTLE_MS).unref();
  }

  /** One at a time; callers that come before one has begun share it. */
  private pass(which: Pass): Promise<void> {
    let queued = this.queued.get(which);
    if (queued === undefined) {
      queued = this.running.then(() => {
        this.queued.delete(which);
        return this.measure(which);
      }).catch((err: unknown) => this.parts.logger.warn({ err }, "what the data root holds could not be measured"));
      this.queued.set(which, queued);
      this.running = queued;
    }
    return queued;
  }

  private async measure(which: Pass): Promise<void> {
    const { measurables, places } = this.parts;
    const due = measurables.flatMap((of) => of.stale().filter((key) => which === "all" || this.due(of, key, which)).map((key) => ({ of, key }))).values();
    const worker = async (): Promise<void> => {
      for (const { of, key } of due) {
        if (this.closed) return;
        await this.one(of, key);
      }
    };
    await Promise.all(Array.from({ length: which === "all" ? PARALLEL : 1 }, worker));
    if (!this.closed) await places.measure();
  }

  private due(of: Measurable, key: string, which: "idle" | "watched"): boolean {
    const name = `${of.kind} ${key}`, next = this.next.get(name);
    if (of.held(key)) return next === undefined || next[which] <= this.parts.clock.now();
    this.next.delete(name);
    return true;
  }

  private async one(of: Measurable, key: string): Promise<void> {
    const { clock, logger } = this.parts;
    const begun = clock.now();
    try {
      await of.measure(key);
    } catch (err) {
      // It went meanwhile, or its storage driver does not work now.
      if (!(err instanceof NotFound || err instanceof Unavailable)) logger.debug({ err, kind: of.kind, key }, "could not be measured");
    }
    if (!of.held(key)) return;
    const now = clock.now(), pause = (now - begun) * SHARE;
    this.next.set(`${of.kind} ${key}`, { watched: now + Math.max(pause, WATCHED_MS), idle: now + Math.max(pause, IDLE_MS) });
  }
}
