import { setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../core/index.js";
import { NetworkError } from "./network-error.js";
import { RegistryFault } from "./registry-fault.js";

/** How often and how patiently a failed exchange is tried again. */
export interface RetryPolicy {
  readonly attempts: number;
  /** Wait before the second attempt; doubled each time, with jitter. Milliseconds. */
  readonly baseMs: number;
  /** No wait is longer, whatever the server asks for. */
  readonly maxMs: number;
}
export const defaultRetry: RetryPolicy = { attempts: 5, baseMs: 250, maxMs: 60_000 };

/** Whether trying again may help: a lost connection, 429 and 5xx. */
export function isTransient(e: unknown): boolean {
  return (e instanceof NetworkError && e.lost) || (e instanceof RegistryFault && e.transient);
}

/** Whether a download may go on: after a connection that broke or could not be had, a body that ended early, a registry that asks for patience. */
export function mayResume(e: unknown): boolean {
  return isTransient(e) || (e instanceof NetworkError ? e.unreached : e instanceof Unavailable);
}

/** Waits before attempt `attempt` + 1 (counted from 1); what the server asked for (`Retry-After`) goes first. */
export async function backOff(policy: RetryPolicy, attempt: number, cause: unknown, signal?: AbortSignal): Promise<void> {
  const asked = cause instanceof RegistryFault ? cause.retryAfterMs : undefined;
  const own = policy.baseMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
  await sleep(Math.min(asked ?? own, policy.maxMs), undefined, { signal });
}

/** Runs `work` until it succeeds, fails for good, or the attempts are used up. */
export async function retrying<T>(policy: RetryPolicy, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (e) {
      if (signal?.aborted || attempt >= policy.attempts || !isTransient(e)) throw e;
      await backOff(policy, attempt, e, signal);
    }
  }
}
