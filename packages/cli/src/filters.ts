import type { Filters } from "@strata/client";
import { CliError } from "./cli.js";

/** Reads `--filter key=value` flags. */
export function parseFilters(flags: readonly string[]): Filters {
  const filters: Record<string, string[]> = {};
  for (const flag of flags) {
    if (flag === "") continue;
    const at = flag.indexOf("=");
    if (at === -1) throw new CliError(`invalid argument ${JSON.stringify(flag)} for "-f, --filter" flag: bad format of filter (expected name=value)`, 125);
    const key = flag.slice(0, at).trim().toLowerCase();
    (filters[key] ??= []).push(flag.slice(at + 1).trim());
  }
  return filters;
}
