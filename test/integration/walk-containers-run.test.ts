import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { type Daemon, type TestBed, daemonNeeds, needs, setUp, skipped, until, which } from "../helpers/index.js";

/** The flags of `docker run` and `docker create` that say who and what a container is, each seen from inside or in inspect. */
const it = needs(...daemonNeeds, "docker");
const withInit = which("docker-init") ?? which("tini") ? it : skipped("no docker-init on this machine");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(() => daemon.removeContainers());

const run = (...args: string[]): ReturnType<Daemon["docker"]> => daemon.docker(["run", "--rm", ...args]);
const shown = (args: readonly string[], script: string): Promise<string> => daemon.dockerOk("run", "--rm", ...args, "busybox", "sh", "-c", script);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await run(...args);
  expect({ args, code }).toEqual({ args, code: 125 });
  return stderr;
};
const idle = (name: string, ...flags: string[]): Promise<string> => daemon.dockerOk("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
const namespace = (kind: string): string => `readlink /proc/self/ns/${kind}`;
const exited = (name: string): Promise<string> => daemon.dockerOk("inspect", "-f", "{{.State.ExitCode}}", name);

describe("words about it", () => {
  it("--env, --env-file, --label, --label-file, --annotation, --cidfile", async () => {
    const [env, labels, cid] = [bed.path("env"), bed.path("labels"), bed.path("cid")];
    writeFileSync(env, "ONE=1\n# a comment\nTAKEN\nSPACED=x y\n");
    writeFileSync(labels, "from.file=yes\n");
    const { stdout } = await daemon.docker(["run", "--rm", "--env-file", env, "-e", "TWO=2", "-e", "TAKEN2", "busybox", "env"], { env: { TAKEN: "taken", TAKEN2: "too" } });
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["ONE=1", "TAKEN=taken", "SPACED=x y", "TWO=2", "TAKEN2=too", "PATH=/bin", "HOME=/root"]));
    const id = await daemon.dockerOk("create", "--name", "labelled", "--label-file", labels, "-l", "own=1", "--annotation", "io.example=2", "--cidfile", cid, "busybox", "true");
    expect(readFileSync(cid, "utf8")).toBe(id);
    const { Config, HostConfig } = await daemon.inspect("labelled");
    expect([Config.Labels, HostConfig.Annotations, HostConfig.ContainerIDFile]).toEqual([{ "from.file": "yes", own: "1" }, { "io.example": "2" }, cid]);
    expect(await refused("--cidfile", cid, "busybox", "true")).toContain("container ID file found");
  });

  it("--name, --hostname, --domainname, --add-host, --dns*", async () => {
    const seen = await shown(["-h", "box", "--domainname", "example.org", "--add-host", "db:10.1.2.3"], "hostname; cat /proc/sys/kernel/domainname /etc/hostname; grep -E 'box|db' /etc/hosts | cut -f2");
    expect(seen.split("\n")).toEqual(["box", "example.org", "box", "db", "box.example.org box"]);
    expect(await shown(["--dns", "192.0.2.1", "--dns-search", "example.org", "--dns-option", "ndots:3"], "sort /etc/resolv.conf")).toBe("nameserver 192.0.2.1\noptions ndots:3\nsearch example.org");
    expect(await refused("--name", "a b", "busybox", "true")).toContain("Invalid container name (a b)");
    expect(await refused("--name", "x", "busybox", "true")).toContain("Invalid container name (x)");
  });

  it("--entrypoint, also none, and --workdir, which is made", async () => {
    expect(await daemon.dockerOk("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b")).toBe("a b");
    expect(await daemon.dockerOk("run", "--rm", "--entrypoint", "", "busybox", "echo", "plain")).toBe("plain");
    expect(await refused("--entrypoint", "", "busybox")).toContain("no command specified");
    expect(await shown(["-w", "/made/here", "-u", "1000"], "echo $PWD; stat -c '%a %u' /made")).toBe("/made/here\n755 0");
    expect(await refused("-w", "relative", "busybox", "true")).toContain("the working directory 'relative' is invalid, it needs to be an absolute path");
    expect((await run("-w", "/etc/passwd", "busybox", "true")).stderr).toContain("not a directory");
  });

  it("--pull and --platform", async () => {
    expect(await shown(["--pull", "never", "--platform", "linux/amd64"], "echo ran").catch(() => "")).toBe(process.arch === "x64" ? "ran" : "");
    expect(await refused("--pull", "never", "no/such:image", "true")).toContain("No such image: no/such:image");
    expect((await run("--pull", "always", "127.0.0.1:1/no/such", "true")).code).toBe(125);
    expect(await refused("--pull", "never", "--platform", "linux/s390x", "busybox", "true")).toContain("does not match the specified platform");
    expect(await refused("--platform", "bad/bad/bad/bad", "busybox", "true")).toContain("platform");
  });
});

describe("--user and --group-add", () => {
  const who = "echo $(id -u) $(id -g) $(id -G) $HOME";
  const users: [args: string[], is: string][] = [
    [[], "0 0 0 /root"], [["-u", "user"], "1000 1000 1000 2000 /home"], [["-u", "1000"], "1000 1000 1000 2000 /home"], [["-u", "user:extra"], "1000 2000 2000 /home"], [["-u", "user:65534"], "1000 65534 65534 /home"],
    [["-u", "12345"], "12345 0 0 /"], [["-u", "12345:777"], "12345 777 777 /"], [["-u", ":extra"], "0 2000 2000 /root"], [["-u", "user", "--group-add", "nogroup", "--group-add", "77"], "1000 1000 77 1000 2000 65534 /home"],
  ];
  for (const [args, is] of users) it(args.join(" ") || "the image's own", async () => {
    const [uid, gid, ...rest] = is.split(" "), [uid2, gid2, ...rest2] = (await shown(args, who)).split(" ");
    expect([uid2, gid2, rest2.pop(), rest2.sort()]).toEqual([uid, gid, rest.pop(), rest.sort()]);
  });
  it("that there are not are refused by name", async () => {
    expect(await refused("-u", "nobody-here", "busybox", "true")).toContain("unable to find user nobody-here: no matching entries in passwd file");
    expect(await refused("-u", "user:no-group", "busybox", "true")).toContain("unable to find group no-group: no matching entries in group file");
    expect(await refused("--group-add", "no-group", "busybox", "true")).toMatch(/unable to find group no-group/i);
    for (const id of ["-5", "4294967296"]) expect(await refused("-u", id, "busybox", "true")).toContain("uids and gids must be in range 0-2147483647");
  });
});

describe("namespaces", () => {
  it("--pid: its own, another's, the host's", async () => {
    await idle("donor");
    expect(await shown(["--pid", "container:donor"], "ps | grep -c 'sleep 1000'")).not.toBe("0");
    expect(await shown(["--pid", "host"], namespace("pid"))).toBe(await bed.netns.ok("readlink", ["/proc/self/ns/pid"]));
    expect(await shown([], "echo $$")).toBe("1");
    await daemon.dockerOk("stop", "-t", "0", "donor");
    expect((await run("--pid", "container:donor", "busybox", "true")).stderr).toContain("cannot join PID namespace of a non running container");
  });
  it("--ipc: private, shareable, another's, the host's, none", async () => {
    await idle("donor", "--ipc", "shareable", "--shm-size", "20m");
    await daemon.dockerOk("exec", "donor", "sh", "-c", "echo shared > /dev/shm/f");
    expect(await shown(["--ipc", "container:donor"], `cat /dev/shm/f; ${namespace("ipc")}`)).toBe(`shared\n${await daemon.dockerOk("exec", "donor", "readlink", "/proc/self/ns/ipc")}`);
    expect(await shown(["--ipc", "host"], namespace("ipc"))).toBe(await bed.netns.ok("readlink", ["/proc/self/ns/ipc"]));
    expect(await shown(["--ipc", "none"], "grep -c /dev/shm /proc/mounts; true")).toBe("0");
    await idle("closed", "--ipc", "private");
    expect((await run("--ipc", "container:closed", "busybox", "true")).stderr).toContain("non-shareable IPC (hint: use IpcMode:shareable for the donor container)");
  });
  it("--uts host, --userns host, --network none and container", async () => {
    expect(await shown(["--uts", "host"], "hostname")).toBe(hostname());
    expect(await refused("--uts", "host", "-h", "other", "busybox", "true")).toContain("conflicting options: hostname and the UTS mode");
    expect(await shown(["--userns", "host"], namespace("user"))).toBe(await bed.netns.ok("readlink", ["/proc/self/ns/user"]));
    expect(await refused("--userns", "private", "busybox", "true")).toMatch(/invalid USER mode/i);
    expect(await shown(["--network", "none"], "ls /sys/class/net")).toBe("lo");
    await idle("net");
    expect(await shown(["--network", "container:net"], namespace("net"))).toBe(await daemon.dockerOk("exec", "net", "readlink", "/proc/self/ns/net"));
  });
});

describe("its life", () => {
  withInit("--init reaps and passes signals on; not where processes are another's", async () => {
    expect(await shown(["--init"], "tr '\\0' ' ' < /proc/1/cmdline")).toMatch(/^\/sbin\/docker-init -- sh -c /);
    expect((await run("--init", "busybox", "sh", "-c", "kill -TERM $$; sleep 5")).code).toBe(143);
    const host = await run("--init", "--pid", "host", "busybox", "true");
    expect(host).toMatchObject({ code: 0, stderr: "" });
  });

  it("--stop-signal and --stop-timeout", async () => {
    await daemon.dockerOk("run", "-d", "--name", "asked", "--stop-signal", "USR1", "busybox", "sh", "-c", "trap 'exit 9' USR1; echo up; while :; do sleep 0.1; done");
    await daemon.dockerOk("run", "-d", "--name", "deaf", "--stop-timeout", "1", "busybox", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done");
    for (const name of ["asked", "deaf"]) await until(async () => ((await daemon.dockerOk("logs", name)) === "up" ? true : undefined), 20_000, "its traps");
    await daemon.dockerOk("stop", "asked", "deaf");
    expect([await exited("asked"), await exited("deaf")]).toEqual(["9", "137"]);
    expect((await daemon.inspect("deaf")).Config).toMatchObject({ StopTimeout: 1 });
    expect(await refused("--stop-signal", "NOPE", "busybox", "true")).toMatch(/invalid signal: NOPE/i);
  });

  it("--restart in every form, and those there are not", async () => {
    for (const [flag, Name, MaximumRetryCount] of [["no", "no", 0], ["always", "always", 0], ["unless-stopped", "unless-stopped", 0], ["on-failure:3", "on-failure", 3]] as const) {
      const id = await daemon.dockerOk("create", "--restart", flag, "busybox", "true");
      expect((await daemon.inspect(id)).HostConfig.RestartPolicy).toEqual({ Name, MaximumRetryCount });
    }
    for (const flag of ["bad", "no:3", "always:3"]) expect(await daemon.docker(["run", "--restart", flag, "busybox", "true"])).toMatchObject({ code: 125, stderr: expect.stringMatching(/restart ?policy/i) });
    expect((await run("--restart", "always", "busybox", "true")).stderr).toMatch(/--restart.*--rm|conflicting options/i);
  });

  it("--rm takes its anonymous volumes along, also when the daemon dies meanwhile", async () => {
    await daemon.dockerOk("run", "--rm", "-v", "/anonymous", "-v", "kept:/named", "busybox", "true");
    expect(await daemon.dockerOk("volume", "ls", "-q")).toBe("kept");
    await daemon.dockerOk("volume", "rm", "kept");
    const id = await daemon.dockerOk("run", "-d", "--rm", "-v", "/anonymous", "busybox", "sh", "-c", "while [ ! -e /anonymous/end ]; do sleep 0.1; done");
    const [{ Source }] = (await daemon.inspect(id)).Mounts;
    await daemon.kill9();
    writeFileSync(`${Source}/end`, "");
    await until(() => (readdirSync("/proc").some((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/anonymous/end"); } catch { return false; } }) ? undefined : true), 20_000, "its end");
    await daemon.start();
    await until(async () => ((await daemon.api("GET", `/containers/${id}/json`)).status === 404 ? true : undefined), 20_000, "its removal");
    expect([await daemon.dockerOk("volume", "ls", "-q"), existsSync(Source)]).toEqual(["", false]);
  });

  it("--sig-proxy passes signals on, or does not", async () => {
    const script = "trap 'echo usr1; exit 7' USR1; echo up; while :; do sleep 0.1; done";
    const passing = daemon.dockerStart("run", "--rm", "busybox", "sh", "-c", script);
    await passing.waitFor(/up/);
    passing.kill("SIGUSR1");
    expect(await passing.exit).toBe(7);
    const alone = daemon.dockerStart("run", "--name", "alone", "--sig-proxy=false", "busybox", "sh", "-c", script);
    await alone.waitFor(/up/);
    alone.kill("SIGTERM");
    alone.kill("SIGKILL");
    await alone.exit;
    expect((await daemon.inspect("alone")).State.Running).toBe(true);
  });

  it("--storage-opt size is held or refused with the reason", async () => {
    const { code, stderr } = await run("--storage-opt", "size=64m", "busybox", "true");
    if (code !== 0) expect(stderr).toMatch(/the storage driver \S+ cannot limit the size of a container here: /);
    expect(await refused("--storage-opt", "colour=red", "busybox", "true")).toContain("unknown storage option colour");
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  });

  it("-a, -i, -t, -d and their exit codes", async () => {
    expect(await run("-a", "stdout", "busybox", "sh", "-c", "echo out; echo err >&2")).toEqual({ code: 0, stdout: "out\n", stderr: "" });
    expect(await run("-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2")).toEqual({ code: 0, stdout: "", stderr: "err\n" });
    expect(await run("-t", "busybox", "sh", "-c", "tty; echo $TERM; echo err >&2; exit 7")).toEqual({ code: 7, stdout: "/dev/pts/0\r\nxterm\r\nerr\r\n", stderr: "" });
    const codes = await Promise.all([["busybox", "/tmp"], ["busybox", ""], ["busybox", "./nope"], ["-u", "1000", "busybox", "/etc/passwd"]].map(async (args) => { const { code, stderr } = await run(...args); return [code, stderr.split("\n")[0]]; }));
    expect(codes).toEqual([
      [126, expect.stringContaining('exec: "/tmp": permission denied')], [127, expect.stringContaining('exec: "": executable file not found in $PATH')],
      [127, expect.stringContaining('"./nope"')], [126, expect.stringContaining('exec: "/etc/passwd": permission denied')],
    ]);
  });
});
