import { type Daemon, Pty, type TestBed, daemonNeeds, needs, setUp, sleep, until } from "../helpers/index.js";

const it = needs(...daemonNeeds, "docker", "pty");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(async () => {
  await daemon.removeContainers();
});

const run = (...args: string[]): ReturnType<Daemon["docker"]> => daemon.docker(["run", "--rm", ...args]);
const detached = (...args: string[]): Promise<string> => daemon.dockerOk("run", "-d", ...args);

describe("run", () => {
  it("gives the process's output on its two streams, and its exit code", async () => {
    const result = await run("busybox", "sh", "-c", "echo out; echo err >&2; exit 42");
    expect(result).toEqual({ code: 42, stdout: "out\n", stderr: "err\n" });
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  });

  it("passes stdin on and ends it", async () => {
    const text = "a line\n".repeat(20_000);
    const result = await daemon.docker(["run", "--rm", "-i", "busybox", "wc", "-c"], { input: text });
    expect(result).toEqual({ code: 0, stdout: `${text.length}\n`, stderr: "" });
  });

  it("loses nothing of a large output", async () => {
    const result = await run("busybox", "seq", "200000");
    expect(result.code).toBe(0);
    expect(result.stdout.length).toBe(1_288_895);
    expect(result.stdout.endsWith("\n199999\n200000\n")).toBe(true);
  });

  it("names a command that is not there with 127, and one that cannot run with 126", async () => {
    const missing = await run("busybox", "no-such-command");
    expect(missing.code).toBe(127);
    expect(missing.stderr).toMatch(/no-such-command/);
    expect((await run("busybox", "/etc")).code).toBe(126);
  });

  it("sets environment, user, working directory, hostname and entrypoint", async () => {
    const { stdout } = await run("-e", "COLOUR=blue", "-u", "user", "-w", "/tmp", "-h", "boxname", "--entrypoint", "sh", "busybox", "-c", "echo $COLOUR; id -u; id -G; pwd; hostname");
    expect(stdout.split("\n")).toEqual(["blue", "1000", "1000 2000", "/tmp", "boxname", ""]);
  });

  it("holds Docker's default confinement", async () => {
    const { stdout } = await run("busybox", "sh", "-c", "grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; ls /dev; cat /proc/keys | wc -c; touch /proc/sys/kernel/hostname 2>&1 | grep -c -i read-only");
    expect(stdout).toContain("CapEff:\t00000000a80425fb");
    expect(stdout).toContain("Seccomp:\t2");
    expect(stdout).toContain("NoNewPrivs:\t0");
    expect(stdout).toMatch(/^null$/m);
    expect(stdout).not.toMatch(/^(kmsg|vda|sda|loop0|fuse)$/m);
    expect(stdout.trim().split("\n").slice(-2)).toEqual(["0", "1"]);
    expect((await run("busybox", "mount", "-t", "tmpfs", "none", "/tmp")).code).not.toBe(0);
    expect((await run("busybox", "mknod", "/x", "b", "7", "0")).code).toBe(0);
    expect((await run("busybox", "sh", "-c", "mknod /x b 7 0 && dd if=/x of=/dev/null count=1")).stderr).toMatch(/not permitted/);
  });

  it("gives a privileged one every capability that the daemon has, and the host's devices", async () => {
    const result = await run("--privileged", "busybox", "sh", "-c", "mount -t tmpfs none /tmp && ls /dev");
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/^kmsg$/m);
  });

  it("holds limits of memory, processors and processes", async () => {
    const id = await detached("-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "busybox", "sleep", "100");
    const { HostConfig } = await daemon.inspect(id);
    expect([HostConfig.Memory, HostConfig.NanoCpus, HostConfig.PidsLimit]).toEqual([64 << 20, 500_000_000, 50]);
    const { code, stderr } = await run("--pids-limit", "5", "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; wait");
    expect(`${code} ${stderr}`).toMatch(/can't fork|Resource temporarily unavailable/);
  });

  it("refuses a taken name and an unknown image as Docker does", async () => {
    await detached("--name", "taken", "busybox", "sleep", "100");
    const again = await run("--name", "taken", "busybox", "true");
    expect(again.code).toBe(125);
    expect(again.stderr).toMatch(/Conflict\. The container name "\/taken" is already in use by container "[0-9a-f]{64}"/);
    const { status, json } = await daemon.api("POST", "/containers/create", { json: { Image: "no/such:image" } });
    expect([status, json.message]).toEqual([404, "No such image: no/such:image"]);
  });

  it("gives a terminal its size and follows its changes", async () => {
    const shell = new Pty(["docker", "run", "--rm", "-it", "--name", "sized", "busybox", "sh"], daemon.env());
    await shell.expect(/# /);
    shell.type("tty; stty size\r");
    await shell.expect(/\/dev\/pts\/0\s+40 120/);
    expect((await daemon.api("POST", "/containers/sized/resize", { query: { h: 33, w: 99 } })).status).toBe(200);
    shell.type("stty size\r");
    await shell.expect(/33 99/);
    shell.type("exit 3\r");
    expect(await shell.exit).toBe(3);
  });

  it("detaches by keys and attaches again", async () => {
    const shell = new Pty(["docker", "run", "-it", "--name", "left", "busybox", "sh"], daemon.env());
    await shell.expect(/# /);
    shell.type("KEPT=yes\r");
    await shell.expect(/# /);
    shell.type("\x10\x11");
    expect(await shell.exit).toBe(0);
    expect((await daemon.inspect("left")).State.Running).toBe(true);
    const again = new Pty(["docker", "attach", "left"], daemon.env());
    await sleep(300);
    again.type("echo kept:$KEPT\r");
    await again.expect(/kept:yes/);
    again.type("exit\r");
    expect(await again.exit).toBe(0);
  });
});

describe("exec", () => {
  it("runs in the container with its streams and exit code", async () => {
    await detached("--name", "box", "-e", "A=1", "busybox", "sleep", "100");
    expect(await daemon.docker(["exec", "-e", "B=2", "-w", "/etc", "-u", "1000", "box", "sh", "-c", "echo $A$B; pwd; id -u; echo e >&2; exit 5"]))
      .toEqual({ code: 5, stdout: "12\n/etc\n1000\n", stderr: "e\n" });
    const text = "x".repeat(300_000);
    expect((await daemon.docker(["exec", "-i", "box", "wc", "-c"], { input: text })).stdout).toBe("300000\n");
    expect([126, 127]).toContain((await daemon.docker(["exec", "box", "no-such-command"])).code);
    expect(await daemon.docker(["exec", "-d", "box", "touch", "/done"])).toMatchObject({ code: 0, stdout: "" });
    await until(async () => ((await daemon.docker(["exec", "box", "test", "-e", "/done"])).code === 0 ? true : undefined), 10_000, "the detached exec");
  });

  it("has a terminal when asked", async () => {
    await detached("--name", "box", "busybox", "sleep", "100");
    const shell = new Pty(["docker", "exec", "-it", "box", "sh"], daemon.env());
    await shell.expect(/# /);
    shell.type("tty && stty size\r");
    await shell.expect(/\/dev\/pts\/\d+\s+40 120/);
    shell.type("exit 9\r");
    expect(await shell.exit).toBe(9);
  });

  it("refuses a container that does not run", async () => {
    await daemon.dockerOk("create", "--name", "idle", "busybox", "true");
    const { status, json } = await daemon.api("POST", "/containers/idle/exec", { json: { Cmd: ["true"] } });
    expect(status).toBe(409);
    expect(json.message).toMatch(/^Container [0-9a-f]{64} is not running$/);
  });
});

describe("logs", () => {
  it("are kept, cut by tail and since, and followed to the end", async () => {
    await detached("--name", "talk", "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; [ $i = 5 ] && sleep 2; done; echo bad >&2");
    await until(async () => ((await daemon.dockerOk("logs", "talk")).includes("line 5") ? true : undefined), 10_000, "five lines");
    const follower = daemon.dockerStart("logs", "-f", "--tail", "2", "talk");
    expect(await follower.exit).toBe(0);
    expect(follower.output).toBe(`${[4, 5, 6, 7, 8, 9, 10].map((n) => `line ${n}\n`).join("")}bad\n`);
    const { stdout, stderr } = await daemon.docker(["logs", "talk"]);
    expect(stdout.split("\n")).toHaveLength(11);
    expect(stderr).toBe("bad\n");
    expect(await daemon.dockerOk("logs", "--tail", "3", "talk")).toBe("line 9\nline 10");

    const stamped = (await daemon.dockerOk("logs", "-t", "talk")).split("\n");
    expect(stamped[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 1$/);
    const sixth = stamped[5]!.split(" ")[0]!;
    expect(await daemon.dockerOk("logs", "--since", sixth, "talk")).toBe("line 6\nline 7\nline 8\nline 9\nline 10");
    expect(await daemon.dockerOk("logs", "--until", stamped[2]!.split(" ")[0]!, "talk")).toMatch(/^line 1\nline 2/);
  });

  it("keep long lines whole and bytes as they are", async () => {
    const { stdout } = await run("--name", "long", "busybox", "sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\303\\251 no newline at the end'");
    expect(stdout).toBe(`${"x".repeat(100_000)}\né no newline at the end`);
    await daemon.docker(["run", "--name", "long2", "busybox", "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' y; echo"]);
    expect(await daemon.dockerOk("logs", "long2")).toBe("y".repeat(40_000));
  });
});

describe("the life of a container", () => {
  it("stop lets it end by itself, and kills it after the grace", async () => {
    await detached("--name", "kind", "busybox", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.1; done");
    await until(async () => ((await daemon.dockerOk("logs", "kind")).includes("up") ? true : undefined), 10_000, "the trap");
    await daemon.dockerOk("stop", "kind");
    expect((await daemon.inspect("kind")).State).toMatchObject({ Status: "exited", ExitCode: 3, Running: false, Pid: 0 });
    expect(await daemon.dockerOk("logs", "kind")).toBe("up\nbye");
    await detached("--name", "deaf", "busybox", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done");
    await daemon.dockerOk("stop", "-t", "1", "deaf");
    expect((await daemon.inspect("deaf")).State.ExitCode).toBe(137);
  });

  it("kill sends a signal; a stopped container cannot be killed", async () => {
    await detached("--name", "sig", "busybox", "sh", "-c", "trap 'echo usr1' USR1; while :; do sleep 0.1; done");
    await sleep(300);
    await daemon.dockerOk("kill", "-s", "USR1", "sig");
    await until(async () => ((await daemon.dockerOk("logs", "sig")) === "usr1" ? true : undefined), 10_000, "the signal");
    await daemon.dockerOk("kill", "sig");
    expect(await daemon.dockerOk("wait", "sig")).toBe("137");
    const { code, stderr } = await daemon.docker(["kill", "sig"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/is not running/)]);
  });

  it("restart runs it again with what it wrote", async () => {
    await detached("--name", "again", "busybox", "sh", "-c", "echo x >> /count; wc -l < /count; sleep 100");
    await until(async () => ((await daemon.dockerOk("logs", "again")) === "1" ? true : undefined), 10_000, "the first run");
    const first = (await daemon.inspect("again")).State.StartedAt as string;
    await daemon.dockerOk("restart", "-t", "0", "again");
    await until(async () => ((await daemon.dockerOk("logs", "again")) === "1\n2" ? true : undefined), 10_000, "the second run");
    expect((await daemon.inspect("again")).State.StartedAt).not.toBe(first);
    expect((await daemon.api("POST", "/containers/again/start")).status).toBe(304);
    await daemon.dockerOk("stop", "-t", "0", "again");
    expect((await daemon.api("POST", "/containers/again/stop")).status).toBe(304);
  });

  it("pause freezes it", async () => {
    await detached("--name", "cold", "busybox", "sleep", "100");
    await daemon.dockerOk("pause", "cold");
    expect((await daemon.inspect("cold")).State).toMatchObject({ Status: "paused", Paused: true, Running: true });
    expect(await daemon.dockerOk("ps", "--format", "{{.Status}}")).toMatch(/\(Paused\)$/);
    await daemon.dockerOk("unpause", "cold");
    expect((await daemon.inspect("cold")).State.Status).toBe("running");
  });

  it("wait answers with the code, for an end to come and for one that was", async () => {
    await daemon.dockerOk("create", "--name", "awaited", "busybox", "sh", "-c", "sleep 0.5; exit 6");
    const removed = daemon.dockerStart("wait", "awaited");
    await daemon.dockerOk("start", "awaited");
    expect(await daemon.dockerOk("wait", "awaited")).toBe("6");
    await removed.exit;
    const next = daemon.api("POST", "/containers/awaited/wait", { query: { condition: "next-exit" } });
    await sleep(200);
    await daemon.dockerOk("start", "awaited");
    expect((await next).json.StatusCode).toBe(6);
    const gone = daemon.api("POST", "/containers/awaited/wait", { query: { condition: "removed" } });
    await sleep(200);
    await daemon.dockerOk("rm", "awaited");
    expect((await gone).json.StatusCode).toBe(6);
  });

  it("rm refuses a running one unless forced", async () => {
    const id = await detached("--name", "busy", "busybox", "sleep", "100");
    const { code, stderr } = await daemon.docker(["rm", "busy"]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/container is running|cannot remove a running container|You cannot remove/)]);
    await daemon.dockerOk("rm", "-f", "busy");
    expect((await daemon.api("GET", `/containers/${id}/json`)).status).toBe(404);
    expect((await daemon.api("DELETE", `/containers/${id}`)).json.message).toBe(`No such container: ${id}`);
  });

  it("rename changes the name, and only to a free one", async () => {
    await detached("--name", "old", "busybox", "sleep", "100");
    await detached("--name", "other", "busybox", "sleep", "100");
    await daemon.dockerOk("rename", "old", "new");
    expect((await daemon.inspect("new")).Name).toBe("/new");
    expect((await daemon.api("POST", "/containers/new/rename", { query: { name: "other" } })).status).toBe(409);
    expect((await daemon.api("POST", "/containers/new/rename", { query: { name: "a b" } })).status).toBe(400);
    expect((await daemon.api("GET", "/containers/old/json")).status).toBe(404);
  });

  it("a restart policy starts it again, until the user stops it", async () => {
    await detached("--name", "phoenix", "--restart", "on-failure:2", "busybox", "sh", "-c", "echo try; exit 1");
    await until(async () => {
      const { State, RestartCount } = await daemon.inspect("phoenix");
      return RestartCount === 2 && State.Status === "exited" ? true : undefined;
    }, 20_000, "two restarts");
    expect(await daemon.dockerOk("logs", "phoenix")).toBe("try\ntry\ntry");
    await detached("--name", "always", "--restart", "always", "busybox", "sleep", "0.2");
    await until(async () => ((await daemon.inspect("always")).RestartCount >= 1 ? true : undefined), 20_000, "a restart");
    await daemon.dockerOk("stop", "-t", "0", "always");
    expect((await daemon.inspect("always")).State.Status).toBe("exited");
  });

  it("top, diff, export and stats of the tree", async () => {
    await detached("--name", "seen", "busybox", "sh", "-c", "mkdir /made; echo y > /made/f; rm /etc/group; sleep 100");
    await until(async () => ((await daemon.dockerOk("diff", "seen")).includes("/made/f") ? true : undefined), 10_000, "the change");
    expect((await daemon.dockerOk("diff", "seen")).split("\n").sort()).toEqual(["A /made", "A /made/f", "C /etc", "D /etc/group"]);
    expect(await daemon.dockerOk("top", "seen")).toMatch(/sleep 100/);
    const listing = await bed.netns.ok("sh", ["-c", `docker export seen | tar -t`], { env: daemon.env() });
    expect(listing.split("\n")).toEqual(expect.arrayContaining(["made/f", "bin/busybox"]));
    expect(listing).not.toMatch(/^etc\/group$/m);
  });
});

describe("ps", () => {
  it("filters by name, status, label, ancestor, exit code and volume", async () => {
    const ended = await daemon.dockerOk("create", "--name", "ended", "--label", "tier=back", "busybox", "sh", "-c", "exit 4");
    await daemon.docker(["start", "-a", "ended"]);
    const running = await detached("--name", "running", "--label", "tier=front", "--label", "team", "-v", "vol:/data", "busybox", "sleep", "100");
    const created = await daemon.dockerOk("create", "--name", "fresh", "busybox", "true");
    const list = async (...filters: string[]): Promise<string[]> => (await daemon.dockerOk("ps", "-a", "--no-trunc", "-q", ...filters.flatMap((filter) => ["--filter", filter]))).split("\n").filter(Boolean);
    expect(await list()).toEqual([created, running, ended]);
    expect(await list("name=^/running$")).toEqual([running]);
    expect(await list("name=e")).toEqual([created, ended]);
    expect(await list("status=exited")).toEqual([ended]);
    expect(await list("status=created", "status=running")).toEqual([created, running]);
    expect(await list("label=tier")).toEqual([running, ended]);
    expect(await list("label=tier=front")).toEqual([running]);
    expect(await list("label=tier", "label=team")).toEqual([running]);
    expect(await list("exited=4")).toEqual([ended]);
    expect(await list("ancestor=busybox")).toHaveLength(3);
    expect(await list("volume=vol")).toEqual([running]);
    expect(await list("id=" + running.slice(0, 12))).toEqual([running]);
    expect(await list("before=running")).toEqual([ended]);
    expect(await list("since=running")).toEqual([created]);
    expect((await daemon.dockerOk("ps", "-q", "--no-trunc")).split("\n")).toEqual([running]);
    expect((await daemon.dockerOk("ps", "-a", "-n", "1", "-q", "--no-trunc")).split("\n")).toEqual([created]);
    expect(await daemon.dockerOk("ps", "-a", "--filter", "name=ended", "--format", "{{.Image}}|{{.Command}}|{{.Names}}|{{.State}}|{{.Labels}}")).toBe(`busybox|"sh -c 'exit 4'"|ended|exited|tier=back`);
    expect((await daemon.api("GET", "/containers/json", { query: { filters: '{"no-such-filter":["x"]}' } })).status).toBe(400);
  });
});
