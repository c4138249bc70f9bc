import { errnoOf } from "../core/errors.js";

/** Kills a process and the group that it leads, if it does. A process that is gone is success. */
export function killGroup(pid: number): void {
  for (const target of [-pid, pid]) {
    try { process.kill(target, "SIGKILL"); }
    catch (error) { if (errnoOf(error) !== "ESRCH") throw error; }
  }
}
