import { readdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { getPriority } from "node:os";
import { setThreadPriority } from "./libc.js";

/** Ahead of what the same machine does besides, behind what an operator puts ahead of everything. */
const AHEAD = -10;
/** Nanoseconds: the shortest that the kernel takes. Answers are short, and are not to wait for the end of another's turn. */
const SLICE = 100_000;

/**
 * Lets the threads that answer clients run before those that do the daemon's heavy work: the main thread, Node's thread pool (whose
 * locks the main thread waits for) and V8's own. Call it before the first worker: workers, programs and containers that these threads
 * start have the usual priority. A priority that the process was given stays; without CAP_SYS_NICE nothing changes.
 */
export async function putAnswersAhead(): Promise<void> {
  if (getPriority() !== 0) return;
  // The pool's threads come with its first use.
  await stat("/proc/self/task");
  for (const thread of readdirSync("/proc/self/task")) if (!setThreadPriority(Number(thread), AHEAD, SLICE)) return;
}
