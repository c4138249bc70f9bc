import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { noUsage, InvalidArgument, type Metrics } from "../../core/index.js";
import type { BuildService } from "../build-types.js";
import { Counts } from "./counts.js";
import { addGauges } from "./gauges.js";
import { measured, measuredBuilds } from "./measured.js";
import type { MetricSources } from "./sources.js";

const sources = (more: Partial<MetricSources> = {}): MetricSources => ({
  usage: () => [{ kind: "layers", count: 3, bytes: 4096 }, { kind: "images", count: 2 }], containers: () => ({ running: 1, paused: 0, stopped: 4 }),
  disk: () => Promise.resolve({ freeBytes: 10, totalBytes: 20, freeInodes: 30, totalInodes: 40 }), subscribers: () => 5,
  engine: { labels: { architecture: "x86_64", commit: "c", daemon_id: "id", graphdriver: "erofs", kernel: "5.10", os: "A \"system\"", os_type: "linux", os_version: "1", version: "28" }, cpus: 2, memory: 1024 },
  ...more,
});
async function lines(counts: Counts): Promise<string[]> { return (await counts.text()).split("\n"); }

test("one scrape has all there is, at the first time of asking", async () => {
  const counts = new Counts();
  let looks = 0;
  addGauges(counts.registry, sources({ usage: () => { looks++; return sources().usage(); }, check: () => ({ finishedAt: 1_500, problems: 2 }), plan: () => undefined }));
  const text = await lines(counts);
  for (const line of [
    'strata_objects{kind="layers"} 3', 'strata_usage_bytes{kind="layers"} 4096', 'strata_objects{kind="images"} 2', 'engine_daemon_container_states_containers{state="stopped"} 4',
    'strata_disk_bytes{state="free"} 10', 'strata_disk_inodes{state="total"} 40', "engine_daemon_events_subscribers_total 5", "engine_daemon_engine_cpus_cpus 2", "engine_daemon_engine_memory_bytes 1024",
    "strata_check_problems 2", "strata_check_timestamp_seconds 1.5",
    'engine_daemon_engine_info{architecture="x86_64",commit="c",daemon_id="id",graphdriver="erofs",kernel="5.10",os="A \\"system\\"",os_type="linux",os_version="1",version="28"} 1',
  ]) expect(text).toContain(line);
  expect(text.some((line) => line.startsWith('strata_usage_bytes{kind="images"}') || line.startsWith("strata_gc_plan_items "))).toBe(false);
  expect(looks).toBe(1);
});

test("two registries do not meet", () => {
  new Counts().buildBegun();
  expect(() => new Counts()).not.toThrow();
});

test("what is told is counted", async () => {
  const counts = new Counts();
  counts.request({ operation: "info", method: "GET", code: 200, seconds: 0.01 });
  counts.healthCheck(false);
  counts.healthCheck(true);
  counts.event({ type: "image", action: "pull", id: "x", attributes: {}, time: 0 });
  counts.collection({ seconds: 0.5, items: { layer: 2 }, freed: { bytes: 100, inodes: 7 }, failed: false });
  counts.collection({ seconds: 0, items: {}, freed: noUsage, failed: true });
  const text = await lines(counts);
  for (const line of [
    'strata_api_request_seconds_bucket{le="0.005",operation="info",method="GET",code="200"} 0', 'strata_api_request_seconds_bucket{le="0.02",operation="info",method="GET",code="200"} 1',
    "engine_daemon_health_checks_total 2", "engine_daemon_health_checks_failed_total 1", "engine_daemon_events_total 1", 'strata_events_total{type="image"} 1',
    'strata_gc_runs_total{result="done"} 1', 'strata_gc_runs_total{result="failed"} 1', 'strata_gc_items_total{kind="layer"} 2', "strata_gc_freed_bytes_total 100", "strata_gc_freed_inodes_total 7", "strata_gc_seconds_sum 0.5",
    'engine_daemon_container_actions_seconds_count{action="start"} 0', 'builder_builds_failed_total{reason="build_canceled"} 0',
  ]) expect(text).toContain(line);
});

class Shop {
  #sold = 0;
  readonly name = "shop";
  async sell(count: number): Promise<number> {
    await Promise.resolve();
    if (count < 0) throw new InvalidArgument("less than nothing");
    return (this.#sold += count);
  }
  async close(): Promise<void> { await Promise.resolve(); }
  sold(): number { return this.#sold; }
}

function recorder(): { told: unknown[][]; metrics: Metrics } {
  const told: unknown[][] = [];
  const metrics: Metrics = {
    action: (subject, action, seconds, failed) => { told.push([subject, action, seconds >= 0, failed]); }, healthCheck: () => undefined,
    buildBegun: () => { told.push(["begun"]); }, buildFailed: (reason) => { told.push([reason]); }, collection: () => undefined,
  };
  return { told, metrics };
}

test("a measured service does what it did, and tells of the methods that were named", async () => {
  const { told, metrics } = recorder(), shop = measured(new Shop(), "image", { sell: "pull" }, metrics);
  expect(await shop.sell(2)).toBe(2);
  await expect(shop.sell(-1)).rejects.toThrow("less than nothing");
  await shop.close();
  expect([shop.sold(), shop.name]).toEqual([2, "shop"]);
  expect(told).toEqual([["image", "pull", true, false], ["image", "pull", true, true]]);
});

test("why builds fail", async () => {
  const { told, metrics } = recorder(), controller = new AbortController();
  const outcomes: (string | null)[] = [null, "dockerfile parse error on line 1: unknown instruction: NO", "dockerfile parse error on line 2: x", "The command failed", "target stage \"x\" could not be found"];
  const builds = measuredBuilds({ build: () => { const next = outcomes.shift(); return next === null ? Promise.resolve("sha256:x") : Promise.reject(new InvalidArgument(next ?? "cancelled")); } } as unknown as BuildService, metrics);
  const build = (): Promise<unknown> => builds.build({} as never, { progress: () => undefined, ready: () => true, drained: () => Promise.resolve(), signal: controller.signal }).catch(() => undefined);
  for (let n = 0; n < 5; n++) await build();
  controller.abort();
  await build();
  expect(told.flat().filter((word) => word !== "begun")).toEqual(["unknown_instruction_error", "dockerfile_syntax_error", "error_processing_commands_error", "build_target_not_reachable_error", "build_canceled"]);
  expect(told.filter(([word]) => word === "begun")).toHaveLength(6);
});

test("without --metrics-addr nothing of it is loaded", () => {
  const program = `require(${JSON.stringify(join(__dirname, "../../daemon.js"))}); console.log(Object.keys(require.cache).filter((file) => /prom-client|metrics.counts/.test(file)).length, Object.keys(require.cache).some((file) => /services.images\\.js$/.test(file)))`;
  expect(spawnSync(process.execPath, ["-e", program], { encoding: "utf8" }).stdout).toBe("0 true\n");
});
