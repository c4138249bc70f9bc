import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { getPriority } from "node:os";
import { setThreadPriority } from "./libc.js";

/** Ahead of what the same machine does besides, behind what an operator puts ahead of everything. */
const AHEAD = -10;
/** Nanoseconds: the shortest that the kernel takes. Answers are short, and are not to wait for the end of another's turn. */
const SLICE = 100_000;

/**
 * Where the kernel schedules sessions as groups (sched(7), autogroup), nice values count within a session only: the daemon's
 * weighs three of another's. Its heavy work has a part in that, so no more.
 */
const SESSION = -5;

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
  putSessionAhead();
}

/** Only a session that is the daemon's own: a terminal's is its user's. */
function putSessionAhead(): void {
  // proc_pid_stat(5): the session is the fourth field after the name.
  const session = Number(readFileSync("/proc/self/stat", "utf8").replace(/^.*\) /s, "").split(" ")[3]);
  if (session !== process.pid) return;
  try {
    if (/ nice 0$/m.test(readFileSync("/proc/self/autogroup", "utf8"))) writeFileSync("/proc/self/autogroup", String(SESSION));
  } catch { /* there are no such groups, or it is not ours to say */ }
}
