import { InvalidArgument } from "../core/index.js";
import type { Filters } from "./types.js";

/** Refuses filters that a list or prune does not know. */
export function rejectUnknown(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) if (!known.includes(key)) throw new InvalidArgument(`invalid filter '${key}'`);
}

/** `label` (every one must hold: `key` or `key=value`) and `label!` (none may). */
export function labelsMatch(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const holds = (text: string): boolean => {
    const at = text.indexOf("=");
    return at < 0 ? text in labels : labels[text.slice(0, at)] === text.slice(at + 1);
  };
  return (filters.get("label") ?? []).every(holds) && !(filters.get("label!") ?? []).some(holds);
}

/** Whether a text is one that a filter names: itself, or by a regular expression that it matches somewhere. */
export function textMatches(wanted: string, text: string): boolean {
  if (wanted === text) return true;
  try {
    return new RegExp(wanted).test(text);
  } catch {
    return false; // no expression: only itself is meant
  }
}

/** A filter of one boolean value. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const [text] = filters.get(key) ?? [];
  if (text === undefined) return undefined;
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new InvalidArgument(`invalid filter '${key}=[${text}]'`);
}

const UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6 };
/** The time that `until` names, in milliseconds since the epoch: Unix seconds, RFC 3339, or a duration back from `now`. */
export function untilOf(filters: Filters, now: number): number {
  const [text, ...more] = filters.get("until") ?? [];
  if (text === undefined) return Infinity;
  if (more.length > 0) throw new InvalidArgument("more than one until filter specified");
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map((p) => p[0]).join("") === text) return now - parts.reduce((sum, [, n, unit]) => sum + Number(n) * (UNIT[unit ?? ""] ?? 0), 0);
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgument(`invalid until filter: failed to parse value as time or duration: "${text}"`);
  return at;
}
