import { availableParallelism } from "node:os";
import { InvalidArgument, type HostConfig } from "../../core/index.js";
import type { HostFacts, SpecDeviceRule, SpecResources } from "./model.js";

const MIN_MEMORY = 6 * 1024 * 1024;

const bad = (message: string): never => { throw new InvalidArgument(message); };

/** What of the limits this kernel has: the rest is left out, each with a warning, if it could be at all. */
export function withoutUnknown(h: HostConfig, host: HostFacts): { hostConfig: HostConfig; warnings: string[] } {
  checkBlockIo(h);
  const hostConfig = { ...h }, warnings: string[] = [];
  const leave = (key: keyof HostConfig & string, wanted: boolean, value: unknown, what: string): void => {
    if (!wanted) return;
    hostConfig[key] = value;
    warnings.push(what);
  };
  if (!host.blockIoWeights) {
    leave("BlkioWeight", Boolean(h.BlkioWeight), 0, "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    leave("BlkioWeightDevice", Boolean(h.BlkioWeightDevice?.length), [], "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.");
  }
  if (host.cgroupVersion === 2) {
    leave("OomKillDisable", h.OomKillDisable === true, null, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    leave("MemorySwappiness", (h.MemorySwappiness ?? -1) >= 0, null, "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.");
  }
  return { hostConfig, warnings };
}

/** Refuses limits that contradict each other or the machine, naming the field; returns warnings. */
export function checkResources(h: HostConfig, host: Pick<HostFacts, "cpuset">, cpus = availableParallelism()): string[] {
  checkMemory(h);
  checkCpus(h, cpus);
  checkCpuset("cpus", h.CpusetCpus, host.cpuset.cpus, "CPUs");
  checkCpuset("mems", h.CpusetMems, host.cpuset.mems, "memory nodes");
  return h.OomKillDisable && !h.Memory ? ["OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources."] : [];
}

function checkMemory(h: HostConfig): void {
  for (const key of ["Memory", "MemoryReservation"] as const) if ((h[key] ?? 0) < 0) bad(`invalid ${key} (${h[key]}): value must not be negative`);
  if ((h.MemorySwap ?? 0) < -1) bad(`invalid MemorySwap (${h.MemorySwap}): value must be -1 for no limit, or positive`);
  if (h.Memory && h.Memory < MIN_MEMORY) bad("Minimum memory limit allowed is 6MB");
  if (h.MemoryReservation && h.MemoryReservation < MIN_MEMORY) bad("Minimum memory reservation allowed is 6MB");
  if (h.Memory && h.MemorySwap && h.MemorySwap > 0 && h.MemorySwap < h.Memory) bad("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (!h.Memory && h.MemorySwap && h.MemorySwap > 0) bad("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (h.Memory && h.MemoryReservation && h.MemoryReservation > h.Memory) bad("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (h.MemorySwappiness !== undefined && h.MemorySwappiness !== null && (h.MemorySwappiness < -1 || h.MemorySwappiness > 100)) bad(`Invalid value: ${h.MemorySwappiness}, valid memory swappiness range is 0-100`);
  if (h.ShmSize !== undefined && h.ShmSize < 0) bad("SHM size can not be less than 0");
}

function checkCpus(h: HostConfig, cpus: number): void {
  if (h.NanoCpus && (h.CpuQuota || h.CpuPeriod)) bad("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set");
  if (h.NanoCpus && (h.NanoCpus < 1e7 || h.NanoCpus > cpus * 1e9)) bad(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  if (h.CpuPeriod && (h.CpuPeriod < 1000 || h.CpuPeriod > 1_000_000)) bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (h.CpuQuota && h.CpuQuota > 0 && h.CpuQuota < 1000) bad("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (h.CpuShares !== undefined && h.CpuShares < 0) bad(`invalid CPU shares (${h.CpuShares}): value must be a positive integer`);
  for (const key of ["CpuRealtimePeriod", "CpuRealtimeRuntime"] as const) if ((h[key] ?? 0) < 0) bad(`invalid ${key} (${h[key]}): value must not be negative`);
}

/** `0-2,7` as numbers; undefined when it is no such list. */
function listed(text: string): Set<number> | undefined {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const [, from, to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    if (from === undefined || Number(to) < Number(from)) return undefined;
    for (let n = Number(from); n <= Number(to); n++) numbers.add(n);
  }
  return numbers;
}

function checkCpuset(name: string, asked: string | undefined, available: string, what: string): void {
  if (!asked) return;
  const wanted = listed(asked) ?? bad(`Invalid value ${asked} for cpuset ${name}`);
  const there = listed(available);
  if (there !== undefined && [...wanted].some((n) => !there.has(n))) bad(`Requested ${what} are not available - requested ${asked}, available: ${available}`);
}

/** Limits on single devices, and what the runtime-spec (config-linux.md "Block IO") calls them. */
const THROTTLES = {
  BlkioDeviceReadBps: "throttleReadBpsDevice", BlkioDeviceWriteBps: "throttleWriteBpsDevice",
  BlkioDeviceReadIOps: "throttleReadIOPSDevice", BlkioDeviceWriteIOps: "throttleWriteIOPSDevice",
} as const;
type Throttle = keyof typeof THROTTLES;

function checkBlockIo(h: HostConfig): void {
  if (h.BlkioWeight && (h.BlkioWeight < 10 || h.BlkioWeight > 1000)) bad("Range of blkio weight is from 10 to 1000");
  for (const { Path, Weight = 0 } of h.BlkioWeightDevice ?? []) {
    if (!Path?.startsWith("/")) bad(`invalid BlkioWeightDevice: "${Path ?? ""}" is not the path of a device`);
    if (Weight !== 0 && (Weight < 10 || Weight > 1000)) bad(`invalid BlkioWeightDevice of ${Path}: range of blkio weight is from 10 to 1000`);
  }
  for (const key of Object.keys(THROTTLES) as Throttle[]) {
    for (const { Path, Rate = 0 } of h[key] ?? []) {
      if (!Path?.startsWith("/")) bad(`invalid ${key}: "${Path ?? ""}" is not the path of a device`);
      if (Rate < 0) bad(`invalid ${key} of ${Path}: the rate must not be negative`);
    }
  }
}

/** Devices whose use is limited one by one. */
export function limitedDevices(h: HostConfig): { readonly path: string; readonly field: string }[] {
  return (["BlkioWeightDevice", ...Object.keys(THROTTLES)] as ("BlkioWeightDevice" | Throttle)[]).flatMap((field) => (h[field] ?? []).map(({ Path }) => ({ path: Path!, field })));
}

export type BlockDevices = ReadonlyMap<string, { readonly major: number; readonly minor: number }>;

function blockIo(h: HostConfig, devices: BlockDevices): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (h.BlkioWeight) out["weight"] = h.BlkioWeight;
  const weights = (h.BlkioWeightDevice ?? []).flatMap(({ Path, Weight }) => { const at = devices.get(Path!); return at && Weight ? [{ ...at, weight: Weight }] : []; });
  if (weights.length > 0) out["weightDevice"] = weights;
  for (const [key, name] of Object.entries(THROTTLES) as [Throttle, string][]) {
    const rates = (h[key] ?? []).flatMap(({ Path, Rate }) => { const at = devices.get(Path!); return at && Rate ? [{ ...at, rate: Rate }] : []; });
    if (rates.length > 0) out[name] = rates;
  }
  return out;
}

/** HostConfig's limits as `linux.resources` (config-linux.md "Control groups"); zero and absent mean no limit. */
export function resourcesOf(h: HostConfig, devices: readonly SpecDeviceRule[], limited: BlockDevices = new Map()): SpecResources {
  const memory: Record<string, number | boolean> = {};
  if (h.Memory) {
    memory["limit"] = h.Memory;
    memory["swap"] = h.MemorySwap ? h.MemorySwap : h.Memory * 2;
  }
  if (h.MemoryReservation) memory["reservation"] = h.MemoryReservation;
  if (h.MemorySwappiness !== undefined && h.MemorySwappiness !== null && h.MemorySwappiness >= 0) memory["swappiness"] = h.MemorySwappiness;
  if (h.OomKillDisable) memory["disableOOMKiller"] = true;
  const cpu: Record<string, number | string> = {};
  if (h.CpuShares) cpu["shares"] = h.CpuShares;
  if (h.NanoCpus) {
    cpu["period"] = 100_000;
    cpu["quota"] = Math.round(h.NanoCpus / 10_000);
  }
  if (h.CpuPeriod) cpu["period"] = h.CpuPeriod;
  if (h.CpuQuota) cpu["quota"] = h.CpuQuota;
  if (h.CpuRealtimePeriod) cpu["realtimePeriod"] = h.CpuRealtimePeriod;
  if (h.CpuRealtimeRuntime) cpu["realtimeRuntime"] = h.CpuRealtimeRuntime;
  if (h.CpusetCpus) cpu["cpus"] = h.CpusetCpus;
  if (h.CpusetMems) cpu["mems"] = h.CpusetMems;
  const block = blockIo(h, limited);
  return {
    devices: [...devices],
    ...(Object.keys(memory).length ? { memory } : {}),
    ...(Object.keys(cpu).length ? { cpu } : {}),
    ...(h.PidsLimit && h.PidsLimit > 0 ? { pids: { limit: h.PidsLimit } } : {}),
    ...(Object.keys(block).length ? { blockIO: block } : {}),
  };
}
