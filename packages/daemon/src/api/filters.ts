import { InvalidArgument, rfc3339Nano } from "../core/index.js";
import type { Filters } from "../services/types.js";

/** Decodes `filters`: `{"label":["a=b"]}`, or the older `{"label":{"a=b":true}}`. Which names there are is the service's affair. */
export function parseFilters(text: string | undefined): Filters {
  const filters = new Map<string, string[]>();
  if (text === undefined || text === "") return filters;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgument(`invalid filters: ${(cause as Error).message}`, { cause });
  }
  if (value === null) return filters;
  if (typeof value !== "object" || Array.isArray(value)) throw new InvalidArgument("invalid filters: a JSON object is expected");
  for (const [name, given] of Object.entries(value as Record<string, unknown>)) {
    const values: unknown[] | undefined = Array.isArray(given) ? given : given !== null && typeof given === "object" ? Object.keys(given) : undefined;
    if (values === undefined || values.some((v) => typeof v !== "string")) throw new InvalidArgument(`invalid filters: "${name}" must be a list of strings`);
    filters.set(name, values as string[]);
  }
  return filters;
}

const UNIT: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, "µs": 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6 };

/** The same as `parseTime`, to the nanosecond: RFC 3339 in UTC with nine digits. */
export function parseInstant(text: string | undefined, name: string, now: number): string | undefined {
  const ms = parseTime(text, name, now);
  if (ms === undefined) return undefined;
  const digits = /^(?:\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{1,9})/.exec(text!)?.[1];
  return digits === undefined ? rfc3339Nano(ms) : rfc3339Nano(Math.floor(ms / 1000) * 1000).replace(/\.\d+/, `.${digits.padEnd(9, "0")}`);
}

/** Unix seconds with a fraction, RFC 3339, or a duration back from `now` (`1h30m`): milliseconds since the epoch. */
export function parseTime(text: string | undefined, name: string, now: number): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map((p) => p[0]).join("") === text) return now - parts.reduce((sum, p) => sum + Number(p[1]) * UNIT[p[2]!]!, 0);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(at)) throw new InvalidArgument(`invalid value for "${name}": "${text}" is neither a time nor a duration`);
  return at;
}
