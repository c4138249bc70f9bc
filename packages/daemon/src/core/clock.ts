/** Source of time, replaceable in tests. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 with nanoseconds, as Docker prints times. `ms` may be fractional. Undefined gives Docker's zero time. */
export function rfc3339Nano(ms: number | undefined): string {
  if (ms === undefined) return "0001-01-01T00:00:00Z";
  const whole = Math.floor(ms);
  const nanos = Math.round((ms - whole) * 1e6);
  return new Date(whole).toISOString().replace("Z", `${String(nanos).padStart(6, "0")}Z`);
}
