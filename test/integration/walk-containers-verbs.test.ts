import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type Daemon, type TestBed, daemonNeeds, needs, ok, open, setUp, until } from "../helpers/index.js";

/** The verbs of `docker container` with their flags; what other suites show of them is not shown again. */
const it = needs(...daemonNeeds, "docker");

let bed: TestBed, daemon: Daemon;
setUp(async (made) => {
  bed = made;
  daemon = await bed.daemonWithBusybox();
});
afterEach(() => daemon.removeContainers());

const idle = (name: string, ...flags: string[]): Promise<string> => daemon.dockerOk("run", "-d", "--name", name, ...flags, "busybox", "sleep", "1000");
const made = (name: string, ...flags: string[]): Promise<string> => daemon.dockerOk("create", "--name", name, ...flags, "busybox", "true");
const fails = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(args);
  expect({ args, code: code !== 0 }).toEqual({ args, code: true });
  return stderr;
};

describe("ps", () => {
  const names = async (...filters: string[]): Promise<string[]> => (await daemon.dockerOk("ps", "-a", ...filters.flatMap((f) => ["--filter", f]), "--format", "{{.Names}}")).split("\n").filter(Boolean).sort();

  it("every filter", async () => {
    mkdirSync(bed.path("bound"), { recursive: true });
    await idle("web", "-p", "127.0.0.1:8123:80/udp", "--expose", "90", "-v", "vol:/data", "-v", `${bed.path("bound")}:/bound`, "-l", "tier=front");
    await daemon.docker(["run", "--name", "ended", "busybox", "sh", "-c", "exit 3"]);
    await made("lonely", "--network", "none");
    await daemon.dockerOk("commit", "ended", "child:1");
    await daemon.dockerOk("create", "--name", "later", "child:1", "true");
    const id = await daemon.dockerOk("inspect", "-f", "{{.Id}}", "web");
    const all = ["ended", "later", "lonely", "web"];
    const cases: [filter: string, is: string[]][] = [
      ["ancestor=busybox", all], ["ancestor=child:1", ["later"]], ["ancestor=no/such", []], ["before=lonely", ["ended", "web"]], ["since=ended", ["later", "lonely"]], ["exited=3", ["ended"]], ["exited=0", []],
      ["expose=90", ["web"]], ["expose=80-95/tcp", ["web"]], ["expose=80/udp", ["web"]], ["expose=81/udp", []], ["publish=8123/udp", ["web"]], ["publish=8123", []], ["publish=8000-9000/udp", ["web"]],
      ["health=none", all], ["health=healthy", []], [`id=${id.slice(0, 10)}`, ["web"]], ["id=zz", []], ["is-task=false", all], ["is-task=true", []], ["isolation=default", all], ["label=tier", ["web"]], ["label=tier=back", []],
      ["name=^web$", ["web"]], ["name=/web", ["web"]], ["name=l", ["later", "lonely"]], ["network=none", ["lonely"]], ["network=bridge", ["ended", "later", "web"]], ["network=no-such", []],
      ["status=running", ["web"]], ["status=created", ["later", "lonely"]], ["status=exited", ["ended"]], ["status=paused", []], ["volume=vol", ["web"]], ["volume=/data", ["web"]], ["volume=/bound", ["web"]], ["volume=none", []],
    ];
    const seen = await Promise.all(cases.map(async ([filter]) => [filter, await names(filter)]));
    expect(seen).toEqual(cases);
    for (const bad of ["status=odd", "health=odd", "exited=x", "is-task=odd", "expose=odd", "publish=odd", "colour=red", "before=no-such"]) {
      const { status, json } = await daemon.api("GET", "/containers/json", { query: { filters: JSON.stringify({ [bad.split("=")[0]!]: [bad.split("=")[1]!] }) } });
      expect({ bad, status, message: json.message }).toEqual({ bad, status: bad.startsWith("before") ? 404 : 400, message: expect.any(String) });
    }
  });

  it("-l, -n, -q, -s, --no-trunc and --format", async () => {
    const first = await idle("first", "-l", "a=1", "-p", "127.0.0.1:8124:80");
    await made("second");
    expect(await daemon.dockerOk("ps", "-l", "--format", "{{.Names}}")).toBe("second");
    expect(await daemon.dockerOk("ps", "-n", "1", "--format", "{{.Names}}")).toBe("second");
    expect(await daemon.dockerOk("ps", "-q", "--no-trunc")).toBe(first);
    expect(await daemon.dockerOk("ps", "-s", "--format", "{{.Size}}")).toMatch(/^[\d.]+k?B \(virtual [\d.]+MB\)$/);
    expect(JSON.parse(await daemon.dockerOk("ps", "--format", "json"))).toMatchObject({ Names: "first", Image: "busybox", Command: '"sleep 1000"', Labels: "a=1", Networks: "bridge", Ports: "127.0.0.1:8124->80/tcp", State: "running", LocalVolumes: "0", Mounts: "" });
    expect(await daemon.dockerOk("ps", "-a", "--format", "table {{.Names}}\t{{.Status}}")).toMatch(/^NAMES +STATUS\nsecond +Created\nfirst +Up /);
  });
});

describe("exec, top, port, kill, rename, restart, pause", () => {
  it("exec: every flag, and codes for what cannot run", async () => {
    const file = bed.path("env");
    writeFileSync(file, "FROM_FILE=yes\n");
    await idle("box", "-e", "OWN=1");
    const { stdout } = await daemon.docker(["exec", "-e", "A=1", "--env-file", file, "-u", "user:extra", "-w", "/etc", "box", "sh", "-c", "echo $OWN $A $FROM_FILE $(id -u) $(id -g) $PWD"]);
    expect(stdout).toBe("1 1 yes 1000 2000 /etc\n");
    expect(await daemon.docker(["exec", "-t", "box", "tty"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\/dev\/pts\/\d+\r\n$/) });
    const codes = await Promise.all([["nope"], ["/tmp"], [""], ["sh", "-c", "kill -9 $$"]].map(async (words) => (await daemon.docker(["exec", "box", ...words])).code));
    expect(codes).toEqual([127, 126, 127, 137]);
    expect((await daemon.docker(["exec", "-w", "relative", "box", "ls"])).stdout).toContain("Cwd must be an absolute path");
    expect((await daemon.docker(["exec", "-u", "no-one", "box", "ls"])).stdout + await fails("exec", "-u", "no-one", "box", "ls")).toContain("unable to find user no-one");
    expect(await fails("exec", "-d", "box", "nope")).toContain('exec: "nope": executable file not found');
    expect(await fails("exec", "--detach-keys", "bad", "box", "true")).toContain("bad");
    await daemon.dockerOk("pause", "box");
    expect(await fails("exec", "box", "true")).toContain("is paused, unpause the container before exec");
  });

  it("port and top", async () => {
    await idle("box", "-p", "127.0.0.1:8125:80", "-p", "127.0.0.1:8126:53/udp");
    expect((await daemon.dockerOk("port", "box")).split("\n").sort()).toEqual(["53/udp -> 127.0.0.1:8126", "80/tcp -> 127.0.0.1:8125"]);
    expect(await daemon.dockerOk("port", "box", "80")).toBe("127.0.0.1:8125");
    expect(await fails("port", "box", "81")).toContain("No public port '81' published for box");
    expect(await daemon.dockerOk("top", "box", "-o", "user,comm")).toMatch(/^USER +COMMAND\nroot +sleep$/);
    await daemon.dockerOk("kill", "box");
    expect(await fails("top", "box")).toContain("is not running");
  });

  it("kill -s by name and number; what cannot be sent is refused", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", "trap 'echo got' USR1; echo up; while :; do sleep 0.1; done");
    await until(async () => ((await daemon.dockerOk("logs", "box")) === "up" ? true : undefined), 20_000, "its trap");
    for (const [at, signal] of ["SIGUSR1", "USR1", "10"].entries()) {
      await daemon.dockerOk("kill", "-s", signal, "box");
      await until(async () => ((await daemon.dockerOk("logs", "box")) === `up${"\ngot".repeat(at + 1)}` ? true : undefined), 20_000, signal);
    }
    for (const signal of ["NOPE", "0", "99"]) expect(await fails("kill", "-s", signal, "box")).toMatch(/signal/);
    expect(await fails("kill", "nobody")).toContain("No such container: nobody");
  });

  it("rename, restart, pause and unpause refuse what is not so", async () => {
    await idle("one");
    await made("two");
    expect(await fails("rename", "one", "two")).toMatch(/Conflict\. The container name "\/two" is already in use by container "[0-9a-f]{64}"/);
    expect(await fails("rename", "one", "one")).toContain("Renaming a container with the same name as its current name");
    expect(await fails("rename", "one", "a b")).toContain("Invalid container name (a b)");
    await daemon.dockerOk("rename", "one", "three");
    await daemon.dockerOk("rename", "two", "one");
    expect(await fails("pause", "one")).toContain("is not running");
    await daemon.dockerOk("pause", "three");
    for (const [args, words] of [[["pause", "three"], "is already paused"], [["start", "three"], "cannot start a paused container, try unpause instead"], [["attach", "three"], "paused"], [["rm", "three"], "paused"]] as const) expect(await fails(...args)).toContain(words);
    await daemon.dockerOk("restart", "-t", "0", "-s", "KILL", "three");
    expect((await daemon.inspect("three")).State.Status).toBe("running");
    expect(await fails("unpause", "three")).toContain("is not paused");
    expect(await fails("restart", "nobody")).toContain("No such container: nobody");
  });
});

describe("wait and rm", () => {
  it("wait: several at once; each condition for each state", async () => {
    await daemon.dockerOk("run", "-d", "--name", "four", "busybox", "sh", "-c", "exit 4");
    await daemon.dockerOk("run", "-d", "--name", "five", "busybox", "sh", "-c", "exit 5");
    expect(await daemon.dockerOk("wait", "four", "five")).toBe("4\n5");
    await made("fresh");
    const wait = async (name: string, condition: string): Promise<number> => (await daemon.api("POST", `/containers/${name}/wait`, { query: { condition } })).json.StatusCode;
    expect([await wait("four", "not-running"), await wait("fresh", "not-running")]).toEqual([4, 0]);
    // The headers come when the daemon watches: whatever follows is not missed.
    const waiting = async (condition: string): Promise<{ told: string; over: Promise<string> }> => {
      const response = await open(daemon.socket, "POST", "/containers/four/wait", { query: { condition } });
      const watch = { told: "", over: new Promise<string>((resolve) => response.on("end", () => resolve(watch.told))) };
      response.on("data", (part: Buffer) => { watch.told += part.toString(); });
      return watch;
    };
    const next = await waiting("next-exit"), removed = await waiting("removed");
    await daemon.docker(["start", "-a", "four"]);
    expect(JSON.parse(await next.over)).toEqual({ StatusCode: 4 });
    expect(removed.told).toBe("");
    await daemon.dockerOk("rm", "four");
    expect(JSON.parse(await removed.over)).toEqual({ StatusCode: 4 });
    expect((await daemon.api("POST", "/containers/five/wait", { query: { condition: "odd" } }))).toMatchObject({ status: 400, json: { message: expect.stringContaining("condition") } });
    expect(await fails("wait", "nobody")).toContain("No such container: nobody");
  });

  it("rm: -f, -v, -l", async () => {
    await idle("db");
    await idle("web", "--link", "db:store", "-v", "/anonymous", "-v", "named:/named");
    expect(await daemon.dockerOk("exec", "web", "grep", "-c", "store", "/etc/hosts")).toBe("1");
    expect(await fails("rm", "-l", "web")).toContain("cannot remove the default link name of the container");
    expect(await fails("rm", "-l", "web/other")).toContain("No such container: web/other");
    await daemon.dockerOk("rm", "-l", "web/store");
    expect((await daemon.docker(["exec", "web", "grep", "-c", "store", "/etc/hosts"])).stdout).toBe("0\n");
    expect((await daemon.inspect("web")).HostConfig.Links).toBeNull();
    expect(await fails("rm", "web")).toMatch(/container is running: stop the container before removing or force remove/);
    const volumes = async (): Promise<string[]> => (await daemon.dockerOk("volume", "ls", "-q")).split("\n").filter((name) => name !== "vol");
    expect(await volumes()).toHaveLength(2);
    await daemon.dockerOk("rm", "-fv", "web");
    expect(await volumes()).toEqual(["named"]);
    expect(await daemon.docker(["rm", "-f", "nobody"])).toMatchObject({ code: 0 });
  });
});

describe("container prune", () => {
  it("--filter label, label! and until", async () => {
    await idle("running", "-l", "keep=1");
    await made("kept", "-l", "keep=1");
    await made("plain");
    await made("mine", "-l", "mine");
    const prune = async (...filters: string[]): Promise<void> => { await daemon.dockerOk("container", "prune", "-f", ...filters.flatMap((f) => ["--filter", f])); };
    const left = async (): Promise<string> => (await daemon.dockerOk("ps", "-a", "--format", "{{.Names}}")).split("\n").sort().join(" ");
    await prune("until=1h");
    await prune("label=other");
    expect(await left()).toBe("kept mine plain running");
    await prune("label=mine");
    expect(await left()).toBe("kept plain running");
    await prune("label!=keep");
    expect(await left()).toBe("kept running");
    for (const bad of ["until=odd", "colour=red"]) expect(await fails("container", "prune", "-f", "--filter", bad)).toMatch(/invalid/i);
    await prune();
    expect(await left()).toBe("running");
  });
});

describe("commit and export", () => {
  it("commit: each instruction of -c, -a, -m, --pause", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo made > /made; sleep 1000");
    await until(async () => ((await daemon.docker(["exec", "box", "cat", "/made"])).code === 0 ? true : undefined), 20_000, "its file");
    const changes = ['CMD ["echo","x"]', 'ENTRYPOINT ["/bin/sh"]', "ENV A=b C=d", "EXPOSE 80 90/udp", 'LABEL l=v "m n"=o', "ONBUILD RUN x", "USER user", "VOLUME /v1 /v2", "WORKDIR /w", "STOPSIGNAL SIGUSR1", "HEALTHCHECK --interval=5s CMD true"];
    await daemon.dockerOk("commit", "-a", "Me <m@example.org>", "-m", "a message", ...changes.flatMap((c) => ["-c", c]), "box", "full:1");
    const { Author, Comment, Config } = await daemon.inspect("full:1", "image");
    expect([Author, Comment]).toEqual(["Me <m@example.org>", "a message"]);
    expect(Config).toMatchObject({
      Cmd: ["echo", "x"], Entrypoint: ["/bin/sh"], Env: ["PATH=/bin", "A=b", "C=d"], ExposedPorts: { "80/tcp": {}, "90/udp": {} }, Labels: { l: "v", "m n": "o" }, OnBuild: ["RUN x"], User: "user",
      Volumes: { "/v1": {}, "/v2": {} }, WorkingDir: "/w", StopSignal: "SIGUSR1", Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5e9 },
    });
    await daemon.dockerOk("commit", "--pause=false", "-c", "CMD echo shell form", "-c", "HEALTHCHECK NONE", "box", "shell:1");
    expect((await daemon.inspect("shell:1", "image")).Config).toMatchObject({ Cmd: ["/bin/sh", "-c", "echo shell form"], Healthcheck: { Test: ["NONE"] } });
    expect(await daemon.dockerOk("run", "--rm", "shell:1", "cat", "/made")).toBe("made");
    expect((await daemon.inspect("box")).State.Status).toBe("running");
    for (const [change, words] of [["RUN x", "RUN is not a valid change command"], ["EXPOSE bad", "bad"], ["ENV", "ENV"]] as const) expect(await fails("commit", "-c", change, "box")).toContain(words);
    expect(await fails("commit", "box", "UPPER")).toMatch(/repository name .*must be lowercase/);
    expect(await fails("commit", "nobody")).toContain("No such container: nobody");
  });

  it("export: of one that runs and of one that does not, to a file and a pipe", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sh", "-c", "echo made > /made; sleep 1000");
    await until(async () => ((await daemon.docker(["exec", "box", "cat", "/made"])).code === 0 ? true : undefined), 20_000, "its file");
    const file = bed.path("tree.tar");
    await daemon.dockerOk("export", "-o", file, "box");
    expect(await ok("tar", ["-xOf", file, "made"])).toBe("made");
    await daemon.dockerOk("kill", "box");
    const piped = await bed.netns.ok("sh", ["-c", "docker export box | tar -t"], { env: daemon.env() });
    expect(piped.split("\n").sort()).toEqual((await ok("tar", ["-tf", file])).split("\n").sort());
    expect(readFileSync(file).length % 512).toBe(0);
    expect(await fails("export", "-o", bed.path("none.tar"), "nobody")).toContain("No such container: nobody");
    expect(existsSync(bed.path("none.tar"))).toBe(false);
  });
});

describe("update", () => {
  it("every flag, on one that runs", async () => {
    await idle("box", "-m", "64m");
    await daemon.dockerOk("update", "--cpu-shares", "300", "--cpu-period", "50000", "--cpu-quota", "25000", "--cpuset-cpus", "0", "--cpuset-mems", "0", "-m", "100m", "--memory-swap", "200m", "--memory-reservation", "50m", "--pids-limit", "50", "--restart", "on-failure:2", "box");
    expect((await daemon.inspect("box")).HostConfig).toMatchObject({
      CpuShares: 300, CpuPeriod: 50_000, CpuQuota: 25_000, CpusetCpus: "0", CpusetMems: "0", Memory: 100 << 20, MemorySwap: 200 << 20, MemoryReservation: 50 << 20, PidsLimit: 50, RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
    });
    const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
    const files = v2 ? ["cpu.max", "cpuset.cpus", "memory.max", "pids.max"] : ["cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "cpuset/cpuset.cpus", "memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "pids/pids.max"];
    const held = await daemon.dockerOk("exec", "box", "cat", ...files.map((file) => `/sys/fs/cgroup/${file}`));
    expect(held.split("\n")).toEqual(v2 ? ["25000 50000", "0", "104857600", "50"] : ["300", "25000", "0", "104857600", "209715200", "52428800", "50"]);
    await daemon.dockerOk("update", "--pids-limit", "-1", "box");
    for (const [flags, words] of [[["--cpus", "1"], "Conflicting options"], [["--cpuset-cpus", "0-4000"], "Requested CPUs are not available"], [["-m", "1m"], "Minimum memory limit allowed is 6MB"], [["--restart", "odd"], "RestartPolicy.Name"]] as const) {
      expect(await fails("update", ...flags, "box")).toContain(words);
    }
  });
});
