import { InvalidArgument, type HostConfig } from "../../core/index.js";

/** What setrlimit(2) knows, by the names users know. */
const NAMES = new Set(["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"]);

/** Refuses limits that there are not, and those above their own most. -1 is no limit. */
export function checkUlimits(h: HostConfig): void {
  for (const { Name, Soft, Hard } of h.Ulimits ?? []) {
    if (!NAMES.has(Name)) throw new InvalidArgument(`invalid ulimit type: ${Name}`);
    if (Soft === undefined || Hard === undefined) throw new InvalidArgument(`ulimit ${Name} needs a soft and a hard limit`);
    if (Hard >= 0 && (Soft < 0 || Soft > Hard)) throw new InvalidArgument(`ulimit ${Name}: the soft limit must be less than or equal to the hard limit: ${Soft} > ${Hard}`);
  }
}
