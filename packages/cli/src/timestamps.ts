const UNITS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, "µs": 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** A duration as Go writes one (`1h30m`, `1.5s`, `0`) in seconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$/.exec(text);
  if (!match) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of match[2]!.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) seconds += Number(amount) * UNITS[unit!]!;
  return match[1] === "-" ? -seconds : seconds;
}

/**
 * A point in time as the API takes it: Unix seconds. Read are durations back from now (`10m`), RFC 3339 and its beginnings
 * (`2026-11-21`, `2026-11-21T10:00`, in local time without a zone), and Unix seconds as they are. Anything else is left to the daemon.
 */
export function parseTimestamp(text: string | undefined, now = Date.now()): string | undefined {
  if (text === undefined || text === "" || /^\d+(\.\d+)?$/.test(text)) return text;
  const back = parseDuration(text);
  if (back !== undefined) return (now / 1000 - back).toFixed(3);
  const date = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2}))?(?::(\d{2})(\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?$/.exec(text);
  if (!date) return text;
  const [, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = date;
  const milliseconds = Date.parse(`${day!}T${hour}:${minute}:${second}${zone}`);
  return Number.isNaN(milliseconds) ? text : `${Math.trunc(milliseconds / 1000)}${fraction}`;
}
