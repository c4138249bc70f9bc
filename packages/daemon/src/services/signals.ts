import { constants } from "node:os";
import { InvalidArgument } from "../core/index.js";

const RTMIN = 34, RTMAX = 64;

/** `TERM`, `SIGTERM`, `15`, `RTMIN+3`. */
export function parseSignal(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  if (/^\d+$/.test(name)) {
    const n = Number(name);
    if (n > 0 && n <= RTMAX) return n;
  }
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime !== null) {
    const n = (realtime[1] === "MIN" ? RTMIN : RTMAX) + (realtime[3] === undefined ? 0 : Number(`${realtime[2]}${realtime[3]}`));
    if (n >= RTMIN && n <= RTMAX) return n;
  }
  const known = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (known === undefined) throw new InvalidArgument(`invalid signal: ${text}`);
  return known;
}
