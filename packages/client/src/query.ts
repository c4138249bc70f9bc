/** A query value: arrays repeat the key, booleans become 1 or 0, undefined is left out. */
export type QueryValue = string | number | boolean | readonly string[] | undefined;
export type Query = Readonly<Record<string, QueryValue>>;

/** Filters of a list or prune, as Docker takes them: key to accepted values. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** The text after the path: empty, or from the question mark on. */
export function encodeQuery(query: Query | undefined): string {
  if (!query) return "";
  const parts = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const one of value as readonly string[]) parts.append(key, one);
    else parts.append(key, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
  }
  const text = parts.toString();
  return text ? `?${text}` : "";
}

/** The `filters` parameter: undefined when there are none. */
export function encodeFilters(filters: Filters | undefined): string | undefined {
  return filters && Object.keys(filters).length > 0 ? JSON.stringify(filters) : undefined;
}
