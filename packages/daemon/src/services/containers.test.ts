import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { whyNoRuntime } from "../drivers/runtime/testing.js";
import { ContainerRig } from "./testing/container-rig.js";
import { TestClient } from "./testing/test-client.js";

const why = new Map(["runc", "crun"].map((name) => [name, whyNoRuntime(name)]));
for (const [name, reason] of why) if (reason !== null) test.skip(`${name}: ${reason}`, () => undefined);
const usable = [...why].filter(([, reason]) => reason === null).map(([name]) => name);

const streams = { stdin: false, stdout: true, stderr: true, stream: true, logs: false };
const signal = new AbortController().signal;

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(10);
}

(usable.length > 0 ? describe.each(usable) : describe.skip.each(["runc"]))("containers on %s", (runtime) => {
  let rig: ContainerRig;
  beforeAll(async () => {
    rig = await ContainerRig.open(runtime);
    await rig.image("busybox:latest", {}, "mkdir -p data; echo from-image > data/file; chown 1000:1000 data");
  });
  afterAll(() => rig.close());
  afterEach(async () => {
    for (const { id } of [...rig.stores.containers.list()]) await rig.containers.remove(id, { force: true, volumes: true, link: false });
    expect(rig.leftovers()).toEqual([]);
  });

  test("a life: output, exit code, events, log, and nothing left", async () => {
    const { id, code, stdout, stderr } = await rig.run(["sh", "-c", "echo out; echo err >&2; exit 42"], { config: { Labels: { colour: "blue" } } });
    expect([code, stdout, stderr]).toEqual([42, "out\n", "err\n"]);
    expect(rig.state(id)).toMatchObject({ status: "exited", exitCode: 42, pid: 0, error: "" });
    expect(rig.actions(id)).toEqual(["create", "attach", "start", "die"]);
    expect(rig.seen.find((e) => e.action === "die")!.attributes).toMatchObject({ exitCode: "42", image: "busybox", colour: "blue" });
    expect(await rig.logs(id)).toBe("out\nerr\n");
    await rig.containers.start(id);
    expect(await rig.exit(id)).toBe(42);
    expect(await rig.logs(id, { tail: 1 })).toBe("err\n");
  });

  test("environment, user, directory, hostname", async () => {
    const { stdout } = await rig.run(["sh", "-c", "echo $A $HOME; id -u; id -G; pwd; hostname; cat /etc/hosts"], { config: { Env: ["A=1"], User: "user", WorkingDir: "/made/up", Hostname: "box" } });
    expect(stdout).toBe("1 /home/user\n1000\n1000 2000\n/made/up\nbox\n127.0.0.1\tlocalhost\n");
    await expect(rig.run(["true"], { config: { User: "nobody-here" } })).rejects.toThrow("unable to find user nobody-here: no matching entries in passwd file");
  });

  test("commands that cannot run: Docker's codes and words; the container stays as created", async () => {
    const missing = await rig.create(["no-such"]);
    await expect(rig.containers.start(missing)).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringMatching(/^failed to create task for container: .*"no-such": executable file not found in \$PATH/) as string });
    expect(rig.state(missing)).toMatchObject({ status: "created", exitCode: 127, error: expect.stringContaining("no-such") as string });
    const directory = await rig.create(["/etc"]);
    await expect(rig.containers.start(directory)).rejects.toThrow("permission denied");
    expect(rig.state(directory).exitCode).toBe(126);
    expect(rig.networking.calls.filter((c) => c.startsWith("attach")).length).toBe(rig.networking.calls.filter((c) => c.startsWith("release")).length);
  });

  test("create refuses what cannot be, and leaves nothing", async () => {
    await expect(rig.create(["true"], { config: { Image: "no/such" } })).rejects.toThrow("No such image: no/such:latest");
    await expect(rig.create(["true"], { name: "a b" })).rejects.toThrow("Invalid container name");
    await expect(rig.create(["true"], { hostConfig: { Memory: 1024 } })).rejects.toThrow("Minimum memory limit");
    await expect(rig.create(["true"], { hostConfig: { Runtime: "magic" } })).rejects.toThrow("unknown or invalid runtime name: magic");
    await expect(rig.create(["true"], { hostConfig: { LogConfig: { Type: "syslog" } } })).rejects.toThrow("no log driver named 'syslog' is registered");
    await expect(rig.create(["true"], { hostConfig: { LogConfig: { Type: "json-file", Config: { wat: "1" } } } })).rejects.toThrow("unknown log opt 'wat'");
    await expect(rig.create(["true"], { hostConfig: { Mounts: [{ Type: "bind", Source: "/not/there", Target: "/x" }] } })).rejects.toThrow("bind source path does not exist: /not/there");
    await expect(rig.create(["true"], { platform: { os: "linux", architecture: "riscv64" } })).rejects.toThrow("does not match the specified platform (linux/riscv64)");
    const id = await rig.create(["true"], { name: "taken" });
    await expect(rig.create(["true"], { name: "taken", config: { Volumes: { "/v": {} } } })).rejects.toThrow(`Conflict. The container name "/taken" is already in use by container "${id}"`);
    expect([...rig.stores.volumes.list()]).toEqual([]);
  });

  test("stdin goes in and ends; a slow client loses nothing", async () => {
    const id = await rig.create(["cat"], { config: { OpenStdin: true, StdinOnce: true } });
    const client = new TestClient(true);
    const attached = rig.containers.attach(id, { ...streams, stdin: true }, client);
    await rig.containers.start(id);
    const text = "0123456789abcdef".repeat(1 << 16);
    let drain: () => void = () => undefined;
    client.slow = new Promise((resolve) => { drain = resolve; });
    client.input!.end(text);
    await sleep(200);
    client.slow = null;
    drain();
    await attached;
    expect(client.stdout === text).toBe(true);
    expect(await rig.exit(id)).toBe(0);
  });

  test("a client that never reads does not keep an ended container", async () => {
    const id = await rig.create(["seq", "200000"]);
    const client = new TestClient();
    client.slow = new Promise(() => undefined);
    void rig.containers.attach(id, streams, client);
    await rig.containers.start(id);
    await sleep(300);
    expect(rig.state(id).status).toBe("running");
    client.leave();
    expect(await rig.exit(id)).toBe(0);
    expect((await rig.logs(id)).endsWith("\n200000\n")).toBe(true);
  });

  test("a terminal: echo at once, detach keys, attach again", async () => {
    const id = await rig.create(["sh"], { config: { OpenStdin: true, StdinOnce: true, Tty: true } });
    const first = new TestClient(true);
    const attached = rig.containers.attach(id, { ...streams, stdin: true }, first);
    await rig.containers.start(id);
    await rig.containers.resize(id, 30, 90);
    first.input!.write("KEPT=yes; stty size\n");
    await until(() => first.stdout.includes("30 90"));
    first.input!.write("\x10\x11");
    await attached;
    expect(rig.actions(id)).toContain("detach");
    expect(rig.state(id).status).toBe("running");
    const second = new TestClient(true);
    const again = rig.containers.attach(id, { ...streams, stdin: true }, second);
    second.input!.write("echo kept:$KEPT; exit 3\n");
    await again;
    expect(second.stdout).toContain("kept:yes\r\n");
    expect(await rig.exit(id)).toBe(3);
  });

  test("logs and live output without gap", async () => {
    const id = await rig.create(["sh", "-c", "i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.02; done"]);
    await rig.containers.start(id);
    await until(async () => (await rig.logs(id)).includes("10\n"));
    const client = new TestClient();
    const [followed] = await Promise.all([rig.logs(id, { follow: true }), rig.containers.attach(id, { ...streams, logs: true }, client)]);
    const all = Array.from({ length: 40 }, (_, i) => `${i}\n`).join("");
    expect(followed).toBe(all);
    expect(client.stdout).toBe(all);
  });

  test("stop: signal, grace, kill; kill; conflicts", async () => {
    const kind = await rig.create(["sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"]);
    await rig.containers.start(kind);
    await until(async () => (await rig.logs(kind)) === "up\n");
    await expect(rig.containers.start(kind)).rejects.toMatchObject({ code: "NotModified" });
    await expect(rig.containers.remove(kind, { force: false, volumes: false, link: false })).rejects.toThrow("container is running: stop the container before removing or force remove");
    await rig.containers.stop(kind, {});
    expect(rig.state(kind)).toMatchObject({ status: "exited", exitCode: 3, stoppedByUser: true });
    expect(await rig.logs(kind)).toBe("up\nbye\n");
    await expect(rig.containers.stop(kind, {})).rejects.toMatchObject({ code: "NotModified" });
    await expect(rig.containers.kill(kind)).rejects.toThrow("is not running");
    expect(rig.actions(kind)).toEqual(["create", "start", "kill", "die", "stop"]);
    const deaf = await rig.create(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]);
    await rig.containers.start(deaf);
    await until(async () => (await rig.logs(deaf)) === "up\n");
    await rig.containers.stop(deaf, { timeoutSeconds: 0 });
    expect(rig.state(deaf).exitCode).toBe(137);
    await expect(rig.containers.kill(deaf, "NOPE")).rejects.toThrow("invalid signal: NOPE");
  });

  test("pause, and what it forbids", async () => {
    const id = await rig.create(["sleep", "100"]);
    await expect(rig.containers.pause(id, true)).rejects.toThrow("is not running");
    await rig.containers.start(id);
    await rig.containers.pause(id, true);
    expect(rig.state(id).status).toBe("paused");
    await expect(rig.containers.pause(id, true)).rejects.toThrow("is already paused");
    await expect(rig.containers.start(id)).rejects.toThrow("cannot start a paused container");
    await expect(rig.containers.execs.create(id, execOf(["true"]))).rejects.toThrow("is paused");
    await rig.containers.pause(id, false);
    await rig.containers.pause(id, true);
    await rig.containers.kill(id);
    expect(await rig.exit(id)).toBe(137);
  });

  test("wait: not-running, next-exit, removed; a vanished client", async () => {
    const id = await rig.create(["sh", "-c", "exit 6"]);
    expect((await rig.containers.wait(id, "not-running", signal).exit).code).toBe(0);
    const next = rig.containers.wait(id, "next-exit", signal), gone = rig.containers.wait(id, "removed", signal);
    const controller = new AbortController();
    const left = rig.containers.wait(id, "next-exit", controller.signal);
    controller.abort();
    await expect(left.exit).rejects.toThrow("no longer waited for");
    await rig.containers.start(id);
    expect((await next.exit).code).toBe(6);
    const never = rig.containers.wait(id, "next-exit", signal);
    await rig.containers.remove(id, { force: false, volumes: false, link: false });
    expect([(await gone.exit).code, (await never.exit).code]).toEqual([6, 6]);
    expect(() => rig.containers.wait(id, "next-exit", signal)).toThrow(`No such container: ${id}`);
  });

  test("auto-remove, also after a start that failed; volumes without a name go too", async () => {
    const id = await rig.create(["true"], { hostConfig: { AutoRemove: true, Binds: ["named:/n"] }, config: { Volumes: { "/v": {} } } });
    const removed = rig.containers.wait(id, "removed", signal);
    expect([...rig.stores.volumes.list()]).toHaveLength(2);
    await rig.containers.start(id);
    expect((await removed.exit).code).toBe(0);
    expect([...rig.stores.volumes.list()].map((v) => v.name)).toEqual(["named"]);
    await rig.stores.volumes.remove("named");
    const broken = await rig.create(["no-such"], { hostConfig: { AutoRemove: true } });
    await expect(rig.containers.start(broken)).rejects.toThrow("not found");
    expect(() => rig.state(broken)).toThrow("No such container");
  });

  test("restart policies: on-failure counts, always until stopped", async () => {
    const failing = await rig.create(["sh", "-c", "echo try; exit 1"], { hostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } } });
    await rig.containers.start(failing);
    await until(() => rig.state(failing).status === "exited");
    expect(rig.state(failing)).toMatchObject({ restartCount: 2, exitCode: 1 });
    expect(await rig.logs(failing)).toBe("try\ntry\ntry\n");
    const always = await rig.create(["true"], { hostConfig: { RestartPolicy: { Name: "always" } } });
    await rig.containers.start(always);
    await until(() => rig.state(always).restartCount >= 2);
    await rig.containers.stop(always, { timeoutSeconds: 0 }).catch((e: { code: string }) => { if (e.code !== "NotModified") throw e; });
    await until(async () => (await rig.containers.stop(always, {}).catch(() => undefined), rig.state(always).status === "exited"));
    await sleep(300);
    expect(rig.state(always).status).toBe("exited");
  });

  test("restart keeps the tree, runs the command again", async () => {
    const id = await rig.create(["sh", "-c", "echo x >> /count; cat /count; sleep 100"]);
    await rig.containers.start(id);
    await until(async () => (await rig.logs(id)) === "x\n");
    await rig.containers.restart(id, { timeoutSeconds: 0 });
    await until(async () => (await rig.logs(id)) === "x\nx\nx\n");
    expect(rig.actions(id).slice(-4)).toEqual(["die", "stop", "start", "restart"]);
  });

  test("volumes: the image's content and owner come along once; binds; read-only; tmpfs", async () => {
    const outside = mkdtempSync(join(tmpdir(), "strata-bind-"));
    try {
      writeFileSync(join(outside, "f"), "host\n");
      const first = await rig.run(["sh", "-c", "cat /data/file /host/f; echo new > /data/file; echo back > /host/g; echo no > /ro/x; echo ok > /tmpfs/x && cat /tmpfs/x"], {
        hostConfig: { Binds: ["vol:/data", `${outside}:/host`, `${outside}/made:/ro:ro`], Tmpfs: { "/tmpfs": "size=1m" } },
      });
      expect(first.stdout).toBe("from-image\nhost\nok\n");
      expect(first.stderr).toMatch(/Read-only file system/);
      expect(readFileSync(join(outside, "g"), "utf8")).toBe("back\n");
      expect(statSync(join(outside, "made")).isDirectory()).toBe(true);
      expect(statSync(rig.stores.volumes.get("vol").mountpoint).uid).toBe(1000);
      const second = await rig.run(["sh", "-c", "cat /data/file"], { hostConfig: { Mounts: [{ Type: "volume", Source: "vol", Target: "/data", ReadOnly: true }] } });
      expect(second.stdout).toBe("new\n");
      expect(rig.stores.containers.get(second.id as never).mounts).toEqual([{ Type: "volume", Name: "vol", Source: rig.stores.volumes.get("vol").mountpoint, Driver: "local", Destination: "/data", Mode: "", RW: false, Propagation: "" }]);
      await expect(rig.stores.volumes.remove("vol")).rejects.toThrow("volume is in use");
      const lent = await rig.run(["cat", "/data/file"], { hostConfig: { VolumesFrom: [second.id] } });
      expect(lent.stdout).toBe("new\n");
      for (const { id } of [...rig.stores.containers.list()]) await rig.containers.remove(id, { force: false, volumes: true, link: false });
      await rig.stores.volumes.remove("vol");
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  test("confinement: capabilities, filter, masked and read-only paths, limits", async () => {
    const { stdout, stderr } = await rig.run(["sh", "-c", "grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status; head -c 4 /proc/kcore; touch /proc/sys/kernel/hostname; echo x 2>&1 > /proc/sys/kernel/hostname; cat /sys/fs/cgroup/pids/pids.max"], { hostConfig: { PidsLimit: 7 } });
    expect(stdout).toContain("Seccomp:\t2\n");
    expect(stdout).toContain("CapEff:\t00000000000000e1\n");
    expect(stderr).toMatch(/Read-only file system/);
    expect(stdout.endsWith("\n7\n")).toBe(true);
  });

  test("out of memory is told", async () => {
    const { id, code } = await rig.run(["sh", "-c", "x=x; while :; do x=$x$x; done"], { hostConfig: { Memory: 8 << 20, MemorySwap: 8 << 20 } });
    expect(code).toBe(137);
    expect(rig.state(id).oomKilled).toBe(true);
    expect(rig.actions(id)).toContain("oom");
  });

  test("rename, list and filters", async () => {
    const ended = await rig.create(["sh", "-c", "exit 4"], { name: "ended", config: { Labels: { tier: "back" } } });
    await rig.containers.start(ended);
    await rig.exit(ended);
    const running = await rig.create(["sleep", "100"], { name: "old-name", config: { Labels: { tier: "front", team: "x" } }, hostConfig: { Binds: ["lv:/data"] } });
    await rig.containers.start(running);
    const fresh = await rig.create(["true"], { name: "fresh" });
    await rig.containers.rename(running, "running");
    await expect(rig.containers.rename(fresh, "running")).rejects.toThrow("already in use");
    await expect(rig.containers.rename(fresh, "fresh")).rejects.toThrow("same name");
    expect(rig.seen.find((e) => e.action === "rename")!.attributes).toMatchObject({ name: "running", oldName: "/old-name" });
    const list = async (filters: Record<string, string[]>, all = true, limit = 0) => (await rig.containers.list({ all, limit, size: false, filters: new Map(Object.entries(filters)) })).map((v) => v.container.id);
    expect(await list({})).toEqual([fresh, running, ended]);
    expect(await list({}, false)).toEqual([running]);
    expect(await list({}, false, 1)).toEqual([fresh]);
    expect(await list({ name: ["^/running$"] })).toEqual([running]);
    expect(await list({ name: ["e"] })).toEqual([fresh, ended]);
    expect(await list({ status: ["exited"] }, false)).toEqual([ended]);
    expect(await list({ label: ["tier"] })).toEqual([running, ended]);
    expect(await list({ label: ["tier=front", "team"] })).toEqual([running]);
    expect(await list({ exited: ["4"] })).toEqual([ended]);
    expect(await list({ ancestor: ["busybox"] })).toHaveLength(3);
    expect(await list({ ancestor: ["nothing"] })).toEqual([]);
    expect(await list({ volume: ["lv"] })).toEqual([running]);
    expect(await list({ volume: ["/data"] })).toEqual([running]);
    expect(await list({ before: ["running"] })).toEqual([ended]);
    expect(await list({ since: ["running"] })).toEqual([fresh]);
    expect(await list({ network: ["host"] })).toHaveLength(3);
    expect(await list({ id: [running.slice(0, 8)] })).toEqual([running]);
    await expect(list({ wat: ["1"] })).rejects.toThrow("invalid filter 'wat'");
    await expect(list({ status: ["wat"] })).rejects.toThrow("invalid filter");
    const { sizeRw, sizeRootFs } = await rig.containers.inspect(running, { size: true });
    expect(sizeRootFs! - sizeRw!).toBe(rig.stores.images.get(rig.stores.images.resolve("busybox")).size);
    rig.stores.buildCache.announce("fresh");
    expect((await rig.containers.prune(new Map())).removed).toEqual([ended]);
    rig.stores.buildCache.forget("fresh");
    expect((await rig.containers.prune(new Map())).removed).toEqual([fresh]);
    await rig.containers.remove(running, { force: true, volumes: false, link: false });
    await rig.stores.volumes.remove("lv");
  });

  test("changes, export, top", async () => {
    const id = await rig.create(["sh", "-c", "mkdir /made; echo y > /made/f; rm /etc/group; sleep 100"]);
    await rig.containers.start(id);
    const changes = async () => {
      const found: string[] = [];
      for await (const { path, kind } of rig.containers.changes(id)) found.push(`${"CAD"[kind]} ${path}`);
      return found;
    };
    await until(async () => (await changes()).includes("D /etc/group"));
    expect(await changes()).toEqual(["C /etc", "D /etc/group", "A /made", "A /made/f"]);
    const chunks: Buffer[] = [];
    for await (const chunk of await rig.containers.export(id)) chunks.push(chunk as Buffer);
    const names = execFileSync("tar", ["-t"], { input: Buffer.concat(chunks) }).toString().split("\n");
    expect(names).toEqual(expect.arrayContaining(["made/f", "bin/busybox", "etc/passwd"]));
    expect(names).not.toContain("etc/group");
    const { titles, processes } = await rig.containers.top(id, "-o pid,cmd");
    expect(titles).toEqual(["PID", "CMD"]);
    expect(processes.map((p) => p[1])).toContain("sleep 100");
  });

  test("commit: one layer more, config changed, parent known; the container goes on", async () => {
    const id = await rig.create(["sh", "-c", "echo content > /new; sleep 100"], { config: { Env: ["A=1"] } });
    await rig.containers.start(id);
    await until(async () => { for await (const { path } of rig.containers.changes(id)) if (path === "/new") return true; return false; });
    const made = await rig.containers.commit(id, { ref: "app:v1", author: "me", message: "done", changes: ["ENV B=2", 'CMD ["cat", "/new"]'], pause: true });
    const image = rig.stores.images.get(made), base = rig.stores.images.get(rig.stores.images.resolve("busybox"));
    expect(image.parent).toBe(base.id);
    expect(image.config.rootfs.diff_ids).toHaveLength(2);
    expect(image.config.config).toMatchObject({ Env: expect.arrayContaining(["A=1", "B=2", "PATH=/bin"]) as string[], Cmd: ["cat", "/new"] });
    expect(image.config.history!.at(-1)).toMatchObject({ author: "me", comment: "done", created_by: "sh -c echo content > /new; sleep 100" });
    expect(rig.state(id).status).toBe("running");
    expect(rig.stores.layers.get(image.top!).size).toBe(8);
    expect(rig.seen.find((e) => e.action === "commit")!.attributes).toMatchObject({ imageID: made, comment: "done" });
    const { stdout } = await rig.run([], { config: { Image: "app:v1", Cmd: [] } });
    expect(stdout).toBe("content\n");
  });

  const execOf = (cmd: string[], more = {}) => ({ cmd, tty: false, attachStdin: false, attachStdout: true, attachStderr: true, env: [], user: "", workingDir: "", privileged: false, ...more });

  test("exec: streams, stdin, exit code, errors, detached", async () => {
    const idle = await rig.create(["true"]);
    await expect(rig.containers.execs.create(idle, execOf(["true"]))).rejects.toThrow(`Container ${idle} is not running`);
    const id = await rig.create(["sleep", "100"], { config: { Env: ["A=1"] } });
    await rig.containers.start(id);
    const { execs } = rig.containers;
    const run = async (cmd: string[], more = {}, client = new TestClient()) => {
      const exec = await execs.create(id, execOf(cmd, more));
      await execs.start(exec, { tty: false }, client);
      return { exec, stdout: client.stdout, stderr: client.stderr, code: execs.inspect(exec).exitCode };
    };
    expect(await run(["sh", "-c", "echo $A$B; pwd; id -u; echo e >&2; exit 5"], { env: ["B=2"], workingDir: "/etc", user: "user" })).toMatchObject({ stdout: "12\n/etc\n1000\n", stderr: "e\n", code: 5 });
    const client = new TestClient(true);
    client.input!.end("through");
    const piped = await run(["cat"], { attachStdin: true }, client);
    expect(piped).toMatchObject({ stdout: "through", code: 0 });
    expect(rig.actions(id)).toEqual(expect.arrayContaining(["exec_create: cat ", "exec_start: cat ", "exec_die"]));
    const missing = await run(["no-such"]);
    expect(missing.code).toBe(127);
    expect(missing.stdout).toMatch(/^OCI runtime exec failed: .*"no-such": executable file not found in \$PATH.*\r\n$/);
    expect(missing.stderr).toBe("");
    expect((await run(["true"], { user: "nix" })).stdout).toContain("unable to find user nix");
    await expect(execs.start(piped.exec, { tty: false }, new TestClient())).rejects.toThrow("has already run");
    expect(() => execs.inspect("nothing")).toThrow("No such exec instance: nothing");
    const detached = await execs.create(id, execOf(["sh", "-c", "echo > /done"]));
    await execs.start(detached, { tty: false }, null);
    await until(() => execs.inspect(detached).exitCode === 0);
    const wrong = await execs.create(id, execOf(["no-such"]));
    await expect(execs.start(wrong, { tty: false }, null)).rejects.toThrow("executable file not found");
    expect(execs.inspect(wrong).exitCode).toBe(127);
  });

  test("exec with a terminal ends with the container", async () => {
    const id = await rig.create(["sleep", "100"]);
    await rig.containers.start(id);
    const client = new TestClient(true);
    const exec = await rig.containers.execs.create(id, execOf(["sh"], { tty: true, attachStdin: true, consoleSize: [11, 22] }));
    const running = rig.containers.execs.start(exec, { tty: true }, client);
    client.input!.write("stty size\n");
    await until(() => client.stdout.includes("11 22"));
    await rig.containers.execs.resize(exec, 33, 44);
    client.input!.write("stty size\n");
    await until(() => client.stdout.includes("33 44"));
    expect(rig.containers.execs.inspect(exec)).toMatchObject({ running: true, exitCode: null });
    await rig.containers.kill(id);
    await running;
    expect(rig.containers.execs.inspect(exec).exitCode).toBe(137);
  });

  test("ten at once, started, ended and removed", async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, (_, i) => rig.run(["sh", "-c", `exit ${i}`]).then(({ id, code }) => {
      expect(code).toBe(i);
      return id;
    })));
    await Promise.all(ids.map((id) => rig.containers.remove(id, { force: false, volumes: false, link: false })));
  });
});
