/** JSON columns. Values read are frozen: they may be shared by every reader of the row. */
export function parseFrozen<T>(text: string): T {
  return freeze(JSON.parse(text) as T);
}
function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

/** SQLite has neither booleans nor undefined. */
export const flag = (value: boolean): number => (value ? 1 : 0);
export const orNull = <T>(value: T | undefined): T | null => value ?? null;

/** The end of the range of texts that begin with `prefix`, which ends in a hex digit. */
export const afterPrefix = (prefix: string): string => `${prefix}g`;
