import { type CheckRun, type CheckRuns, type Clock, Conflict, type EventBus, type Finding, type Found, type GarbageCollector, type Inspection, type Inspector, type Logger, messageOf } from "../../core/index.js";
import { Pace } from "./pace.js";
import type { Refetcher } from "./refetch.js";
import type { CheckLine, CheckOptions, CheckService } from "./types.js";

export interface ChecksParts {
  readonly inspectors: readonly Inspector[];
  readonly runs: CheckRuns;
  readonly refetcher: Pick<Refetcher, "fetch">;
  readonly collector: Pick<GarbageCollector, "notify">;
  readonly events: EventBus;
  /** Of the daemon, for its events. */
  readonly id: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Told = Finding & { readonly repaired: boolean };

/** Checks of everything, one at a time. */
export class Checks implements CheckService {
  private running = false;

  constructor(private readonly parts: ChecksParts) {}

  begin(options: CheckOptions, scheduled = false): AsyncIterable<CheckLine> {
    if (this.running) throw new Conflict("a check is already running");
    this.running = true;
    return this.lines(options, scheduled);
  }

  history(): readonly CheckRun[] { return this.parts.runs.list(); }

  private async *lines(options: CheckOptions, scheduled: boolean): AsyncGenerator<CheckLine, void> {
    const { clock, inspectors } = this.parts;
    const startedAt = clock.now();
    const findings: Told[] = [], unchecked: string[] = [];
    const pace = new Pace(options.rate, options.signal);
    const how: Inspection = { deep: options.deep, signal: options.signal, read: (bytes) => pace.read(bytes), note: (text) => unchecked.push(text) };
    try {
      for (const inspector of inspectors) {
        options.signal.throwIfAborted();
        yield { part: inspector.about };
        yield* this.part(inspector, how, options, findings);
      }
      const report: CheckRun = {
        startedAt, finishedAt: clock.now(), deep: options.deep, repair: options.repair, scheduled, found: findings.length, repaired: findings.filter((f) => f.repaired).length, findings, unchecked,
      };
      this.conclude(report);
      yield { report };
    } finally {
      this.running = false;
    }
  }

  private async *part(inspector: Inspector, how: Inspection, { repair, signal }: CheckOptions, findings: Told[]): AsyncGenerator<CheckLine, void> {
    // What is fetched may mend more than one thing: that waits until all are found.
    const later: Found[] = [];
    const tell = async (found: Found): Promise<CheckLine> => {
      const finding = await this.told(found, repair, signal);
      findings.push(finding);
      return { finding };
    };
    try {
      for await (const step of inspector.inspect(how)) {
        if (!("problem" in step)) yield { part: inspector.about, ...step };
        else if (repair && step.mended !== undefined) later.push(step);
        else yield await tell(step);
      }
      for (const found of later) yield await tell(found);
    } catch (e) {
      signal.throwIfAborted();
      this.parts.logger.error({ err: e, part: inspector.about }, "a part of a check failed");
      how.note(`${inspector.about}: ${messageOf(e)}`);
    }
  }

  private async told(found: Found, repair: boolean, signal: AbortSignal): Promise<Told> {
    const { mend, mended: _, ...finding } = found;
    if (!repair) return { ...finding, repaired: false };
    try {
      const repaired = mend === undefined ? await this.parts.refetcher.fetch(found, signal) : await mend();
      return { ...finding, repaired };
    } catch (e) {
      signal.throwIfAborted();
      return { ...finding, detail: `${finding.detail}; it could not be repaired: ${messageOf(e)}`, repaired: false };
    }
  }

  private conclude(report: CheckRun): void {
    const { runs, events, id, logger, collector } = this.parts;
    try {
      runs.add(report);
    } catch (err) {
      // A full disk must not keep the report from whoever asked.
      logger.error({ err }, "the report of a check could not be kept");
    }
    // What repaired layers took the place of is nobody's now.
    if (report.repaired > 0) collector.notify("deletion");
    const { found, repaired, deep, unchecked, startedAt, finishedAt } = report;
    events.emit({ type: "daemon", action: "check", id, attributes: { deep: String(deep), found: String(found), repaired: String(repaired), unchecked: String(unchecked.length), seconds: ((finishedAt - startedAt) / 1000).toFixed(1) } });
    if (found > repaired) logger.warn({ found, repaired, deep }, "a check found what is not as it should be");
  }
}
