import type { ContainerStats } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { binarySize, humanSize, shortId } from "../format/units.js";

/** A container and what it was last found to use; nothing as long as that is not known. */
export interface StatsRow {
  readonly container: string;
  readonly stats: ContainerStats | undefined;
}

export const STATS_COLUMNS = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

/** Page cache that the kernel may take back at any time is not counted as used. */
function memoryOf({ memory_stats: { usage = 0, stats = {}, limit = 0 } }: ContainerStats): { used: number; limit: number } {
  const cache = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  return { used: cache < usage ? usage - cache : usage, limit };
}

function cpuShare({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const cpus = now.online_cpus || now.cpu_usage.percpu_usage?.length || 1;
  return used > 0 && passed > 0 ? (used / passed) * cpus * 100 : 0;
}

function networkOf({ networks = {} }: ContainerStats): string {
  const all = Object.values(networks);
  const sum = (key: "rx_bytes" | "tx_bytes"): number => all.reduce((total, one) => total + one[key], 0);
  return `${humanSize(sum("rx_bytes"))} / ${humanSize(sum("tx_bytes"))}`;
}

function blockOf({ blkio_stats }: ContainerStats): string {
  const sum = (op: string): number => (blkio_stats.io_service_bytes_recursive ?? []).filter((one) => one.op.toLowerCase() === op).reduce((total, { value }) => total + value, 0);
  return `${humanSize(sum("read"))} / ${humanSize(sum("write"))}`;
}

/** What stands where nothing is known. */
const shown = (value: (stats: ContainerStats) => string, unknown = "--") => ({ stats }: StatsRow): string => (stats === undefined ? unknown : value(stats));

export const statsListing: Listing<StatsRow> = {
  name: "Stats",
  columns: {
    Container: { header: "CONTAINER", value: ({ container }) => container },
    ID: { header: "CONTAINER ID", value: ({ container, stats }, { noTrunc }) => (noTrunc ? stats?.id ?? container : shortId(stats?.id ?? container)) },
    Name: { header: "NAME", value: shown(({ name }) => name.replace(/^\//, "")) },
    CPUPerc: { header: "CPU %", value: shown((stats) => `${cpuShare(stats).toFixed(2)}%`) },
    MemUsage: { header: "MEM USAGE / LIMIT", value: shown((stats) => { const { used, limit } = memoryOf(stats); return `${binarySize(used)} / ${binarySize(limit)}`; }, "-- / --") },
    MemPerc: { header: "MEM %", value: shown((stats) => { const { used, limit } = memoryOf(stats); return `${(limit > 0 ? (used / limit) * 100 : 0).toFixed(2)}%`; }) },
    NetIO: { header: "NET I/O", value: shown(networkOf, "-- / --") },
    BlockIO: { header: "BLOCK I/O", value: shown(blockOf, "-- / --") },
    PIDs: { header: "PIDS", value: shown(({ pids_stats }) => String(pids_stats.current ?? 0)) },
  },
};
