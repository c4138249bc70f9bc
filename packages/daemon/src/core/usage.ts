/** What a container has used of the machine, at one moment. Times are nanoseconds since its start, sizes bytes. */
export interface ResourceUsage {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly cpu: CpuUsage;
  readonly memory: MemoryUsage;
  readonly io: IoUsage;
  readonly pids: { readonly current: number; /** Absent where there is none. */ readonly limit?: number };
  /** By the interface's name in the container. */
  readonly networks: Readonly<Record<string, NetworkUsage>>;
}
export interface CpuUsage {
  readonly total: number;
  readonly user: number;
  readonly system: number;
  /** Of each processor, where the kernel tells (cgroup v1). */
  readonly perCpu?: readonly number[];
  readonly throttling: { readonly periods: number; readonly throttledPeriods: number; readonly throttledTime: number };
  /** All processors of the machine together, since it was started: what `total` is a part of. */
  readonly machine: number;
  readonly processors: number;
}
export interface MemoryUsage {
  readonly usage: number;
  /** The machine's own where there is none. */
  readonly limit: number;
  /** Of cgroup v1 only. */
  readonly most?: number;
  readonly failures?: number;
  /** `memory.stat` as the kernel writes it. */
  readonly stats: Readonly<Record<string, number>>;
}
export interface IoUsage {
  readonly bytes: readonly IoFigure[];
  /** Of cgroup v1 only. */
  readonly requests?: readonly IoFigure[];
}
export interface IoFigure {
  readonly major: number;
  readonly minor: number;
  /** `Read` and `Write`, in v2 in lower case. */
  readonly op: string;
  readonly value: number;
}
export interface NetworkUsage {
  readonly received: TrafficUsage;
  readonly sent: TrafficUsage;
}
export interface TrafficUsage {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

export interface ResourceMeters {
  /** Finds where the kernel counts for a container, by its first process; each call of the result reads it. What is not counted is zero. */
  open(pid: number): Promise<() => Promise<ResourceUsage>>;
}
