/** A null that came from a typed field: printed as Go prints that field's zero value. */
export class ZeroValue {
  constructor(readonly shown: string) {}
  toJSON(): null { return null; }
}

const maps = new WeakSet<object>();

/** Marks an object as a map: printed `map[k:v]`, and looked into without complaint about absent keys. */
export function markMap(value: object): void {
  maps.add(value);
}
export function isMap(value: object): boolean {
  return maps.has(value);
}

/** A value as Go's `%v` prints it. */
export function show(value: unknown): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (value instanceof ZeroValue) return value.shown;
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (typeof value === "object") {
    if (isMap(value)) return `map[${Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => `${key}:${show(one)}`).join(" ")}]`;
    return `{${Object.values(value).map(show).join(" ")}}`;
  }
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value === "string" ? value : `%!v(${typeof value})`;
}

/** Go's truth: false, 0, "", nil and what is empty are false. */
export function truth(value: unknown): boolean {
  if (value === null || value === undefined || value instanceof ZeroValue) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object") return !isMap(value) || Object.keys(value).length > 0;
  return Boolean(value);
}
