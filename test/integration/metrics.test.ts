import { type Daemon, type Registry, type TestBed, daemonNeeds, makeContext, needs, ok, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "registry", "curl");

let bed: TestBed, daemon: Daemon;
let registry: Registry;
setUp(async (made) => {
  bed = made;
  registry = await bed.registry();
  daemon = await bed.daemonWithBusybox({ flags: ["--metrics-addr", "127.0.0.1:9323"] });
});

/** Every sample by its name and labels, as they are written. */
type Samples = ReadonlyMap<string, number>;
async function scrape(): Promise<Samples> {
  const text = await bed.netns.fetch("http://127.0.0.1:9323/metrics");
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const match = /^(\S+?(?:\{.*\})?) (\S+)$/.exec(line);
    expect([line, match !== null && !Number.isNaN(Number(match[2]))]).toEqual([line, true]);
    samples.set(match![1]!, Number(match![2]));
  }
  return samples;
}
const grown = (before: Samples, after: Samples, name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);

it("names that dashboards know, in the format that Prometheus reads", async () => {
  const head = await bed.netns.ok("curl", ["-sI", "http://127.0.0.1:9323/metrics"]);
  expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(head).toMatch(/Content-Type: text\/plain; version=0\.0\.4/i);
  expect(await bed.netns.ok("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9323/other"])).toBe("404");
  expect(await bed.netns.ok("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "http://127.0.0.1:9323/metrics"])).toBe("400");
  const samples = await scrape();
  const { json: info } = await daemon.api("GET", "/info");
  expect(samples.get("engine_daemon_engine_cpus_cpus")).toBe(info.NCPU);
  expect(samples.get("engine_daemon_engine_memory_bytes")).toBe(info.MemTotal);
  const facts = [...samples.keys()].find((name) => name.startsWith("engine_daemon_engine_info{"))!;
  for (const [label, value] of Object.entries({ daemon_id: info.ID, graphdriver: info.Driver, kernel: info.KernelVersion, os: info.OperatingSystem, os_type: "linux", architecture: info.Architecture, version: info.ServerVersion })) expect(facts).toContain(`${label}="${String(value)}"`);
  for (const name of [
    'engine_daemon_container_states_containers{state="running"}', 'engine_daemon_container_states_containers{state="paused"}', 'engine_daemon_container_states_containers{state="stopped"}',
    'engine_daemon_container_actions_seconds_count{action="start"}', 'engine_daemon_image_actions_seconds_count{action="pull"}', 'engine_daemon_network_actions_seconds_count{action="allocate"}',
    "engine_daemon_events_total", "engine_daemon_events_subscribers_total", "engine_daemon_health_checks_total", "engine_daemon_health_checks_failed_total",
    'builder_builds_failed_total{reason="dockerfile_syntax_error"}', "builder_builds_triggered_total", 'strata_gc_runs_total{result="done"}', "strata_gc_freed_bytes_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_seconds",
  ]) expect([name, samples.has(name)]).toEqual([name, true]);
  const disk = (await ok("df", ["--output=size", "-B1", daemon.dataRoot])).split("\n")[1]!.trim();
  expect(samples.get('strata_disk_bytes{state="total"}')).toBe(Number(disk));
  expect(samples.get('strata_disk_bytes{state="free"}')).toBeGreaterThan(0);
});

it("what containers do is counted", async () => {
  const before = await scrape();
  await daemon.dockerOk("network", "create", "n");
  await daemon.dockerOk("run", "-d", "--name", "box", "--network", "n", "--health-cmd", "false", "--health-interval", "1s", "busybox", "sleep", "1000");
  await daemon.dockerOk("run", "--rm", "busybox", "true");
  await daemon.docker(["run", "--name", "bad", "busybox", "no-such-program"]);
  const following = daemon.dockerStart("events");
  const running = await until(async () => {
    const samples = await scrape();
    return samples.get("engine_daemon_events_subscribers_total") === 1 && grown(before, samples, "engine_daemon_health_checks_failed_total") > 0 ? samples : undefined;
  }, 60_000, "a follower of events and a health check");
  following.kill("SIGKILL");
  await following.exit;
  for (const [name, by] of [
    ['engine_daemon_container_states_containers{state="running"}', 1], ['engine_daemon_container_states_containers{state="stopped"}', 1],
    ['engine_daemon_container_actions_seconds_count{action="create"}', 3], ['engine_daemon_container_actions_seconds_count{action="start"}', 2], ['engine_daemon_container_actions_seconds_count{action="delete"}', 1],
    ['strata_actions_failed_total{subject="container",action="start"}', 1], ['strata_objects{kind="containers"}', 2],
    ['strata_api_request_seconds_count{operation="containerCreate",method="POST",code="201"}', 3], ['strata_api_request_seconds_count{operation="networkCreate",method="POST",code="201"}', 1],
  ] as const) expect([name, grown(before, running, name)]).toEqual([name, by]);
  expect(grown(before, running, 'engine_daemon_network_actions_seconds_count{action="allocate"}')).toBeGreaterThanOrEqual(2);
  expect(grown(before, running, "engine_daemon_events_total")).toBeGreaterThan(5);
  expect(grown(before, running, 'strata_events_total{type="container"}')).toBeGreaterThan(5);
  await daemon.removeContainers();
  const gone = await scrape();
  expect(gone.get('engine_daemon_container_states_containers{state="running"}')).toBe(0);
  expect(grown(before, gone, 'engine_daemon_container_actions_seconds_count{action="delete"}')).toBe(3);
});

it("images, builds, collections and what they leave", async () => {
  const name = registry.name("some:1"), before = await scrape();
  await daemon.dockerOk("tag", "busybox", name);
  await daemon.dockerOk("push", "-q", name);
  await daemon.dockerOk("pull", "-q", name);
  await daemon.docker(["pull", registry.name("none:1")]);
  const build = (...lines: string[]) => daemon.docker(["build", "-q", "-t", "built", makeContext(bed.folder, { Dockerfile: lines.join("\n") })], { env: { DOCKER_BUILDKIT: "0" } });
  expect((await build("FROM busybox", "RUN head -c 1000000 /dev/urandom > /x")).code).toBe(0);
  expect((await build("FROM busybox", "NONSENSE x")).code).not.toBe(0);
  expect((await build("FROM busybox", "RUN false")).code).not.toBe(0);
  const built = await scrape();
  for (const [sample, by] of [
    ['engine_daemon_image_actions_seconds_count{action="push"}', 1], ['engine_daemon_image_actions_seconds_count{action="pull"}', 1], ['strata_actions_failed_total{subject="image",action="pull"}', 1],
    ["builder_builds_triggered_total", 3], ['builder_builds_failed_total{reason="unknown_instruction_error"}', 1], ['builder_builds_failed_total{reason="error_processing_commands_error"}', 1],
    ['strata_objects{kind="images"}', 1], ['strata_objects{kind="layers"}', 1],
  ] as const) expect([sample, grown(before, built, sample)]).toEqual([sample, by]);
  expect(grown(before, built, 'strata_usage_bytes{kind="layers"}')).toBeGreaterThan(0);
  await daemon.dockerOk("rmi", "built");
  await daemon.api("POST", "/build/prune", { query: { all: true } });
  const freed = await until(async () => {
    const samples = await scrape();
    return grown(built, samples, 'strata_gc_items_total{kind="layer"}') > 0 ? samples : undefined;
  }, 60_000, "a collection");
  expect(grown(built, freed, "strata_gc_freed_bytes_total")).toBeGreaterThan(0);
  expect(grown(built, freed, 'strata_gc_runs_total{result="done"}')).toBeGreaterThan(0);
  expect(grown(built, freed, "strata_gc_seconds_count")).toBeGreaterThan(0);
  expect(grown(built, freed, 'engine_daemon_image_actions_seconds_count{action="delete"}')).toBe(1);
});

it("an address that is taken, or none at all, keeps the daemon from starting", async () => {
  for (const [address, message] of [["127.0.0.1:9323", /cannot listen on metrics-addr 127\.0\.0\.1:9323: .*EADDRINUSE/], ["here", /--metrics-addr: "here" is not an address with a port/]] as const) {
    const second = bed.prepare({ flags: ["--metrics-addr", address] });
    const process = second.launch();
    expect(await process.exit).toBe(1);
    expect(process.output).toMatch(message);
  }
  await daemon.dockerOk("version");
});
