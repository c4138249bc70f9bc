/** IP addresses and ranges as numbers: parsing, printing, comparing. RFC 4632, RFC 4291, RFC 5952. */

export type Family = 4 | 6;
export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}
/** A range; `base` is its first address. */
export interface IpRange {
  readonly family: Family;
  readonly base: bigint;
  readonly prefix: number;
}

export const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

/** Undefined for anything that is not an address. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const value = parse4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [front, back] = halves.map(words);
  if (!front || (halves.length === 2 && !back)) return undefined;
  const missing = 8 - front.length - (back?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...front, ...new Array<number>(missing).fill(0), ...(back ?? [])];
  return { family: 6, value: all.reduce((n, w) => (n << 16n) | BigInt(w), 0n) };
}
function parse4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return undefined;
  return parts.reduce((n, p) => (n << 8n) | BigInt(p), 0n);
}
/** The 16-bit words of one side of `::`; the last may be a dotted IPv4 address. */
function words(text: string): number[] | undefined {
  if (text === "") return [];
  const out: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const dotted = i === parts.length - 1 && part.includes(".") ? parse4(part) : undefined;
    if (dotted !== undefined) out.push(Number(dotted >> 16n), Number(dotted & 0xffffn));
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(parseInt(part, 16));
    else return undefined;
  }
  return out;
}

/** The canonical text: IPv6 in lower case with its longest run of zero words cut. */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((s) => (value >> s) & 0xffn).join(".");
  const all = Array.from({ length: 8 }, (_, i) => ((value >> BigInt((7 - i) * 16)) & 0xffffn).toString(16));
  const runs = [...all.join(":").matchAll(/(?:^|:)(0(?::0)+)(?=:|$)/g)].map((m) => m[1] ?? "");
  const longest = runs.sort((a, b) => b.length - a.length)[0];
  if (longest === undefined) return all.join(":");
  const count = longest.split(":").length;
  const at = all.findIndex((_, i) => all.slice(i, i + count).length === count && all.slice(i, i + count).every((w) => w === "0"));
  return `${all.slice(0, at).join(":")}::${all.slice(at + count).join(":")}`;
}

/** `10.0.0.7/8` gives the address and its range; undefined when it is not one. */
export function parseCidr(text: string): { readonly address: IpAddress; readonly range: IpRange } | undefined {
  const [head = "", tail, ...rest] = text.split("/");
  const address = parseIp(head);
  if (!address || tail === undefined || rest.length > 0 || !/^\d{1,3}$/.test(tail) || Number(tail) > bitsOf(address.family)) return undefined;
  return { address, range: rangeOf(address, Number(tail)) };
}
export function rangeOf({ family, value }: IpAddress, prefix: number): IpRange {
  const host = BigInt(bitsOf(family) - prefix);
  return { family, base: (value >> host) << host, prefix };
}
export const formatRange = (r: IpRange): string => `${formatIp({ family: r.family, value: r.base })}/${r.prefix}`;
export const sizeOf = (r: IpRange): bigint => 1n << BigInt(bitsOf(r.family) - r.prefix);
export function contains(range: IpRange, { family, value }: IpAddress): boolean {
  return family === range.family && value >= range.base && value < range.base + sizeOf(range);
}
export function overlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);
}
