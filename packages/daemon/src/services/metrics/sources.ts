import type { CheckRuns, GcRecords, UsageBooks } from "../../core/index.js";

/** Things of one kind that the data root holds. */
export interface KindUsage {
  readonly kind: string;
  readonly count: number;
  /** On disk; absent where nobody knows. */
  readonly bytes?: number;
}
export interface DiskFigures {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeInodes: number;
  readonly totalInodes: number;
}
export interface CheckFigures {
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
  readonly problems: number;
}
/** What the last plan would remove. */
export interface PlanFigures {
  readonly items: number;
  readonly bytes: number;
}

/** Where figures come from that are looked up when somebody asks. None may take long: they hold up the event loop. */
export interface MetricSources {
  usage(): readonly KindUsage[] | Promise<readonly KindUsage[]>;
  containers(): { readonly running: number; readonly paused: number; readonly stopped: number };
  disk(): Promise<DiskFigures>;
  subscribers(): number;
  /** The last check that ended; absent where there was none. */
  readonly check?: () => CheckFigures | undefined;
  readonly plan?: () => PlanFigures | undefined;
  readonly engine: EngineFacts;
}
export interface EngineFacts {
  readonly labels: Readonly<Record<"architecture" | "commit" | "daemon_id" | "graphdriver" | "kernel" | "os" | "os_type" | "os_version" | "version", string>>;
  readonly cpus: number;
  readonly memory: number;
}

/** Usage as the books have it; images and the build cache are parts of the layers and are counted only. */
export async function usageFigures(books: Pick<UsageBooks, "kinds" | "images" | "buildCache">): Promise<KindUsage[]> {
  const kinds = (await books.kinds()).map(({ kind, count, bytes }) => ({ kind, count, bytes }));
  return [...kinds, { kind: "images", count: books.images().count }, { kind: "build-cache", count: books.buildCache().count }];
}

export function lastCheck(runs: Pick<CheckRuns, "list">): CheckFigures | undefined {
  const last = runs.list()[0];
  return last === undefined ? undefined : { finishedAt: last.finishedAt, problems: last.found - last.repaired };
}

export function planFigures(records: Pick<GcRecords, "latestPlan">): PlanFigures | undefined {
  const plan = records.latestPlan();
  return plan === undefined ? undefined : { items: plan.items.length, bytes: plan.bytes };
}
