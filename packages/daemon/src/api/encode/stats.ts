import { rfc3339Nano, type CpuUsage, type IoUsage, type MemoryUsage, type NetworkUsage } from "../../core/index.js";
import type { ContainerSample } from "../../services/types.js";
import type { components } from "../generated/openapi.js";

type Stats = components["schemas"]["ContainerStats"];

function cpu(usage: CpuUsage | undefined): Stats["cpu_stats"] {
  return {
    cpu_usage: {
      total_usage: usage?.total ?? 0, ...(usage?.perCpu === undefined ? {} : { percpu_usage: [...usage.perCpu] }),
      usage_in_kernelmode: usage?.system ?? 0, usage_in_usermode: usage?.user ?? 0,
    },
    ...(usage === undefined ? {} : { system_cpu_usage: usage.machine, online_cpus: usage.processors }),
    throttling_data: { periods: usage?.throttling.periods ?? 0, throttled_periods: usage?.throttling.throttledPeriods ?? 0, throttled_time: usage?.throttling.throttledTime ?? 0 },
  };
}

function memory({ usage, limit, most, failures, stats }: MemoryUsage): Stats["memory_stats"] {
  return { usage, ...(most === undefined ? {} : { max_usage: most }), stats: { ...stats }, ...(failures === undefined ? {} : { failcnt: failures }), limit };
}

/** cgroup v1 counts requests as well; v2 shows null for everything but bytes. */
function io(usage: IoUsage | undefined): Stats["blkio_stats"] {
  const rest = usage?.requests === undefined ? null : [];
  return {
    io_service_bytes_recursive: usage === undefined ? null : [...usage.bytes], io_serviced_recursive: usage?.requests === undefined ? null : [...usage.requests],
    io_queue_recursive: rest, io_service_time_recursive: rest, io_wait_time_recursive: rest, io_merged_recursive: rest, io_time_recursive: rest, sectors_recursive: rest,
  };
}

const network = ({ received: r, sent: s }: NetworkUsage): NonNullable<Stats["networks"]>[string] => ({
  rx_bytes: r.bytes, rx_packets: r.packets, rx_errors: r.errors, rx_dropped: r.dropped, tx_bytes: s.bytes, tx_packets: s.packets, tx_errors: s.errors, tx_dropped: s.dropped,
});

/** A sample in Docker's shape. Of what does not run there are names and zeros. */
export function encodeStats({ id, name, usage, before }: ContainerSample): Stats {
  const networks = Object.entries(usage?.networks ?? {});
  return {
    name: `/${name}`, id, read: rfc3339Nano(usage?.at), preread: rfc3339Nano(before?.at),
    pids_stats: usage === undefined ? {} : { ...usage.pids },
    blkio_stats: io(usage?.io), num_procs: 0, storage_stats: {},
    cpu_stats: cpu(usage?.cpu), precpu_stats: cpu(before?.cpu),
    memory_stats: usage === undefined ? {} : memory(usage.memory),
    ...(networks.length === 0 ? {} : { networks: Object.fromEntries(networks.map(([key, figures]) => [key, network(figures)])) }),
  };
}
