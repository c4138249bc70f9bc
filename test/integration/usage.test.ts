import { type Daemon, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(async () => {
  await daemon.removeContainers();
});
const box = (...args: string[]): Promise<string> => daemon.dockerOk("run", "-d", "--name", "box", ...args);

describe("stats", () => {
  const shown = async (...names: string[]): Promise<Record<string, string>[]> =>
    (await daemon.dockerOk("stats", "--no-stream", "--format", "{{json .}}", ...names)).split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, string>);

  it("show what a container uses", async () => {
    await box("-m", "64m", "--pids-limit", "40", "busybox", "sh", "-c", "while :; do :; done & while :; do head -c 10000000 /dev/zero | wc -c >/dev/null; done");
    await daemon.dockerOk("create", "--name", "idle", "busybox", "true");
    const [row, ...rest] = await shown();
    expect(rest).toEqual([]);
    expect(row).toMatchObject({ Name: "box", MemUsage: expect.stringMatching(/^[\d.]+(Ki|Mi)?B \/ 64MiB$/) as string });
    expect(Number.parseFloat(row!["CPUPerc"]!)).toBeGreaterThan(1);
    expect(Number(row!["PIDs"])).toBeGreaterThan(1);
    const { json } = await daemon.api("GET", "/containers/box/stats", { query: { stream: false } });
    expect(json).toMatchObject({ name: "/box", pids_stats: { limit: 40 }, memory_stats: { limit: 64 << 20 } });
    expect(json.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(json.precpu_stats.cpu_usage.total_usage);
    expect(json.cpu_stats.system_cpu_usage).toBeGreaterThan(json.precpu_stats.system_cpu_usage);
    const once = await daemon.api("GET", "/containers/box/stats", { query: { stream: false, "one-shot": true } });
    expect(once.json).toMatchObject({ preread: "0001-01-01T00:00:00Z", precpu_stats: { cpu_usage: { total_usage: 0 } } });
  });

  it("count what goes over its network, and nothing of the host's", async () => {
    await box("busybox", "sleep", "1000");
    const before = (await daemon.api("GET", "/containers/box/stats", { query: { stream: false, "one-shot": true } })).json.networks.eth0;
    await daemon.dockerOk("exec", "box", "sh", "-c", "ping -c 3 -s 1000 $(ip route | awk '/default/ {print $3}')");
    const after = (await daemon.api("GET", "/containers/box/stats", { query: { stream: false, "one-shot": true } })).json.networks.eth0;
    expect(after.tx_bytes - before.tx_bytes).toBeGreaterThan(3000);
    expect(after.rx_packets).toBeGreaterThan(before.rx_packets);
    await daemon.dockerOk("run", "-d", "--name", "host", "--network", "host", "busybox", "sleep", "1000");
    expect((await daemon.api("GET", "/containers/host/stats", { query: { stream: false, "one-shot": true } })).json).not.toHaveProperty("networks");
  });

  it("are empty for what does not run, and follow it over a start", async () => {
    await daemon.dockerOk("create", "--name", "box", "busybox", "sleep", "1000");
    expect((await daemon.api("GET", "/containers/box/stats", { query: { stream: false } })).json).toMatchObject({ name: "/box", read: "0001-01-01T00:00:00Z", memory_stats: {}, pids_stats: {} });
    const following = daemon.dockerStart("stats", "--format", "{{.Name}} {{.PIDs}}.", "box");
    try {
      await following.waitFor(/box 0\./);
      await daemon.dockerOk("start", "box");
      await following.waitFor(/box 1\./);
    } finally { following.kill("SIGKILL"); }
    await following.exit;
    expect((await daemon.api("GET", "/containers/none/stats")).status).toBe(404);
    expect((await daemon.api("GET", "/containers/box/stats", { query: { stream: true, "one-shot": true } })).status).toBe(400);
  });
});

describe("update", () => {
  it("changes what the kernel holds a running container to", async () => {
    await box("-m", "64m", "busybox", "sleep", "1000");
    expect(await daemon.dockerOk("update", "-m", "96m", "--memory-swap", "128m", "--pids-limit", "30", "--cpus", "0.5", "box")).toBe("box");
    const { json } = await daemon.api("GET", "/containers/box/stats", { query: { stream: false, "one-shot": true } });
    expect([json.memory_stats.limit, json.pids_stats.limit]).toEqual([96 << 20, 30]);
    expect((await daemon.inspect("box")).HostConfig).toMatchObject({ Memory: 96 << 20, MemorySwap: 128 << 20, NanoCpus: 500_000_000, PidsLimit: 30 });
    expect(await daemon.api("POST", "/containers/box/update", { json: { Memory: 80 << 20 } })).toMatchObject({ status: 200, json: { Warnings: [] } });
    await daemon.restart();
    expect((await daemon.inspect("box")).HostConfig.Memory).toBe(80 << 20);
  });

  it("changes the restart policy", async () => {
    await box("busybox", "sleep", "1000");
    await daemon.dockerOk("update", "--restart", "on-failure:3", "box");
    expect((await daemon.inspect("box")).HostConfig.RestartPolicy).toEqual({ Name: "on-failure", MaximumRetryCount: 3 });
    const removable = await daemon.dockerOk("run", "-d", "--rm", "busybox", "sleep", "1000");
    const { code, stderr } = await daemon.docker(["update", "--restart", "always", removable]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("Restart policy cannot be updated because AutoRemove is enabled for the container")]);
  });

  it("refuses what cannot be", async () => {
    await box("busybox", "sleep", "1000");
    const update = async (json: object): Promise<number> => (await daemon.api("POST", "/containers/box/update", { json })).status;
    expect(await update({ Memory: 1 })).toBe(400);
    expect(await update({ BlkioWeight: 5 })).toBe(400);
    expect(await update({ RestartPolicy: { Name: "no", MaximumRetryCount: 2 } })).toBe(400);
    expect((await daemon.docker(["update", "--cpus", "0.5", "none"])).stderr).toContain("No such container: none");
  });
});

it("sizes are told where they are asked for", async () => {
  await box("busybox", "sh", "-c", "head -c 300000 /dev/zero >/big; sleep 1000");
  const size = await until(async () => {
    const [view] = JSON.parse(await daemon.dockerOk("inspect", "--size", "box")) as { SizeRw: number; SizeRootFs: number }[];
    return view!.SizeRw >= 300_000 ? view! : undefined;
  }, 10_000, "the file to count");
  expect(size.SizeRw).toBeLessThan(310_000);
  expect(size.SizeRootFs).toBeGreaterThan(size.SizeRw + 500_000);
  expect(await daemon.dockerOk("ps", "-s", "--format", "{{.Size}}")).toMatch(/^30\dkB \(virtual [\d.]+MB\)$/);
  expect(await daemon.inspect("box")).not.toHaveProperty("SizeRw");
});

it("a container that wanted too much memory says so, and so does an event", async () => {
  const since = String(Date.now() / 1000 - 1);
  const { code } = await daemon.docker(["run", "--name", "greedy", "-m", "24m", "--memory-swap", "24m", "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
  expect({ code, killed: (await daemon.inspect("greedy")).State.OOMKilled }).toEqual({ code: 137, killed: true });
  expect((await daemon.dockerOk("events", "--since", since, "--until", String(Date.now() / 1000), "-f", "container=greedy", "--format", "{{.Action}}")).split("\n")).toEqual(expect.arrayContaining(["start", "oom", "die"]));
  await daemon.docker(["run", "--name", "modest", "busybox", "false"]);
  expect((await daemon.inspect("modest")).State).toMatchObject({ ExitCode: 1, OOMKilled: false });
});

it("what runs out of memory is told each time it happens, whatever becomes of the container", async () => {
  const since = String(Date.now() / 1000 - 1);
  await daemon.dockerOk("run", "-d", "--name", "box", "-m", "24m", "--memory-swap", "24m", "busybox", "sh", "-c", "for i in 1 2; do until [ -e /go$i ]; do usleep 20000; done; dd if=/dev/zero of=/dev/null bs=64M count=1; done; sleep 1000");
  const told = async (): Promise<number> => (await daemon.dockerOk("events", "--since", since, "--until", String(Date.now() / 1000), "-f", "container=box", "-f", "event=oom", "--format", "{{.Action}}")).split("\n").filter(Boolean).length;
  for (const time of [1, 2]) {
    await daemon.dockerOk("exec", "box", "touch", `/go${time}`);
    await until(async () => ((await told()) >= time ? true : undefined), 20_000, `the event, for the ${time}. time`);
    expect((await daemon.inspect("box")).State.Status).toBe("running");
  }
  const before = await told();
  await daemon.dockerOk("stop", "-t", "0", "box");
  expect([(await daemon.inspect("box")).State.OOMKilled, await told()]).toEqual([true, before]);
}, 90_000);

it("docker run tells apart what failed: the daemon, the command that cannot run, the command that is not there", async () => {
  const code = async (...args: string[]): Promise<number> => (await daemon.docker(["run", "--rm", ...args])).code;
  expect(await code("--network", "no-such-network", "busybox", "true")).toBe(125);
  expect(await code("--no-such-flag", "busybox", "true")).toBe(125);
  expect(await code("busybox", "/etc/passwd")).toBe(126);
  expect(await code("busybox", "no-such-command")).toBe(127);
  expect(await code("busybox", "/no/such/command")).toBe(127);
  expect(await code("-w", "/etc/passwd", "busybox", "true")).not.toBe(0);
  expect(await daemon.dockerOk("ps", "-aq")).toBe("");
});
