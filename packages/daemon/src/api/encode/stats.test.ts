import type { ContainerId, ResourceUsage } from "../../core/index.js";
import { encodeStats } from "./stats.js";

const id = "c1" as ContainerId;
const usage: ResourceUsage = {
  at: 1_000_000_000_000, cpu: { total: 5, user: 3, system: 2, perCpu: [4, 1], throttling: { periods: 6, throttledPeriods: 7, throttledTime: 8 }, machine: 900, processors: 2 },
  memory: { usage: 10, limit: 20, most: 15, failures: 1, stats: { cache: 4 } }, io: { bytes: [{ major: 8, minor: 0, op: "Read", value: 9 }], requests: [] },
  pids: { current: 3, limit: 50 }, networks: { eth0: { received: { bytes: 1, packets: 2, errors: 3, dropped: 4 }, sent: { bytes: 5, packets: 6, errors: 7, dropped: 8 } } },
};

test("Docker's whole shape", () => {
  const none = { io_queue_recursive: [], io_service_time_recursive: [], io_wait_time_recursive: [], io_merged_recursive: [], io_time_recursive: [], sectors_recursive: [] };
  const cpu = { cpu_usage: { total_usage: 5, percpu_usage: [4, 1], usage_in_kernelmode: 2, usage_in_usermode: 3 }, system_cpu_usage: 900, online_cpus: 2, throttling_data: { periods: 6, throttled_periods: 7, throttled_time: 8 } };
  expect(encodeStats({ id, name: "box", usage, before: usage })).toEqual({
    name: "/box", id: "c1", read: "2001-09-09T01:46:40.000000000Z", preread: "2001-09-09T01:46:40.000000000Z", pids_stats: { current: 3, limit: 50 }, num_procs: 0, storage_stats: {},
    blkio_stats: { io_service_bytes_recursive: [{ major: 8, minor: 0, op: "Read", value: 9 }], io_serviced_recursive: [], ...none }, cpu_stats: cpu, precpu_stats: cpu,
    memory_stats: { usage: 10, max_usage: 15, stats: { cache: 4 }, failcnt: 1, limit: 20 },
    networks: { eth0: { rx_bytes: 1, rx_packets: 2, rx_errors: 3, rx_dropped: 4, tx_bytes: 5, tx_packets: 6, tx_errors: 7, tx_dropped: 8 } },
  });
});

test("the first of a stream, of cgroup v2", () => {
  const { perCpu: _, ...cpu } = usage.cpu;
  const stats = encodeStats({ id, name: "box", usage: { ...usage, cpu, memory: { usage: 1, limit: 2, stats: {} }, io: { bytes: [] } } });
  expect(stats).toMatchObject({ preread: "0001-01-01T00:00:00Z", precpu_stats: { cpu_usage: { total_usage: 0 } }, memory_stats: { usage: 1, limit: 2, stats: {} }, blkio_stats: { io_service_bytes_recursive: [], io_serviced_recursive: null } });
  expect(stats.precpu_stats).not.toHaveProperty("system_cpu_usage");
  expect(stats.cpu_stats.cpu_usage).not.toHaveProperty("percpu_usage");
});

test("what does not run", () => {
  const stats = encodeStats({ id, name: "box" });
  expect(stats).toMatchObject({ name: "/box", id: "c1", read: "0001-01-01T00:00:00Z", pids_stats: {}, memory_stats: {}, cpu_stats: { cpu_usage: { total_usage: 0 } }, blkio_stats: { io_service_bytes_recursive: null } });
  expect(stats).not.toHaveProperty("networks");
});
