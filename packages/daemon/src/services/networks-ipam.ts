import {
  bitsOf, contains, formatIp, formatRange, InvalidArgument, overlap, parseCidr, parseIp, sizeOf,
  type Clock, type IpAddress, type IpamPool, type IpRange,
} from "../core/index.js";

/** A range that networks without one of their own get parts of, each with a prefix of `size` bits. */
export interface AddressPool { readonly base: string; readonly size: number }

/** Parts of the pools given; of none, Docker's: 172.17–172.31 as /16, then 192.168 in /20. */
export function* defaultPools(pools: readonly AddressPool[]): Iterable<IpRange> {
  for (const { base, size } of pools) {
    const range = parseCidr(base)?.range;
    if (range?.family !== 4) continue;
    const step = 1n << BigInt(bitsOf(range.family) - size);
    for (let at = range.base; at < range.base + sizeOf(range); at += step) yield { family: range.family, base: at, prefix: size };
  }
  if (pools.length > 0) return;
  for (let b = 17n; b < 32n; b++) yield { family: 4, base: (172n << 24n) | (b << 16n), prefix: 16 };
  for (let c = 0n; c < 256n; c += 16n) yield { family: 4, base: (192n << 24n) | (168n << 16n) | (c << 8n), prefix: 20 };
}

/** The first candidate clear of everything taken; undefined when none is. */
export function firstFree(candidates: Iterable<IpRange>, taken: readonly IpRange[]): IpRange | undefined {
  for (const candidate of candidates) if (!taken.some((t) => overlap(t, candidate))) return candidate;
  return undefined;
}
/** A /64 of a unique local prefix (RFC 4193) that follows from `seed`, 64 hex characters. */
export function uniqueLocal(seed: string): IpRange {
  return { family: 6, base: BigInt(`0xfd${seed.slice(0, 10)}`) << 80n, prefix: 64 };
}

/** Checks a pool as a user wrote it, and gives it a gateway: the first address unless one is named. */
export function completePool(pool: IpamPool): IpamPool {
  const cidr = parseCidr(pool.subnet);
  if (!cidr) throw new InvalidArgument(`invalid network config: invalid subnet ${pool.subnet}: not in CIDR notation`);
  const { range } = cidr;
  if (cidr.address.value !== range.base) throw new InvalidArgument(`invalid network config: invalid subnet ${pool.subnet}: it should be ${formatRange(range)}`);
  if (bitsOf(range.family) - range.prefix < 2) throw new InvalidArgument(`invalid network config: invalid subnet ${pool.subnet}: too small for a network`);
  const inside = (what: string, text: string, ip: IpAddress | undefined): void => {
    if (!ip || !contains(range, ip)) throw new InvalidArgument(`invalid network config: invalid ${what} ${text}: not in subnet ${pool.subnet}`);
  };
  if (pool.range !== undefined) inside("ip-range", pool.range, parseCidr(pool.range)?.address);
  if (pool.gateway !== undefined) inside("gateway", pool.gateway, parseIp(pool.gateway));
  for (const [name, address] of Object.entries(pool.reserved ?? {})) inside(`auxiliary address ${name}`, address, parseIp(address));
  const first = pool.range === undefined ? range.base + 1n : lowest(parseCidr(pool.range)?.range ?? range, range);
  const gateway = pool.gateway ?? formatIp({ family: range.family, value: pool.range === undefined ? range.base + 1n : first });
  return { subnet: formatRange(range), gateway, ...(pool.range === undefined ? {} : { range: pool.range }), ...(pool.reserved === undefined ? {} : { reserved: pool.reserved }) };
}
const lowest = (range: IpRange, subnet: IpRange): bigint => (range.base === subnet.base ? range.base + 1n : range.base);

/** Addresses of a pool that no container gets, in the canonical text. */
export function takenBefore(pool: IpamPool): Set<string> {
  return new Set([pool.gateway, ...Object.values(pool.reserved ?? {})].flatMap((text) => { const ip = text === undefined ? undefined : parseIp(text); return ip ? [formatIp(ip)] : []; }));
}

/** How long an address rests after use: neighbours may still speak to its former holder. */
const REST_MS = 5_000;
interface Resting { readonly container: string; readonly until: number }

/**
 * Chooses addresses: the lowest free one that has rested, for its former holder also one that has not; the oldest
 * resting one when nothing else is left. The ledger decides; this only proposes.
 */
export class AddressChooser {
  /** By network and address; in order of release. */
  private readonly resting = new Map<string, Resting>();

  constructor(private readonly clock: Clock) {}

  released(network: string, address: string, container: string): void {
    const key = `${network} ${address}`;
    this.resting.delete(key);
    this.resting.set(key, { container, until: this.clock.now() + REST_MS });
  }

  /** `used` in the canonical text. Undefined when the pool is full. */
  choose(network: string, pool: IpamPool, used: ReadonlySet<string>, container: string): string | undefined {
    const subnet = parseCidr(pool.subnet)?.range;
    if (!subnet) return undefined;
    for (const [key, rest] of this.resting) if (rest.until <= this.clock.now()) this.resting.delete(key);
    const before = takenBefore(pool);
    const free = (address: string): boolean => !used.has(address) && !before.has(address);
    const range = pool.range === undefined ? subnet : parseCidr(pool.range)?.range ?? subnet;
    const back = [...this.resting].filter(([key]) => key.startsWith(`${network} `)).map(([key, rest]) => ({ address: key.slice(network.length + 1), holder: rest.container }));
    const own = back.find((r) => r.holder === container && free(r.address) && within(range, r.address));
    if (own) return own.address;
    const tired = new Set(back.map((r) => r.address));
    // The last IPv4 address is for broadcasts.
    const end = range.base + sizeOf(range) - (range.family === 4 && range.base + sizeOf(range) === subnet.base + sizeOf(subnet) ? 1n : 0n);
    for (let value = lowest(range, subnet); value < end; value++) {
      const address = formatIp({ family: range.family, value });
      if (free(address) && !tired.has(address)) return address;
    }
    return back.find((r) => free(r.address) && within(range, r.address))?.address;
  }
}
function within(range: IpRange, address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && contains(range, ip);
}

/** Docker's MAC address for an IPv4 address: 02:42 and its four bytes. One holder after another keeps the neighbours' caches right. */
export function macFor(address: string): string {
  const value = parseIp(address)?.value ?? 0n;
  return ["02", "42", ...[24n, 16n, 8n, 0n].map((s) => ((value >> s) & 0xffn).toString(16).padStart(2, "0"))].join(":");
}
