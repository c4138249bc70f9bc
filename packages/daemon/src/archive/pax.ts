import { InvalidArgument } from "../core/errors.js";
import type { ByteString } from "../kernel/byte-path.js";
import type { Segment, TarTime } from "./tar-entry.js";

/** pax extended header records (POSIX pax, "pax Extended Header"): `LENGTH KEY=VALUE\n`, all bytes. */
export type PaxRecords = [key: ByteString, value: ByteString][];

export const XATTR_PREFIX = "SCHILY.xattr.";

export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 || space - at > 10 ? NaN : Number(body.toString("latin1", at, space));
    const end = at + length;
    // Some writers pad the body with NULs.
    if (Number.isNaN(length) && body.subarray(at).every((byte) => byte === 0)) break;
    if (!(length > space - at + 2) || end > body.length || body[end - 1] !== 0x0a) throw new InvalidArgument("tar: malformed pax record");
    const equals = body.indexOf(0x3d, space);
    if (equals < 0 || equals >= end - 1 || equals === space + 1) throw new InvalidArgument("tar: malformed pax record");
    records.push([body.toString("latin1", space + 1, equals), body.toString("latin1", equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

export function formatPax(records: PaxRecords): Buffer {
  return Buffer.from(records.map(([key, value]) => {
    const rest = key.length + value.length + 3;
    const length = rest + String(rest + String(rest).length).length;
    return `${length} ${key}=${value}\n`;
  }).join(""), "latin1");
}

export function parsePaxInteger(key: string, value: string): number {
  if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(Number(value))) throw new InvalidArgument(`tar: pax record ${key} is not a number: ${JSON.stringify(value)}`);
  return Number(value);
}

/** `[-]SECONDS[.FRACTION]`; digits behind the ninth are dropped. */
export function parsePaxTime(key: string, value: string): TarTime {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value);
  if (!match) throw new InvalidArgument(`tar: pax record ${key} is not a time: ${JSON.stringify(value)}`);
  const seconds = parsePaxInteger(key, match[2]!);
  const nanos = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds, nanos };
  return nanos === 0 ? { seconds: 0 - seconds, nanos: 0 } : { seconds: -seconds - 1, nanos: 1e9 - nanos };
}
export function formatPaxTime({ seconds, nanos }: TarTime): string {
  if (nanos === 0) return String(seconds);
  const fraction = (n: number): string => String(n).padStart(9, "0").replace(/0+$/, "");
  return seconds >= 0 ? `${seconds}.${fraction(nanos)}` : `-${-(seconds + 1)}.${fraction(1e9 - nanos)}`;
}

/** `GNU.sparse.map` of form 0.1: `OFFSET,LENGTH,OFFSET,LENGTH…`. */
export function parseSparseMap(value: string): Segment[] {
  const numbers = value === "" ? [] : value.split(",").map((part) => parsePaxInteger("GNU.sparse.map", part));
  if (numbers.length % 2 !== 0) throw new InvalidArgument("tar: sparse map with an odd number of fields");
  const found: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) found.push({ offset: numbers[i]!, length: numbers[i + 1]! });
  return found;
}
