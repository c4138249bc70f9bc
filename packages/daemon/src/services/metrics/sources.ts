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
/** What a run of the policies would do now. */
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
