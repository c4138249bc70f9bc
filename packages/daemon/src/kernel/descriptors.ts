import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** How many descriptors of a file the processes of a name have open. */
export function descriptorsOf(processName: string, file: string): number {
  let count = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (readFileSync(`/proc/${pid}/comm`, "latin1") !== `${processName}\n`) continue;
      for (const fd of readdirSync(`/proc/${pid}/fd`)) if (targetOf(`/proc/${pid}/fd/${fd}`) === file) count++;
    } catch { /* it ended */ }
  }
  return count;
}

function targetOf(link: string): string | undefined {
  try { return readlinkSync(link); } catch { return undefined; }
}
