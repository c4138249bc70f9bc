import { type Container, type ContainerId, messageOf } from "../core/index.js";
import type { Live, LiveContainers } from "./containers-live.js";
import { emitContainer, type ContainerParts } from "./containers-parts.js";
import type { Execs } from "./exec.js";
import { type HealthPlan, healthPlan, HealthRecord } from "./health.js";

/** Bytes of a check's output that are kept. */
const OUTPUT = 4096;
/** The longest wait of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

type Parts = Pick<ContainerParts, "containers" | "events" | "metrics" | "clock" | "logger">;

/** Runs the health checks of containers for as long as they run. */
export class HealthChecks {
  constructor(private readonly parts: Parts, private readonly live: LiveContainers, private readonly execs: Pick<Execs, "capture">) {}

  /** Start-up: what a former daemon found is known again. */
  remember({ id }: Container): void {
    const known = this.parts.containers.health(id);
    if (known !== undefined) this.live.of(id).health = new HealthRecord(known);
  }

  /** A run of the container has begun. Nothing to do for one that has no checks. */
  begin(container: Container, startedAt: number): void {
    this.check(container, startedAt, (health) => health.begin());
  }

  /** A run that a former daemon began is taken up: its health is what it was. */
  resume(container: Container, startedAt: number): void {
    this.check(container, startedAt, () => undefined);
  }

  private check(container: Container, startedAt: number, first: (health: HealthRecord) => void): void {
    const { id, config } = container, live = this.live.of(id);
    live.checks?.stop();
    live.checks = null;
    const plan = healthPlan(config.Healthcheck, config.Shell);
    if (plan === null) return;
    live.health ??= new HealthRecord();
    first(live.health);
    this.parts.containers.setHealth(id, live.health);
    live.checks = new Checks(this.parts, this.execs, id, live.health, plan, startedAt);
  }

  /** The run has ended. */
  end(id: ContainerId, live: Live): void {
    if (live.checks === null || live.health === null) return;
    live.checks.stop();
    live.checks = null;
    live.health.end();
    this.parts.containers.setHealth(id, live.health);
  }

  /** The daemon goes; containers stay as they are. */
  close(): void {
    for (const live of this.live.values()) live.checks?.stop();
  }
}

/** The checks of one run: one at a time, an interval after the one before. */
class Checks {
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly parts: Parts, private readonly execs: Pick<Execs, "capture">, private readonly id: ContainerId, private readonly health: HealthRecord,
    private readonly plan: HealthPlan, private readonly startedAt: number,
  ) {
    this.#later();
  }

  /** Ends a check that is under way, and all that would follow. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#stopped.abort();
  }

  #later(): void {
    if (this.#stopped.signal.aborted) return;
    const wait = this.health.status === "starting" && this.#early(this.parts.clock.now()) ? this.plan.startInterval : this.plan.interval;
    this.#timer = setTimeout(() => {
      this.#check().catch((err: unknown) => this.parts.logger.error({ err, container: this.id }, "a health check could not be dealt with")).finally(() => this.#later());
    }, Math.min(wait, LONGEST));
  }

  #early(at: number): boolean {
    return at - this.startedAt < this.plan.startPeriod;
  }

  async #check(): Promise<void> {
    if (!this.#runs()) return;
    const start = this.parts.clock.now();
    const { exitCode, output } = await this.#run();
    // A pause stops the check as well, so what it says is of no account.
    if (!this.#runs()) return;
    this.parts.metrics.healthCheck(exitCode !== 0);
    const changed = this.health.take({ start, end: this.parts.clock.now(), exitCode, output }, { retries: this.plan.retries, early: this.#early(start) });
    this.parts.containers.setHealth(this.id, this.health);
    if (changed) emitContainer(this.parts, this.parts.containers.get(this.id), `health_status: ${this.health.status}`);
  }

  async #run(): Promise<{ exitCode: number; output: string }> {
    const { timeout, command } = this.plan;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), Math.min(timeout, LONGEST));
    try {
      const { exitCode, output } = await this.execs.capture(this.id, command, { limit: OUTPUT, signal: AbortSignal.any([late.signal, this.#stopped.signal]) });
      if (!late.signal.aborted) return { exitCode, output };
      const said = `Health check exceeded timeout (${timeout % 1000 === 0 ? `${timeout / 1000}s` : `${timeout}ms`})`;
      return { exitCode: -1, output: output === "" ? said : `${said}: ${output}` };
    } catch (e) {
      return { exitCode: -1, output: messageOf(e) };
    } finally {
      clearTimeout(timer);
    }
  }

  #runs(): boolean {
    return !this.#stopped.signal.aborted && this.parts.containers.get(this.id).state.status === "running";
  }
}
