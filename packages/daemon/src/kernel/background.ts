import { constants, getPriority, setPriority } from "node:os";

/** Niceness of what may wait: a tenth of a processor where the main thread wants it too. */
const BACKGROUND = 10;

/**
 * Lets the answers of the main thread go before a process, or before this thread (which is what 0 means to Linux): trees
 * that are packed and unpacked keep every processor busy. One that is less urgent already stays so.
 */
export function toBackground(pid = 0): void {
  try {
    if (getPriority(pid) < BACKGROUND) setPriority(pid, BACKGROUND);
  } catch (e) {
    // It has ended, or may not be touched here.
    const { errno } = (e as { info?: { errno?: number } }).info ?? {};
    if (![constants.errno.ESRCH, constants.errno.EPERM, constants.errno.EACCES].includes(Math.abs(errno ?? 0))) throw e;
  }
}
