import type { Metrics, Subject } from "../core/index.js";

/** Does work and tells how long it took, or that it failed. */
export async function timed<T>(metrics: Pick<Metrics, "action">, subject: Subject, action: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  let failed = true;
  try {
    const result = await work();
    failed = false;
    return result;
  } finally {
    metrics.action(subject, action, (performance.now() - start) / 1000, failed);
  }
}
