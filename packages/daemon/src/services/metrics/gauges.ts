import { Gauge, type Registry } from "prom-client";
import type { MetricSources } from "./sources.js";

/** Adds what is looked up at each scrape. */
export function addGauges(registry: Registry, sources: MetricSources): void {
  const add = <L extends string>(name: string, help: string, labelNames: readonly L[], read: (gauge: Gauge<L>) => void | Promise<void>): void => {
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry], async collect() { await read(this); } });
  };
  const { labels, cpus, memory } = sources.engine;
  add("engine_daemon_engine_info", "What the engine is", Object.keys(labels) as (keyof typeof labels)[], (gauge) => gauge.set(labels, 1));
  add("engine_daemon_engine_cpus_cpus", "Processors of the machine", [], (gauge) => gauge.set(cpus));
  add("engine_daemon_engine_memory_bytes", "Memory of the machine", [], (gauge) => gauge.set(memory));
  add("engine_daemon_container_states_containers", "Containers, by state", ["state"], (gauge) => {
    for (const [state, count] of Object.entries(sources.containers())) gauge.set({ state }, count);
  });
  add("engine_daemon_events_subscribers_total", "Clients that follow events", [], (gauge) => gauge.set(sources.subscribers()));
  addUsage(registry, sources);
  add("strata_disk_bytes", "Of the file system that the data root lies on", ["state"], async (gauge) => {
    const { freeBytes, totalBytes } = await sources.disk();
    gauge.set({ state: "free" }, freeBytes);
    gauge.set({ state: "total" }, totalBytes);
  });
  add("strata_disk_inodes", "Of the file system that the data root lies on", ["state"], async (gauge) => {
    const { freeInodes, totalInodes } = await sources.disk();
    gauge.set({ state: "free" }, freeInodes);
    gauge.set({ state: "total" }, totalInodes);
  });
  const { check, plan } = sources;
  if (check !== undefined) {
    add("strata_check_problems", "What the last check found", [], (gauge) => setOrReset(gauge, check()?.problems));
    add("strata_check_timestamp_seconds", "When the last check ended", [], (gauge) => setOrReset(gauge, seconds(check()?.finishedAt)));
  }
  if (plan !== undefined) {
    add("strata_gc_plan_items", "What the last plan of the collection policies would remove", [], (gauge) => setOrReset(gauge, plan()?.items));
    add("strata_gc_plan_bytes", "What that would give back", [], (gauge) => setOrReset(gauge, plan()?.bytes));
  }
}

/** Both from one look, which may cost something: metrics are read one after the other, in the order in which they are added. */
function addUsage(registry: Registry, sources: MetricSources): void {
  const options = { labelNames: ["kind"], registers: [] };
  const bytes = new Gauge({ ...options, name: "strata_usage_bytes", help: "Bytes on disk, by kind" });
  const objects = new Gauge({
    ...options, name: "strata_objects", help: "How many there are, by kind",
    async collect() {
      for (const one of await sources.usage()) {
        this.set({ kind: one.kind }, one.count);
        if (one.bytes !== undefined) bytes.set({ kind: one.kind }, one.bytes);
      }
    },
  });
  registry.registerMetric(objects);
  registry.registerMetric(bytes);
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

function setOrReset(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}
