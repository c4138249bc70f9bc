import type { ContainerId, Logger, Process, Runtime } from "../core/index.js";
import { Backoff } from "./containers-restart.js";
import { Hub } from "./containers-hub.js";
import type { HealthRecord } from "./health.js";
import { Waiters } from "./containers-waiters.js";
import { Mutex } from "./mutex.js";

/** A container's processes and what was put up for them. */
export interface Launched {
  readonly process: Process;
  readonly runtime: Runtime;
  /** Where the root file system is mounted on the host. */
  readonly rootfs: string;
  /** Resolves when all output has been passed on and logged. */
  readonly drained: Promise<void>;
  /** Gives back addresses and published ports. */
  releaseNetwork(): Promise<void>;
  /** Takes down the rest. */
  dismantle(): Promise<void>;
}

/** One run of a container, from start to end. */
export interface Run extends Launched {
  readonly startedAt: number;
  /** The user asked for its end: restart policies leave it alone. */
  stopped: boolean;
  /** It is to be started again at once: AutoRemove waits. */
  again: boolean;
  /** That it ran out of memory was told. */
  outOfMemory: boolean;
  /** Resolves when the end is recorded and all is taken down. */
  readonly ended: Promise<void>;
}

/** What of a container is only in memory. */
export class Live {
  /** Held by whoever changes its state. Never by those who list or inspect. */
  readonly mutex = new Mutex();
  readonly waiters = new Waiters();
  /** A new one with every start by hand. */
  backoff = new Backoff();
  /** What the checks found; null before the first run with checks. */
  health: HealthRecord | null = null;
  /** Under way now. */
  checks: { stop(): void } | null = null;
  /** Those attached now; a new one for every run. */
  hub: Hub;
  run: Run | null = null;
  restartTimer: NodeJS.Timeout | undefined;

  constructor(private readonly id: ContainerId, private readonly logger: Logger) {
    this.hub = new Hub(logger, id);
  }

  renewHub(): void {
    this.hub = new Hub(this.logger, this.id);
  }
}

export class LiveContainers {
  readonly #all = new Map<ContainerId, Live>();

  constructor(private readonly logger: Logger) {}

  of(id: ContainerId): Live {
    let live = this.#all.get(id);
    if (live === undefined) this.#all.set(id, (live = new Live(id, this.logger)));
    return live;
  }

  /** What health checks found, for those who only look. */
  healthOf(id: ContainerId): HealthRecord | undefined {
    return this.#all.get(id)?.health ?? undefined;
  }

  forget(id: ContainerId): void {
    this.#all.delete(id);
  }

  values(): Iterable<Live> {
    return this.#all.values();
  }
}
