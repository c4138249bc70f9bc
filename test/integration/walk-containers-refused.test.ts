import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, daemonNeeds, mountsBelow, needs, setUp } from "../helpers/index.js";

/** A wrong value in each field of a create, an update and an exec: 400, in words that name what is wrong, and nothing is left. */
const it = needs(...daemonNeeds, "docker");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });
afterEach(() => daemon.removeContainers());

type Wrong = [field: string, value: unknown, words: RegExp];
/** Refused when it is made. */
const HOST: Wrong[] = [
  ["Annotations", "x", /Annotations/], ["AutoRemove", "yes", /AutoRemove/], ["Binds", ["/a:/b:bad"], /invalid mode: bad/], ["Binds", ["/a:relative"], /must be absolute/], ["Binds", [5], /Binds\[0\]/], ["BlkioDeviceReadBps", [{ Path: "x", Rate: 1 }], /BlkioDeviceReadBps/],
  ["BlkioDeviceWriteBps", [{ Path: "/dev/null", Rate: -1 }], /BlkioDeviceWriteBps/], ["BlkioDeviceReadIOps", [{ Path: "/dev/null", Rate: "x" }], /BlkioDeviceReadIOps\[0\]\.Rate/], ["BlkioDeviceWriteIOps", "x", /BlkioDeviceWriteIOps/], ["BlkioWeight", 2000, /BlkioWeight/], ["BlkioWeight", 5, /blkio weight/],
  ["CapAdd", ["NOPE"], /CapAdd: unknown capability: "CAP_NOPE"/], ["CapDrop", ["NOPE"], /CapDrop: unknown capability: "CAP_NOPE"/], ["CgroupnsMode", "odd", /CgroupnsMode/], ["ConsoleSize", ["a"], /ConsoleSize/], ["CpuPeriod", 5, /CPU cfs period/],
  ["CpuQuota", 5, /CPU cfs quota/], ["CpuShares", -1, /CPU shares/], ["CpuRealtimePeriod", -1, /CpuRealtimePeriod/], ["CpuRealtimeRuntime", -1, /CpuRealtimeRuntime/], ["CpusetCpus", "odd", /cpuset cpus/], ["CpusetCpus", "0-4000", /Requested CPUs are not available/],
  ["CpusetMems", "odd", /cpuset mems/], ["CpusetMems", "400", /Requested memory nodes are not available/], ["DeviceCgroupRules", ["odd"], /device cgroup rule format: 'odd'/], ["DeviceRequests", [{ Driver: "nvidia", Capabilities: [["gpu"]] }], /could not select device driver "nvidia" with capabilities: \[\[gpu\]\]/],
  ["Devices", [{ PathOnHost: "relative" }], /"relative" is not an absolute path/], ["Devices", [{ PathOnHost: "/dev/null", CgroupPermissions: "q" }], /device mode: q/], ["Dns", ["odd"], /odd/], ["ExtraHosts", ["odd"], /odd/], ["GroupAdd", "odd", /GroupAdd/],
  ["IpcMode", "odd", /IPC mode: odd/], ["Isolation", "hyperv", /isolation 'hyperv'/], ["Links", ["no-one:x"], /could not get container for no-one/], ["LogConfig", { Type: "odd" }, /no log driver named 'odd'/], ["LogConfig", { Type: "json-file", Config: { odd: "1" } }, /odd/],
  ["Memory", 1024, /Minimum memory limit allowed is 6MB/], ["Memory", -1, /Memory/], ["Memory", "64m", /Memory must be an integer/], ["MemoryReservation", 1024, /memory reservation/], ["MemorySwap", 1, /Memoryswap/], ["MemorySwap", -2, /MemorySwap/], ["MemorySwappiness", 101, /[sS]wappiness/],
  ["Mounts", [{ Type: "odd", Target: "/x" }], /Mounts\[0\]\.Type/], ["Mounts", [{ Type: "image", Source: "busybox", Target: "/x" }], /type "image"/], ["Mounts", [{ Type: "bind", Source: "/tmp", Target: "x" }], /must be absolute/], ["Mounts", [{ Type: "bind", Target: "/x" }], /Source must not be empty/],
  ["Mounts", [{ Type: "volume", Source: "v", Target: "/x", VolumeOptions: { Subpath: "../up" } }], /subpath/], ["Mounts", [{ Type: "tmpfs", Target: "/x", Source: "/y" }], /Source must not be specified/], ["Mounts", [{ Type: "bind", Source: "/tmp", Target: "/x", BindOptions: { Propagation: "odd" } }], /Propagation/],
  ["NanoCpus", 1, /range of CPUs/], ["NetworkMode", "container:", /container/], ["OomScoreAdj", 5000, /oom score adj/], ["PidMode", "odd", /PID mode: odd/], ["PortBindings", { odd: [{}] }, /odd/], ["PortBindings", { "80/tcp": [{ HostPort: "99999" }] }, /99999/], ["Privileged", "yes", /Privileged/],
  ["RestartPolicy", { Name: "odd" }, /RestartPolicy\.Name/], ["RestartPolicy", { Name: "always", MaximumRetryCount: 3 }, /maximum retry count/], ["Runtime", "odd", /runtime name: odd/], ["SecurityOpt", ["odd=1"], /odd=1/], ["SecurityOpt", ["seccomp={"], /seccomp profile/], ["ShmSize", -1, /ShmSize/],
  ["StorageOpt", { odd: "1" }, /storage option odd/], ["Sysctls", { "kernel.panic": "1" }, /sysctl 'kernel\.panic' not allowed/], ["Tmpfs", { "/t": "odd" }, /tmpfs option \["odd"\]/], ["Tmpfs", { t: "" }, /must be absolute/], ["UTSMode", "odd", /UTS mode: odd/], ["Ulimits", [{ Name: "odd", Soft: 1, Hard: 1 }], /ulimit type: odd/],
  ["Ulimits", [{ Name: "nofile", Soft: 2, Hard: 1 }], /ulimit nofile: the soft limit/], ["Ulimits", [{ Name: "nofile", Soft: 2 }], /ulimit nofile needs/], ["UsernsMode", "odd", /user namespace mode: odd/], ["VolumesFrom", ["no-one"], /VolumesFrom: No such container: no-one/], ["VolumesFrom", ["no-one:odd"], /no-one|odd/],
];
const CONFIG: Wrong[] = [
  ["Cmd", 5, /Cmd/], ["Entrypoint", {}, /Entrypoint/], ["Env", "A=b", /Env/], ["ExposedPorts", { odd: {} }, /odd/], ["Healthcheck", { Test: ["CMD", "x"], Retries: -1 }, /Retries/], ["Image", 5, /Image/], ["Labels", ["a"], /Labels/], ["MacAddress", "odd", /MAC/i],
  ["OpenStdin", 1, /OpenStdin/], ["StopSignal", "NOPE", /signal: NOPE/i], ["StopTimeout", "5", /StopTimeout/], ["Tty", "yes", /Tty/], ["Volumes", { "/": {} }, /destination can't be '\/'/], ["WorkingDir", "relative", /working directory 'relative'/],
];
/** Refused when it starts: only then is the image's tree or the host's looked at. */
const START: [what: string, body: object, words: RegExp][] = [
  ["User", { User: "no-one" }, /unable to find user no-one/], ["User", { User: "-1" }, /uids and gids must be in range/], ["GroupAdd", { HostConfig: { GroupAdd: ["no-group"] } }, /unable to find group no-group/i],
  ["Devices", { HostConfig: { Devices: [{ PathOnHost: "/dev/no-such" }] } }, /custom device "\/dev\/no-such"/], ["BlkioDeviceReadBps", { HostConfig: { BlkioDeviceReadBps: [{ Path: "/dev/no-such", Rate: 5 }] } }, /BlkioDeviceReadBps: stat \/dev\/no-such/],
  ["BlkioDeviceReadBps", { HostConfig: { BlkioDeviceReadBps: [{ Path: "/dev/null", Rate: 5 }] } }, /BlkioDeviceReadBps: \/dev\/null is not a block device/], ["Cmd", { Cmd: ["no-such-command"] }, /exec: "no-such-command": executable file not found/], ["Cmd", { Cmd: ["/tmp"] }, /exec: "\/tmp": permission denied/],
  ["WorkingDir", { WorkingDir: "/etc/passwd" }, /not a directory/],
];
const UPDATE: Wrong[] = [
  ["BlkioWeight", 5000, /BlkioWeight/], ["CpuPeriod", 5, /CPU cfs period/], ["CpuQuota", 5, /CPU cfs quota/], ["CpuShares", -5, /CPU shares/], ["CpusetCpus", "odd", /cpuset cpus/], ["CpusetMems", "400", /memory nodes/], ["Memory", 1, /6MB/], ["Memory", -5, /Memory/], ["MemoryReservation", 1, /reservation/],
  ["MemorySwap", 5, /Memoryswap/], ["NanoCpus", 5, /range of CPUs/], ["PidsLimit", "x", /PidsLimit/], ["RestartPolicy", { Name: "odd" }, /RestartPolicy\.Name/], ["RestartPolicy", { Name: "no", MaximumRetryCount: 2 }, /maximum retry count/],
];

const create = (body: object): ReturnType<Daemon["api"]> => daemon.api("POST", "/containers/create", { json: { Image: "busybox", Cmd: ["true"], ...body } });
async function nothingLeft(): Promise<void> {
  expect((await daemon.api("GET", "/containers/json", { query: { all: 1 } })).json).toEqual([]);
  expect((await daemon.api("GET", "/volumes")).json.Volumes).toEqual([]);
  expect(readdirSync(join(daemon.dataRoot, "containers"))).toEqual([]);
}

describe("a create", () => {
  it("with a wrong HostConfig", async () => {
    for (const [field, value, words] of HOST) {
      const { status, json } = await create({ HostConfig: { [field]: value } });
      expect({ field, value, status, message: json.message }).toEqual({ field, value, status: 400, message: expect.stringMatching(words) });
    }
    await nothingLeft();
  });
  it("with a wrong Config", async () => {
    for (const [field, value, words] of CONFIG) {
      const { status, json } = await create({ [field]: value });
      expect({ field, value, status, message: json.message }).toEqual({ field, value, status: 400, message: expect.stringMatching(words) });
    }
    await nothingLeft();
  });
  it("with things that do not go together", async () => {
    const cases: [body: object, words: RegExp][] = [
      [{ HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } } }, /AutoRemove/], [{ HostConfig: { NanoCpus: 1e9, CpuQuota: 5000 } }, /Conflicting options/], [{ Hostname: "x", HostConfig: { UTSMode: "host" } }, /hostname and the UTS mode/],
      [{ HostConfig: { NetworkMode: "host", Sysctls: { "net.ipv4.ip_forward": "1" } } }, /not allowed in host network namespace/], [{ HostConfig: { IpcMode: "host", Sysctls: { "kernel.msgmax": "1" } } }, /not allowed in the host's IPC namespace/],
      [{ HostConfig: { Memory: 64 << 20, MemorySwap: 32 << 20 } }, /memoryswap/i], [{ HostConfig: { Memory: 32 << 20, MemoryReservation: 64 << 20 } }, /reservation/], [{ HostConfig: { Binds: ["/a:/x", "/b:/x"] } }, /Duplicate mount point: \/x/],
      [{ HostConfig: { Tmpfs: { "/x": "" }, Binds: ["/a:/x"] } }, /Duplicate mount point: \/x/],
    ];
    for (const [body, words] of cases) {
      const { status, json } = await create(body);
      expect({ body, status, message: json.message }).toEqual({ body, status: 400, message: expect.stringMatching(words) });
    }
    await nothingLeft();
  });
});

describe("a start", () => {
  it("of what cannot be leaves the container as it was, and nothing mounted", async () => {
    for (const [what, body, words] of START) {
      const { json: { Id } } = await create(body);
      const { status, json } = await daemon.api("POST", `/containers/${Id}/start`);
      expect({ what, status: status >= 400, message: json.message }).toEqual({ what, status: true, message: expect.stringMatching(words) });
      const { State } = await daemon.inspect(Id);
      expect({ what, status: State.Status, pid: State.Pid, error: State.Error }).toEqual({ what, status: "created", pid: 0, error: expect.stringMatching(words) });
      await daemon.dockerOk("rm", Id);
    }
    await nothingLeft();
    expect(mountsBelow(join(daemon.execRoot, "containers"))).toEqual([]);
    expect(readdirSync(join(daemon.execRoot, "containers"))).toEqual([]);
  });
});

describe("an update and an exec", () => {
  it("with wrong values change nothing", async () => {
    await daemon.dockerOk("run", "-d", "--name", "box", "busybox", "sleep", "1000");
    const before = (await daemon.inspect("box")).HostConfig;
    for (const [field, value, words] of UPDATE) {
      const { status, json } = await daemon.api("POST", "/containers/box/update", { json: { [field]: value } });
      expect({ field, value, status, message: json.message }).toEqual({ field, value, status: 400, message: expect.stringMatching(words) });
    }
    for (const [body, words] of [[{}, /No exec command/], [{ Cmd: 5 }, /Cmd/], [{ Cmd: ["true"], Env: "x" }, /Env/], [{ Cmd: ["true"], DetachKeys: "odd" }, /odd/]] as const) {
      const { status, json } = await daemon.api("POST", "/containers/box/exec", { json: body });
      expect({ body, status, message: json.message }).toEqual({ body, status: 400, message: expect.stringMatching(words) });
    }
    for (const [path, words] of [["/containers/box/kill?signal=NOPE", /signal: NOPE/i], ["/containers/box/stop?signal=NOPE", /signal: NOPE/i], ["/containers/box/stop?t=x", /\bt\b/], ["/containers/box/rename?name=a%20b", /Invalid container name/], ["/containers/box/wait?condition=odd", /condition/], ["/containers/box/resize?h=x&w=1", /\bh\b/]] as const) {
      const { status, json } = await daemon.api("POST", path);
      expect({ path, status, message: json.message }).toEqual({ path, status: 400, message: expect.stringMatching(words) });
    }
    expect(await daemon.inspect("box")).toMatchObject({ State: { Status: "running" }, ExecIDs: null, HostConfig: before });
    await daemon.dockerOk("rm", "-f", "box");
    await nothingLeft();
  });
});
