import { schedule, type ScheduledTask } from "node-cron";
import { Conflict, type Logger, messageOf } from "../../core/index.js";
import type { Checks } from "./checks.js";

/** When everything is checked without being asked. */
export interface ScrubSettings {
  /** cron(5), with seconds in front where there are six fields. */
  readonly schedule: string;
  /** Bytes per second. */
  readonly rate: number;
  readonly deep: boolean;
}

/** Checks by the clock. They mend nothing: what they found is in the ledger, in an event and in the log. */
export class Scrub {
  private task: ScheduledTask | undefined;
  private running: { readonly abort: AbortController; readonly over: Promise<void> } | undefined;

  constructor(private readonly checks: Pick<Checks, "begin">, private readonly logger: Logger) {}

  /** Null: never. What runs goes on. */
  configure(settings: ScrubSettings | null): void {
    void this.task?.destroy();
    this.task = settings === null ? undefined : schedule(settings.schedule, () => this.run(settings), { noOverlap: true });
  }

  /** One run, now. */
  async run({ deep, rate }: ScrubSettings): Promise<void> {
    const abort = new AbortController();
    const over = this.scrub({ deep, rate, repair: false, signal: abort.signal });
    this.running = { abort, over };
    await over;
  }

  /** Ends what runs, too. */
  async close(): Promise<void> {
    this.configure(null);
    this.running?.abort.abort();
    await this.running?.over;
  }

  private async scrub(options: Parameters<Checks["begin"]>[0]): Promise<void> {
    try {
      for await (const _ of this.checks.begin(options, true)) { /* the ledger keeps the report */ }
    } catch (e) {
      if (options.signal.aborted) return;
      if (e instanceof Conflict) this.logger.info({ reason: messageOf(e) }, "a scheduled check was left out");
      else this.logger.error({ err: e }, "a scheduled check failed");
    }
  }
}
