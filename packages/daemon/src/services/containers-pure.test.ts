import type { ImageConfig } from "@strata/oci";
import { InvalidArgument, type Container, type ContainerConfig, type ProcessInfo } from "../core/index.js";
import { committedConfig } from "./containers-commit.js";
import { checkHostConfig, commandLine, mergeConfig, withHostDefaults, type HostDefaults } from "./containers-config.js";
import { numbersOf } from "./containers-devices.js";
import { exitCodeOf } from "./containers-launch.js";
import { borrowedMounts, copiesUp, parseBind, parseMount, planMounts } from "./containers-mounts.js";
import { checkName, randomName } from "./containers-names.js";
import { Backoff, startsWithDaemon, wantsRestart } from "./containers-restart.js";
import { columnsOf, topOf } from "./containers-top.js";
import { DetachScanner, parseDetachKeys } from "./detach-keys.js";
import { Mutex } from "./mutex.js";
import { parseSignal } from "./signals.js";

describe("config of image and user", () => {
  const image = { User: "app", Env: ["PATH=/bin", "A=image"], Cmd: ["serve"], Entrypoint: ["/entry"], WorkingDir: "/srv", Labels: { a: "1", b: "2" }, Volumes: { "/data": {} }, ExposedPorts: { "80/tcp": {} }, StopSignal: "SIGQUIT" };

  test("what the user left out comes from the image", () => {
    expect(mergeConfig({ Env: ["A=user", "B=new"], Labels: { b: "3" }, Volumes: { "/more": {} }, ExposedPorts: { "81/tcp": {} } }, image)).toMatchObject({
      User: "app", Env: ["A=user", "B=new", "PATH=/bin"], Cmd: ["serve"], Entrypoint: ["/entry"], WorkingDir: "/srv", Labels: { a: "1", b: "3" },
      Volumes: { "/data": {}, "/more": {} }, ExposedPorts: { "80/tcp": {}, "81/tcp": {} }, StopSignal: "SIGQUIT",
    });
  });

  test.each<[string, ContainerConfig, string[]]>([
    ["nothing", {}, ["/entry", "serve"]],
    ["a command", { Cmd: ["other", "x"] }, ["/entry", "other", "x"]],
    ["an entrypoint drops the image's command", { Entrypoint: ["/mine"] }, ["/mine"]],
    ["both", { Entrypoint: ["/mine"], Cmd: ["arg"] }, ["/mine", "arg"]],
    ["an empty entrypoint takes the image's away", { Entrypoint: [""], Cmd: ["sh"] }, ["sh"]],
    ["an empty list, too", { Entrypoint: [], Cmd: ["sh"] }, ["sh"]],
  ])("%s", (_, user, line) => {
    const { path, args } = commandLine(mergeConfig(user, image));
    expect([path, ...args]).toEqual(line);
  });

  test("no command at all is refused", () => expect(() => commandLine(mergeConfig({}, {}))).toThrow("no command specified"));
});

describe("host config", () => {
  const defaults: HostDefaults = { runtime: "crun", logDriver: "json-file", logOptions: { "max-size": "5m" }, init: false, shmSize: 1024, ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }], cgroupVersion: 1, maskedPaths: ["/proc/secret"] };

  test("defaults of the daemon are filled in", () => {
    expect(withHostDefaults({ LogConfig: { Config: { "max-file": "2" } }, Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }] }, defaults)).toMatchObject({
      LogConfig: { Type: "json-file", Config: { "max-size": "5m", "max-file": "2" } }, NetworkMode: "bridge", RestartPolicy: { Name: "no" }, IpcMode: "private", CgroupnsMode: "host", Runtime: "crun", ShmSize: 1024,
      Ulimits: [{ Name: "core" }, { Name: "nofile" }],
    });
    expect(withHostDefaults({ LogConfig: { Type: "none" } }, defaults).LogConfig).toEqual({ Type: "none", Config: {} });
  });

  test.each([
    [{ AutoRemove: true, RestartPolicy: { Name: "always" } }, "AutoRemove"],
    [{ RestartPolicy: { Name: "sometimes" } }, "unknown policy 'sometimes'"],
    [{ RestartPolicy: { Name: "always", MaximumRetryCount: 3 } }, "can only be used with 'on-failure'"],
    [{ OomScoreAdj: 2000 }, "2000"], [{ IpcMode: "mine" }, "invalid IPC mode: mine"], [{ PidMode: "x" }, "invalid PID mode"], [{ UsernsMode: "x" }, "user namespace"],
  ])("%j is refused", (host, words) => expect(() => checkHostConfig(host)).toThrow(words));
});

describe("mounts", () => {
  test.each([
    ["/src:/dst", { type: "bind", source: "/src", target: "/dst", writable: true, propagation: "rprivate", mustExist: false }],
    ["/src/:/dst/:ro,z", { source: "/src", target: "/dst", mode: "ro,z", writable: false }],
    ["/src:/dst:rshared", { propagation: "rshared" }],
    ["name:/dst:ro", { type: "volume", source: "name", writable: false, propagation: "" }],
    ["/dst", { type: "volume", target: "/dst" }],
  ])("-v %s", (text, expected) => expect(parseBind(text)).toMatchObject(expected));

  test.each(["a:b:c:d", "/a:relative", "/a:/", "/a:/b:wat", "/a:/b:ro,rw", "name:/b:rshared", "", "/a::ro"])("-v %s is refused", (text) => expect(() => parseBind(text)).toThrow("invalid volume specification"));

  test("--mount: bind sources must be there, options must fit the type", () => {
    expect(parseMount({ Type: "bind", Source: "/s", Target: "/t", ReadOnly: true })).toMatchObject({ mustExist: true, writable: false });
    expect(parseMount({ Type: "volume", Target: "/t" })).not.toHaveProperty("source");
    expect(() => parseMount({ Type: "bind", Target: "/t" })).toThrow("Source must not be empty");
    expect(() => parseMount({ Type: "volume", Source: "v", Target: "t" })).toThrow("must be absolute");
    expect(() => parseMount({ Type: "npipe", Target: "/t" })).toThrow("mount type unknown");
  });

  test("one target, one mount: what the user says goes before what is borrowed, before the image's volumes", () => {
    const borrowed = borrowedMounts([{ Type: "volume", Name: "theirs", Source: "/v", Destination: "/a", Mode: "", RW: true, Propagation: "" }, { Type: "bind", Source: "/b", Destination: "/b", Mode: "", RW: true, Propagation: "rprivate" }], "ro");
    const planned = planMounts({ Volumes: { "/a": {}, "/b/": {}, "/c": {}, "/t": {} } }, { Binds: ["mine:/a"], Tmpfs: { "/t": "" } }, borrowed);
    expect(planned.map((m) => [m.target, m.source, m.writable])).toEqual([["/a", "mine", true], ["/b", "/b", false], ["/c", undefined, true]]);
    expect(() => planMounts({}, { Binds: ["a:/x", "/b:/x/"] }, [])).toThrow("Duplicate mount point: /x");
    expect(() => planMounts({}, { Binds: ["a:/x"], Tmpfs: { "/x": "" } }, [])).toThrow("Duplicate mount point: /x");
  });

  test("volumes take over the image's content unless told not to", () => {
    const point = { Type: "volume", Name: "v", Source: "/v", Destination: "/d", Mode: "", RW: true, Propagation: "" } as const;
    expect(copiesUp(point, {})).toBe(true);
    expect(copiesUp({ ...point, Mode: "nocopy" }, {})).toBe(false);
    expect(copiesUp(point, { Mounts: [{ Type: "volume", Source: "v", Target: "/d/", VolumeOptions: { NoCopy: true } }] })).toBe(false);
  });
});

test("names", () => {
  for (let i = 0; i < 50; i++) expect(() => checkName(randomName(i % 5))).not.toThrow();
  for (const bad of ["a", "-a", "a b", "a/b", ""]) expect(() => checkName(bad)).toThrow(InvalidArgument);
});

test("signals", () => {
  expect(["TERM", "SIGTERM", "15", "term", "KILL", "RTMIN+3", "SIGRTMAX-1"].map(parseSignal)).toEqual([15, 15, 15, 15, 9, 37, 63]);
  for (const bad of ["NOPE", "0", "99", "RTMIN+99", ""]) expect(() => parseSignal(bad)).toThrow(`invalid signal: ${bad}`);
});

describe("restarts", () => {
  test.each([
    ["no", 1, false, 0, false], ["always", 0, false, 5, true], ["always", 0, true, 0, false], ["unless-stopped", 0, false, 0, true], ["on-failure", 0, false, 0, false],
    ["on-failure", 1, false, 1, true], ["on-failure", 1, false, 2, false],
  ])("%s after exit %d (stopped: %s, restarts %d): %s", (Name, exitCode, stopped, restarts, expected) => {
    expect(wantsRestart({ Name, MaximumRetryCount: Name === "on-failure" ? 2 : 0 }, { exitCode, stopped, restarts })).toBe(expected);
  });

  test("waits double up to a minute, and begin anew after a steady run", () => {
    const backoff = new Backoff();
    expect(Array.from({ length: 12 }, () => backoff.after(50))).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
    expect(backoff.after(20_000)).toBe(100);
  });

  test("with the daemon start those that always run, and those that were not stopped", () => {
    const made = (Name: string, state: object): Container => ({ hostConfig: { RestartPolicy: { Name } }, state: { startedAt: 1, ...state } }) as unknown as Container;
    expect(startsWithDaemon(made("always", { stoppedByUser: true }))).toBe(true);
    expect(startsWithDaemon(made("always", { startedAt: undefined }))).toBe(false);
    expect(startsWithDaemon(made("unless-stopped", { stoppedByUser: true }))).toBe(false);
    expect(startsWithDaemon(made("unless-stopped", {}))).toBe(true);
    expect(startsWithDaemon(made("on-failure", {}))).toBe(false);
  });
});

describe("detach keys", () => {
  test("parse", () => {
    expect([...parseDetachKeys("ctrl-a,x,ctrl-@")]).toEqual([1, 0x78, 0]);
    expect([...parseDetachKeys(undefined)]).toEqual([16, 17]);
    expect(() => parseDetachKeys("ctrl-A1")).toThrow("Invalid detach keys");
  });

  test("any cut of the input finds the sequence and passes the rest", () => {
    const input = Buffer.from("aab\x10c\x10\x10\x11tail");
    for (let cut = 0; cut <= input.length; cut++) {
      const scanner = new DetachScanner(parseDetachKeys(undefined));
      const first = scanner.scan(input.subarray(0, cut));
      const second = first.detached ? { data: Buffer.alloc(0), detached: true } : scanner.scan(input.subarray(cut));
      expect(second.detached).toBe(true);
      expect(Buffer.concat([first.data, second.data]).toString("latin1")).toBe("aab\x10c\x10");
    }
  });

  test("sequences that overlap themselves", () => {
    const scan = (text: string) => new DetachScanner(Buffer.from("aab")).scan(Buffer.from(text));
    expect(scan("aaab")).toEqual({ data: Buffer.from("a"), detached: true });
    expect(scan("aac").data.toString()).toBe("aac");
  });
});

test("a mutex runs tasks in order, also after one that fails", async () => {
  const mutex = new Mutex();
  const order: number[] = [];
  const task = (n: number, fail = false) => mutex.run(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5 - n));
    order.push(n);
    if (fail) throw new Error(`task ${n}`);
  });
  const results = await Promise.allSettled([task(1), task(2, true), task(3)]);
  expect(order).toEqual([1, 2, 3]);
  expect(results.map((r) => r.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("exit codes of commands that could not run", () => {
  expect(exitCodeOf('exec: "x": executable file not found in $PATH')).toBe(127);
  expect(exitCodeOf('exec: "/etc": permission denied')).toBe(126);
  expect(exitCodeOf("cgroup is gone")).toBe(128);
});

test("device numbers", () => {
  expect(numbersOf(0x103)).toEqual({ major: 1, minor: 3 });
  expect(numbersOf(0xfe00)).toEqual({ major: 254, minor: 0 });
  expect(numbersOf(0x1008832)).toEqual({ major: 0x88, minor: 0x1032 });
});

describe("top", () => {
  const process: ProcessInfo = { pid: 7, ppid: 1, pgid: 7, sid: 7, uid: 0, user: "root", state: "S", tty: "pts/0", nice: 0, threads: 1, startedAt: 0, cpu: 61, virtual: 4096 << 10, resident: 1 << 20, name: "sleep", command: "sleep 100" };
  const table = { of: async () => [process], memory: 1 << 30 };

  test.each([
    ["-ef", ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]], ["aux", ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]],
    ["-o pid,comm", ["PID", "COMMAND"]], ["-eo pid=Number,args", ["Number", "COMMAND"]], ["-opid", ["PID"]], ["-e -o user -o pid", ["USER", "PID"]],
  ])("%s", async (args, titles) => {
    const result = await topOf(table, 7, args, 1000);
    expect(result.titles).toEqual(titles);
    expect(result.processes).toHaveLength(1);
    expect(result.processes[0]).toHaveLength(titles.length);
  });

  test("values", async () => {
    expect((await topOf(table, 7, "-o user,pid,time,rss,cmd", 10_000)).processes).toEqual([["root", "7", "00:01:01", "1024", "sleep 100"]]);
    expect(() => columnsOf("-o nonsense")).toThrow("nonsense");
    expect(() => columnsOf("--weird")).toThrow("unsupported ps arguments");
  });
});

describe("the config of a committed image", () => {
  const base: ImageConfig = { architecture: "arm64", variant: "v8", os: "linux", author: "them", rootfs: { type: "layers", diff_ids: ["sha256:a" as never] }, history: [{ created_by: "base" }] };
  const container = { id: "c", path: "sh", args: ["-c", "x"] } as unknown as Container;
  const options = { author: "", message: "why", changes: [], pause: true };

  test("one layer and one line of history more; what only the container had is left out", () => {
    const config = committedConfig(base, { diffId: "sha256:b" as never }, { Hostname: "h", Tty: true, Env: ["A=1"] }, container, options, 0);
    expect(config).toMatchObject({
      architecture: "arm64", variant: "v8", author: "them", created: "1970-01-01T00:00:00.000000000Z", config: { Env: ["A=1"] }, rootfs: { diff_ids: ["sha256:a", "sha256:b"] },
      history: [{ created_by: "base" }, { created_by: "sh -c x", comment: "why" }],
    });
    expect(config.config).toEqual({ Env: ["A=1"] });
  });

  test("nothing changed: no layer", () => {
    const empty = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef" as never;
    const config = committedConfig(base, { diffId: empty }, {}, container, options, 0);
    expect(config.rootfs.diff_ids).toEqual(["sha256:a"]);
    expect(config.history!.at(-1)).toMatchObject({ empty_layer: true });
  });
});
