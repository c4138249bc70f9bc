import type { Container, HostConfig } from "../core/index.js";

/** Wait before the first restart, doubled for each one that follows, and the most it grows to; in milliseconds. */
const FIRST = 100, MOST = 60_000;
/** A run that lasted this long starts the waits anew. */
const STEADY = 10_000;

export interface Ended {
  readonly exitCode: number;
  /** The user stopped it. */
  readonly stopped: boolean;
  /** Restarts so far. */
  readonly restarts: number;
}

/** Whether a container that has ended is to run again. */
export function wantsRestart(policy: HostConfig["RestartPolicy"], ended: Ended): boolean {
  if (ended.stopped) return false;
  switch (policy?.Name) {
    case "always": case "unless-stopped": return true;
    case "on-failure": return ended.exitCode !== 0 && (!policy.MaximumRetryCount || ended.restarts < policy.MaximumRetryCount);
    default: return false;
  }
}

/** Whether a container that does not run is to be started with the daemon. */
export function startsWithDaemon(c: Container): boolean {
  if (c.state.startedAt === undefined) return false;
  const policy = c.hostConfig.RestartPolicy?.Name;
  return policy === "always" || (policy === "unless-stopped" && c.state.stoppedByUser !== true);
}

/** How long to wait before the next restart. */
export class Backoff {
  #next = FIRST;

  /** `ran`: how long the run that ended lasted. */
  after(ran: number): number {
    if (ran >= STEADY) this.#next = FIRST;
    const wait = this.#next;
    this.#next = Math.min(wait * 2, MOST);
    return wait;
  }
}
