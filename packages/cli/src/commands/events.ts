import type { EventMessage } from "@strata/client";
import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { documentTemplate } from "../inspect.js";
import { parseTimestamp } from "../timestamps.js";

export const command = defineCommand<{ filter: string[]; format?: string; since?: string; until?: string }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .list("-f, --filter <filter>", "Only those that fit, such as type=container")
    .value("--format <string>", "A Go template or 'json'")
    .value("--since <string>", "Start with what happened at this time, or so long ago: 10m")
    .value("--until <string>", "End at this time"),
  async run(cli, _args, { filter, format, since, until }) {
    const template = format === undefined || format === "json" ? undefined : documentTemplate(format);
    for await (const event of cli.client.system.events({ since: parseTimestamp(since), until: parseTimestamp(until), filters: parseFilters(filter) })) {
      cli.print(template ? template(event) : format === "json" ? JSON.stringify(event) : eventLine(event));
    }
  },
});

/** `2026-11-21T03:58:31.626396375Z container create ID (image=busybox, name=c1)`. */
export function eventLine({ Type, Action, Actor, time, timeNano }: EventMessage): string {
  // Nanoseconds since 1970 are more than a double holds exactly: the seconds come from `time`, the rest from what is left.
  const fraction = timeNano > 0 ? Math.max(0, Math.min(999_999_999, Number(BigInt(Math.trunc(timeNano)) - BigInt(time) * 1_000_000_000n))) : 0;
  const stamp = new Date(time * 1000).toISOString().replace(/\.000Z$/, `.${String(fraction).padStart(9, "0")}Z`);
  const attributes = Object.keys(Actor.Attributes ?? {}).sort().map((key) => `${key}=${Actor.Attributes[key]!}`);
  return `${stamp} ${Type} ${Action} ${Actor.ID}${attributes.length > 0 ? ` (${attributes.join(", ")})` : ""}`;
}
