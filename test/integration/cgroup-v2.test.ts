import { existsSync, readdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { type Daemon, TestBed, daemonNeeds, needs, unmet, until } from "../helpers/index.js";

const wanted = [...daemonNeeds, "docker", "cgroup2", "crun", "runc"] as const;
const it = needs(...wanted);

let bed: TestBed | undefined;
let daemon: Daemon;
beforeAll(async () => {
  if (unmet(wanted) !== undefined) return;
  bed = await TestBed.create();
  daemon = await bed.daemonWithBusybox();
}, 400_000);
afterAll(() => bed?.close(), 60_000);

/** Directories below /sys/fs/cgroup whose names hold a container's ID. */
function cgroupsOf(id: string): string[] {
  return readdirSync("/sys/fs/cgroup", { recursive: true, encoding: "utf8" }).filter((path) => path.includes(id) && existsSync(join("/sys/fs/cgroup", path, "cgroup.procs")));
}

it("is told as what it is", async () => {
  expect(await daemon.dockerOk("info", "-f", "{{.CgroupVersion}} {{.CgroupDriver}}")).toBe("2 cgroupfs");
});

describe.each(["crun", "runc"])("%s", (runtime) => {
  const run = (...args: string[]): ReturnType<Daemon["docker"]> => daemon.docker(["run", "--rm", "--runtime", runtime, "--network", "none", ...args]);

  it("limits memory, swap, processors, processes and weights", async () => {
    const files = ["memory.max", "memory.swap.max", "memory.low", "cpu.max", "cpu.weight", "pids.max", "cpuset.cpus"];
    const { code, stdout, stderr } = await run("-m", "64m", "--memory-swap", "128m", "--memory-reservation", "32m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "50", "--cpuset-cpus", "0", "busybox", "sh", "-c", `cd /sys/fs/cgroup; cat ${files.join(" ")}; exit 7`);
    expect({ code, stderr }).toEqual({ code: 7, stderr: "" });
    expect(stdout.trim().split("\n")).toEqual(["67108864", "67108864", "33554432", "50000 100000", "20", "50", "0"]);
  });

  it("ends what takes too much memory, and tells that this was why", async () => {
    const { code } = await daemon.docker(["run", "--name", "greedy", "--runtime", runtime, "--network", "none", "-m", "24m", "--memory-swap", "24m", "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]);
    expect({ code, killed: (await daemon.inspect("greedy")).State.OOMKilled }).toEqual({ code: 137, killed: true });
    await daemon.dockerOk("rm", "greedy");
  });

  it("counts what a container uses, and changes its limits", async () => {
    const id = await daemon.dockerOk("run", "-d", "--runtime", runtime, "--network", "none", "-m", "64m", "--memory-swap", "64m", "--pids-limit", "40", "busybox", "sleep", "1000");
    const stats = async () => (await daemon.api("GET", `/containers/${id}/stats`, { query: { stream: false, "one-shot": true } })).json;
    const before = await stats();
    expect(before).toMatchObject({ pids_stats: { current: 1, limit: 40 }, memory_stats: { limit: 64 << 20 }, cpu_stats: { online_cpus: cpus().length } });
    expect(before.memory_stats.usage).toBeGreaterThan(0);
    expect(before.memory_stats.stats).toHaveProperty("inactive_file");
    await daemon.dockerOk("exec", id, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    expect((await stats()).cpu_stats.cpu_usage.total_usage - before.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(1_000_000);
    await daemon.dockerOk("update", "-m", "96m", "--memory-swap", "128m", "--pids-limit", "-1", "--cpus", "0.5", id);
    expect((await stats()).pids_stats).toEqual({ current: 1 });
    expect((await daemon.dockerOk("exec", id, "sh", "-c", "cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max pids.max")).split("\n")).toEqual([String(96 << 20), String(32 << 20), "50000 100000", String(2 ** 22)]);
    await daemon.dockerOk("rm", "-f", id);
  });

  it("runs more in a container, stops the clock for it, and leaves no cgroup", async () => {
    const id = await daemon.dockerOk("run", "-d", "--runtime", runtime, "--network", "none", "-m", "64m", "--memory-swap", "64m", "busybox", "sh", "-c", "echo begun; exec sleep 1000");
    expect(await daemon.docker(["exec", id, "sh", "-c", "cat /sys/fs/cgroup/memory.max; exit 3"])).toMatchObject({ code: 3, stdout: "67108864\n" });
    expect(await daemon.dockerOk("logs", id)).toBe("begun");
    const [cgroup] = cgroupsOf(id);
    expect(cgroup).toBeDefined();

    await daemon.dockerOk("pause", id);
    expect((await daemon.inspect(id)).State.Status).toBe("paused");
    await daemon.dockerOk("unpause", id);
    expect((await daemon.inspect(id)).State.Status).toBe("running");
    await daemon.dockerOk("rm", "-f", id);
    await until(() => cgroupsOf(id).length === 0 || undefined, 5_000, "the cgroup to go");
  });
});
