import { type Daemon, type Json, daemonNeeds, needs, setUp, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(async () => {
  await daemon.removeContainers();
});

const policy = (name: string, restart: string, command: string): Promise<string> => daemon.dockerOk("run", "-d", "--name", name, "--restart", restart, "busybox", "sh", "-c", command);
const when = (name: string, what: string, holds: (c: Json) => boolean): Promise<Json> => until(async () => {
  const c = await daemon.inspect(name);
  return holds(c) ? c : undefined;
}, 30_000, `${name}: ${what}`);
/** Waits get twice as long each time: after some there is time to look. */
const backingOff = (name: string, restarts = 5): ReturnType<typeof when> => when(name, "a wait for its restart", (c) => c.State.Status === "restarting" && c.RestartCount >= restarts);

describe("restart policies", () => {
  it("on-failure:N tries N times more, counts, and leaves the last code; success ends it", async () => {
    await policy("fails", "on-failure:2", "echo try; exit 3");
    const c = await when("fails", "an end", ({ State }) => State.Status === "exited");
    expect([c.RestartCount, c.State.ExitCode]).toEqual([2, 3]);
    expect(await daemon.dockerOk("logs", "fails")).toBe("try\ntry\ntry");
    await daemon.dockerOk("start", "fails");
    expect((await when("fails", "an end of the second start", ({ State, RestartCount }) => State.Status === "exited" && RestartCount === 2)).State.ExitCode).toBe(3);
    expect((await daemon.dockerOk("logs", "fails")).split("\n")).toHaveLength(6);
    await policy("works", "on-failure", "exit 0");
    expect((await when("works", "an end", ({ State }) => State.Status === "exited")).RestartCount).toBe(0);
  }, 60_000);

  it("a restart that is waited for: state, ps, what is refused, and wait", async () => {
    await policy("again", "always", "exit 7");
    const c = await backingOff("again", 7);
    expect(c.State).toMatchObject({ Restarting: true, Running: true, Pid: 0, ExitCode: 7 });
    expect(await daemon.dockerOk("ps", "--format", "{{.Status}}", "--filter", "status=restarting")).toMatch(/^Restarting \(7\) /);
    expect((await daemon.docker(["exec", "again", "true"])).stderr).toMatch(/is restarting, wait until the container is running/);
    expect((await daemon.docker(["rm", "again"])).stderr).toMatch(/container is restarting: stop the container before removing or force remove/);
    expect(await daemon.dockerOk("wait", "again")).toBe("7");
  }, 60_000);

  it("stop, kill and rm -f end the waiting at once and for good", async () => {
    for (const [name, command] of [["one", ["stop"]], ["two", ["kill"]]] as const) {
      await policy(name, "always", "exit 7");
      await backingOff(name);
      await daemon.dockerOk(...command, name);
      const { State, RestartCount } = await daemon.inspect(name);
      expect([State.Status, State.ExitCode]).toEqual(["exited", 7]);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const later = await daemon.inspect(name);
      expect([later.State.Status, later.RestartCount]).toEqual(["exited", RestartCount]);
    }
    await policy("three", "always", "exit 7");
    await backingOff("three");
    await daemon.dockerOk("rm", "-f", "three");
    expect(await daemon.dockerOk("ps", "-aq", "--filter", "name=three")).toBe("");
  }, 60_000);

  it("rm -f takes a container at whatever moment of its restarts", async () => {
    for (let i = 0; i < 10; i++) {
      await policy("cc", "always", `sleep 0.0${i}; exit 7`);
      await daemon.dockerOk("rm", "-f", "cc");
    }
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  }, 60_000);

  it("a start by hand begins the count and the waits anew", async () => {
    await policy("cc", "always", "exit 7");
    await backingOff("cc");
    await daemon.dockerOk("stop", "cc");
    await daemon.dockerOk("start", "cc");
    const first = await daemon.inspect("cc");
    expect(first.RestartCount).toBeLessThan(5);
    await backingOff("cc");
  }, 60_000);

  it("a killed daemon: policies speak for what ended meanwhile, and waits go on", async () => {
    await policy("always", "always", "sleep 1000");
    await policy("unless", "unless-stopped", "sleep 1000");
    await policy("stopped", "unless-stopped", "sleep 1000");
    await policy("stopped-always", "always", "sleep 1000");
    await policy("waiting", "always", "exit 7");
    await daemon.dockerOk("run", "-d", "--name", "once", "busybox", "sleep", "1000");
    await daemon.dockerOk("run", "-d", "--rm", "--name", "passing", "-v", "/anonymous", "busybox", "sleep", "1000");
    await daemon.dockerOk("stop", "-t", "0", "stopped", "stopped-always");
    await backingOff("waiting");
    const pids = new Map<string, number>();
    for (const name of ["always", "unless", "once", "passing"]) pids.set(name, (await daemon.inspect(name)).State.Pid as number);
    await daemon.kill9();
    for (const pid of pids.values()) process.kill(pid, "SIGKILL");
    await daemon.start();
    for (const name of ["always", "unless", "stopped-always"]) {
      const c = await when(name, "a new run", ({ State }) => State.Status === "running");
      expect(c.State.Pid).not.toBe(pids.get(name));
    }
    expect((await when("once", "its end", ({ State }) => State.Status === "exited")).State.ExitCode).toBe(137);
    expect((await daemon.inspect("stopped")).State.Status).toBe("exited");
    await when("waiting", "a restart", ({ RestartCount }) => RestartCount >= 1);
    await until(async () => ((await daemon.dockerOk("ps", "-aq", "--filter", "name=passing")) === "" ? true : undefined), 20_000, "the removal of what was run with --rm");
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("");
  }, 60_000);

  it("commands that cannot run: 127 and 126, no restart, and gone with --rm", async () => {
    for (const [command, code] of [["no-such", 127], ["/etc", 126]] as const) {
      expect((await daemon.docker(["run", "--rm", "busybox", command])).code).toBe(code);
      expect((await daemon.docker(["run", "-d", "--name", "cc", "--restart", "always", "busybox", command])).code).toBe(code);
      const { State, RestartCount } = await daemon.inspect("cc");
      expect([State.Status, State.ExitCode, RestartCount]).toEqual(["created", code, 0]);
      await daemon.dockerOk("rm", "cc");
      await daemon.dockerOk("run", "-d", "--name", "cc", "busybox", "sleep", "1000");
      expect((await daemon.docker(["exec", "cc", command])).code).toBe(code);
      await daemon.dockerOk("rm", "-f", "cc");
    }
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  }, 60_000);
});
