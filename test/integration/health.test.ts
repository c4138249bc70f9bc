import { readFileSync, writeFileSync } from "node:fs";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
});

interface Health { Status: string; FailingStreak: number; Log: { Start: string; End: string; ExitCode: number; Output: string }[] }
const health = async (name: string): Promise<Health> => (await daemon.inspect(name)).State.Health;
const becomes = (name: string, status: string): Promise<Health> => until(async () => {
  const now = await health(name);
  return now.Status === status ? now : undefined;
}, 20_000, `${name} to be ${status}`);
const runChecked = (name: string, check: string, ...more: string[]): Promise<string> =>
  daemon.dockerOk("run", "-d", "--name", name, "--health-cmd", check, "--health-interval", "100ms", ...more, "busybox", "sleep", "1000");

describe("health checks", () => {
  it("go from starting to healthy to unhealthy and back, told by inspect, ps, filters and events", async () => {
    const since = String(Math.floor(Date.now() / 1000));
    await runChecked("cc", "test -e /ok && echo fine", "--health-retries", "2");
    expect((await health("cc")).Status).toBe("starting");
    expect(await daemon.dockerOk("ps", "--format", "{{.Status}}")).toMatch(/^Up .*\((health: starting|unhealthy)\)$/);
    const failing = await becomes("cc", "unhealthy");
    expect(failing.FailingStreak).toBeGreaterThanOrEqual(2);
    expect(failing.Log.at(-1)).toMatchObject({ ExitCode: 1, Output: "" });
    expect(await daemon.dockerOk("ps", "-q", "--filter", "health=healthy")).toBe("");
    await daemon.dockerOk("exec", "cc", "touch", "/ok");
    const fine = await becomes("cc", "healthy");
    expect([fine.FailingStreak, fine.Log.at(-1)!.ExitCode, fine.Log.at(-1)!.Output]).toEqual([0, 0, "fine\n"]);
    expect(Date.parse(fine.Log.at(-1)!.End)).toBeGreaterThanOrEqual(Date.parse(fine.Log.at(-1)!.Start));
    expect(await daemon.dockerOk("ps", "--format", "{{.Status}}", "--filter", "health=healthy")).toMatch(/^Up .* \(healthy\)$/);
    await until(async () => ((await health("cc")).Log.length === 5 ? true : undefined), 20_000, "five results");
    await daemon.dockerOk("exec", "cc", "rm", "/ok");
    await becomes("cc", "unhealthy");
    await daemon.dockerOk("stop", "-t", "0", "cc");
    const told = (await daemon.dockerOk("events", "--since", since, "--until", String(Math.floor(Date.now() / 1000) + 1), "--filter", "container=cc", "--format", "{{.Action}}")).split("\n");
    expect(told.filter((action) => action.startsWith("health_status"))).toEqual(["health_status: unhealthy", "health_status: healthy", "health_status: unhealthy"]);
    expect(told).toEqual(expect.arrayContaining(["exec_create: /bin/sh -c test -e /ok && echo fine", "exec_start: /bin/sh -c test -e /ok && echo fine", "exec_die"]));
    expect(told.indexOf("die")).toBeGreaterThan(told.lastIndexOf("health_status: unhealthy"));
  }, 60_000);

  it("outlive the daemon: status, failures in a row and results, of what runs and of what has ended", async () => {
    const slow = ["--health-interval", "100ms", "--health-retries", "2"];
    await runChecked("sick", "test -e /ok", ...slow);
    await runChecked("fine", "echo fine", ...slow);
    await runChecked("over", "echo fine", ...slow);
    await becomes("fine", "healthy");
    await becomes("over", "healthy");
    const { FailingStreak } = await becomes("sick", "unhealthy");
    await daemon.dockerOk("stop", "-t", "0", "over");
    const ended = await health("over");
    await daemon.kill9();
    await daemon.start();
    expect((await health("fine")).Status).toBe("healthy");
    expect(await health("over")).toEqual(ended);
    const sick = await health("sick");
    expect([sick.Status, sick.FailingStreak >= FailingStreak, sick.Log.length >= 2]).toEqual(["unhealthy", true, true]);
    await daemon.dockerOk("exec", "sick", "touch", "/ok");
    await becomes("sick", "healthy");
  }, 90_000);

  it("come from the image, are changed by flags and taken away by --no-healthcheck", async () => {
    await daemon.dockerOk("create", "--name", "maker", "busybox", "sleep", "1000");
    await daemon.dockerOk("commit", "--change", 'HEALTHCHECK --interval=100ms --retries=5 CMD ["echo", "from the image"]', "maker", "checked");
    await daemon.dockerOk("run", "-d", "--name", "as-is", "checked");
    expect((await becomes("as-is", "healthy")).Log.at(-1)!.Output).toBe("from the image\n");
    await daemon.dockerOk("run", "-d", "--name", "changed", "--health-cmd", "echo changed", "checked");
    expect((await becomes("changed", "healthy")).Log.at(-1)!.Output).toBe("changed\n");
    expect((await daemon.inspect("changed")).Config.Healthcheck).toMatchObject({ Test: ["CMD-SHELL", "echo changed"], Interval: 1e8, Retries: 5 });
    await daemon.dockerOk("run", "-d", "--name", "without", "--no-healthcheck", "checked");
    expect(await health("without")).toBeUndefined();
    expect(await daemon.dockerOk("ps", "--format", "{{.Names}}", "--filter", "health=none")).toBe("without");
    const refused = await daemon.api("POST", "/containers/create", { json: { Image: "busybox", Healthcheck: { Test: ["CMD", "true"], Interval: 5 } } });
    expect([refused.status, refused.json.message]).toEqual([400, "Interval in Healthcheck cannot be less than 1ms"]);
  }, 60_000);

  it("that take too long are killed with all they started, and long output is cut", async () => {
    await runChecked("slow", "echo begun; sleep 4321 & sleep 4321", "--health-timeout", "300ms", "--health-retries", "1");
    const { Log } = await becomes("slow", "unhealthy");
    expect(Log[0]).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (300ms): begun\n" });
    await daemon.dockerOk("pause", "slow");
    await daemon.dockerOk("unpause", "slow");
    await until(async () => ((await daemon.dockerOk("top", "slow", "-o", "args")).split("\n").filter((line) => line.includes("4321")).length <= 3 ? true : undefined), 10_000, "an end of what was killed");
    await runChecked("loud", "head -c 10000 /dev/zero | tr '\\0' x");
    expect((await becomes("loud", "healthy")).Log[0]!.Output).toBe(`${"x".repeat(4096)}...`);
  }, 60_000);

  it("fail with the reason when the command is not there", async () => {
    await daemon.dockerOk("run", "-d", "--name", "cc", "--health-cmd", "true", "busybox", "sleep", "1000");
    await daemon.dockerOk("rm", "-f", "cc");
    const created = await daemon.api("POST", "/containers/create", { query: { name: "cc" }, json: { Image: "busybox", Cmd: ["sleep", "1000"], Healthcheck: { Test: ["CMD", "no-such-check"], Interval: 1e8, Retries: 1 } } });
    expect(created.status).toBe(201);
    await daemon.dockerOk("start", "cc");
    expect((await becomes("cc", "unhealthy")).Log[0]).toMatchObject({ ExitCode: -1, Output: expect.stringContaining('exec: "no-such-check": executable file not found') });
  }, 60_000);

  it("do not count in the start period", async () => {
    await runChecked("cc", "false", "--health-retries", "1", "--health-start-period", "600s", "--health-start-interval", "100ms", "--health-interval", "600s");
    await until(async () => ((await health("cc")).Log.length === 5 ? true : undefined), 20_000, "five results");
    expect(await health("cc")).toMatchObject({ Status: "starting", FailingStreak: 0 });
  }, 60_000);

  it("rest while the container is paused, end with it and begin again with it", async () => {
    const marks = bed.path("marks");
    writeFileSync(marks, "");
    await daemon.dockerOk("run", "-d", "--name", "cc", "-v", `${marks}:/marks`, "--health-cmd", "echo x >> /marks", "--health-interval", "50ms", "busybox", "sleep", "1000");
    await becomes("cc", "healthy");
    await daemon.dockerOk("pause", "cc");
    const { Log } = await health("cc");
    expect((await health("cc")).Status).toBe("healthy");
    const before = readFileSync(marks, "utf8").length;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(readFileSync(marks, "utf8").length).toBe(before);
    expect((await health("cc")).Log).toEqual(Log);
    await daemon.dockerOk("unpause", "cc");
    await until(() => (readFileSync(marks, "utf8").length > before ? true : undefined), 20_000, "another check");
    await daemon.dockerOk("stop", "-t", "0", "cc");
    const end = readFileSync(marks, "utf8").length;
    expect((await health("cc")).Status).toBe("unhealthy");
    expect(await daemon.dockerOk("ps", "-a", "--format", "{{.Status}}")).toMatch(/^Exited \(137\) [^(]*$/);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(readFileSync(marks, "utf8").length).toBe(end);
    await daemon.dockerOk("start", "cc");
    await becomes("cc", "healthy");
  }, 60_000);

  it("go on after the daemon was killed", async () => {
    const marks = bed.path("more-marks");
    writeFileSync(marks, "");
    await daemon.dockerOk("run", "-d", "--name", "cc", "-v", `${marks}:/marks`, "--health-cmd", "echo x >> /marks", "--health-interval", "100ms", "busybox", "sleep", "1000");
    await becomes("cc", "healthy");
    await daemon.kill9();
    await daemon.start();
    await becomes("cc", "healthy");
    const before = readFileSync(marks, "utf8").length;
    await until(() => (readFileSync(marks, "utf8").length > before ? true : undefined), 20_000, "another check");
  }, 60_000);
});
