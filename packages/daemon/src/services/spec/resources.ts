import { availableParallelism } from "node:os";
import { InvalidArgument, type HostConfig } from "../../core/index.js";
import type { SpecDeviceRule, SpecResources } from "./model.js";

const MIN_MEMORY = 6 * 1024 * 1024;

/** Refuses limits that contradict each other, naming the field; returns warnings. */
export function checkResources(h: HostConfig, cpus = availableParallelism()): string[] {
  const bad = (message: string): never => { throw new InvalidArgument(message); };
  const warnings: string[] = [];
  if (h.Memory && h.Memory > 0 && h.Memory < MIN_MEMORY) bad("Minimum memory limit allowed is 6MB");
  if (h.Memory && h.MemorySwap && h.MemorySwap > 0 && h.MemorySwap < h.Memory) bad("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (!h.Memory && h.MemorySwap && h.MemorySwap > 0) bad("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (h.Memory && h.MemoryReservation && h.MemoryReservation > h.Memory) bad("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (h.MemorySwappiness !== undefined && h.MemorySwappiness !== null && (h.MemorySwappiness < -1 || h.MemorySwappiness > 100)) bad(`Invalid value: ${h.MemorySwappiness}, valid memory swappiness range is 0-100`);
  if (h.NanoCpus && (h.CpuQuota || h.CpuPeriod)) bad("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set");
  if (h.NanoCpus && (h.NanoCpus < 1e7 || h.NanoCpus > cpus * 1e9)) bad(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`);
  if (h.CpuPeriod && (h.CpuPeriod < 1000 || h.CpuPeriod > 1_000_000)) bad("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (h.CpuQuota && h.CpuQuota > 0 && h.CpuQuota < 1000) bad("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (h.CpuShares !== undefined && h.CpuShares < 0) bad(`invalid CPU shares (${h.CpuShares}): value must be a positive integer`);
  if (h.BlkioWeight && (h.BlkioWeight < 10 || h.BlkioWeight > 1000)) bad("Range of blkio weight is from 10 to 1000");
  if (h.OomKillDisable && !h.Memory) warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
  if (h.ShmSize !== undefined && h.ShmSize < 0) bad("SHM size can not be less than 0");
  return warnings;
}

/** HostConfig's limits as `linux.resources` (config-linux.md "Control groups"); zero and absent mean no limit. */
export function resourcesOf(h: HostConfig, devices: readonly SpecDeviceRule[]): SpecResources {
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
  return {
    devices: [...devices],
    ...(Object.keys(memory).length ? { memory } : {}),
    ...(Object.keys(cpu).length ? { cpu } : {}),
    ...(h.PidsLimit && h.PidsLimit > 0 ? { pids: { limit: h.PidsLimit } } : {}),
    ...(h.BlkioWeight ? { blockIO: { weight: h.BlkioWeight } } : {}),
  };
}
