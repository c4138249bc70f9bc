import type { HealthConfig } from "@strata/oci";
import { type Health, type HealthResult, InvalidArgument } from "../core/index.js";

/** How a container is checked; times in milliseconds. */
export interface HealthPlan {
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures within this time after the start do not count. */
  readonly startPeriod: number;
  /** Between checks within the start period. */
  readonly startInterval: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

/** Results that are kept. */
const KEPT = 5;
/** Times in a `HealthConfig` are nanoseconds. */
const NANOS = 1e6;

const TIMES = ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const;

/** Refuses what cannot be, in Docker's words. */
export function checkHealthConfig(config: HealthConfig | null | undefined): void {
  for (const key of TIMES) {
    const time = config?.[key] ?? 0;
    if (time !== 0 && time < NANOS) throw new InvalidArgument(`${key} in Healthcheck cannot be less than 1ms`);
  }
  if ((config?.Retries ?? 0) < 0) throw new InvalidArgument("Retries in Healthcheck cannot be negative");
}

/** The plan of a configuration, with Docker's defaults; null when nothing is to be run. */
export function healthPlan(config: HealthConfig | null | undefined, shell: readonly string[] | null | undefined): HealthPlan | null {
  const [kind, ...words] = config?.Test ?? [];
  const command = kind === "CMD" ? words : kind === "CMD-SHELL" ? [...(shell?.length ? shell : ["/bin/sh", "-c"]), words.join(" ")] : [];
  if (command.length === 0) return null;
  const time = (key: (typeof TIMES)[number], otherwise: number): number => (config?.[key] ? config[key] / NANOS : otherwise);
  const interval = time("Interval", 30_000);
  return {
    command, interval, timeout: time("Timeout", 30_000), startPeriod: time("StartPeriod", 0),
    startInterval: time("StartInterval", Math.min(5000, interval)), retries: config?.Retries || 3,
  };
}

/** What the checks of one container found, over all its runs. */
export class HealthRecord implements Health {
  status: Health["status"] = "starting";
  failingStreak = 0;
  readonly log: HealthResult[] = [];

  /** `known`: what was found before. */
  constructor(known?: Health) {
    if (known === undefined) return;
    this.status = known.status;
    this.failingStreak = known.failingStreak;
    this.log.push(...known.log);
  }

  /** A run begins. */
  begin(): void {
    this.status = "starting";
    this.failingStreak = 0;
  }

  /** Nothing is checked any more. */
  end(): void {
    this.status = "unhealthy";
  }

  /** Whether the status is another now. `early`: the check began in the start period. */
  take(result: HealthResult, { retries, early }: { readonly retries: number; readonly early: boolean }): boolean {
    const before = this.status;
    if (this.log.push(result) > KEPT) this.log.shift();
    if (result.exitCode === 0) {
      this.failingStreak = 0;
      this.status = "healthy";
    } else if (!(early && before === "starting")) {
      this.failingStreak++;
      if (this.failingStreak >= retries) this.status = "unhealthy";
    }
    return this.status !== before;
  }
}
