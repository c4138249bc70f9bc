import { existsSync, readdirSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { type Daemon, TestBed, daemonNeeds, needs, skipped, which } from "../helpers/index.js";

/** Every flag of `docker run` that limits a container or gives it rights, each seen from inside. */
const it = needs(...daemonNeeds, "docker");

let bed: TestBed;
let daemon: Daemon;
beforeAll(async () => {
  bed = await TestBed.create();
  daemon = await bed.daemonWithBusybox();
}, 120_000);
afterAll(async () => {
  await bed.close();
  // Whoever names a parent cgroup keeps it.
  for (const folder of v2 ? ["."] : readdirSync("/sys/fs/cgroup")) if (existsSync(`/sys/fs/cgroup/${folder}${parent}`)) rmdirSync(`/sys/fs/cgroup/${folder}${parent}`);
}, 60_000);
afterEach(() => daemon.removeContainers());

const parent = `/strata-walk-${process.pid}`;
const v2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
const shown = async (args: readonly string[], script: string): Promise<string> => daemon.dockerOk("run", "--rm", ...args, "busybox", "sh", "-c", script);
/** A whole disk of this machine. */
const disk = readdirSync("/sys/block").map((name) => `/dev/${name}`).find((path) => existsSync(path) && statSync(path).isBlockDevice());
const diskNumbers = (): string => { const { rdev } = statSync(disk!); return `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`; };

describe("limits of the kernel", () => {
  /** Flags, the file of cgroup v1 and what it says, the same for v2. */
  const limits: [flags: string[], v1: string, is: string, v2: string, is2: string][] = [
    [["-m", "64m"], "memory/memory.limit_in_bytes", "67108864", "memory.max", "67108864"],
    [["-m", "64m"], "memory/memory.memsw.limit_in_bytes", "134217728", "memory.swap.max", "67108864"],
    [["-m", "64m", "--memory-swap", "100m"], "memory/memory.memsw.limit_in_bytes", "104857600", "memory.swap.max", "37748736"],
    [["-m", "64m", "--memory-reservation", "32m"], "memory/memory.soft_limit_in_bytes", "33554432", "memory.low", "33554432"],
    [["--memory-swappiness", "30"], "memory/memory.swappiness", "30", "", ""],
    [["-m", "64m", "--oom-kill-disable"], "memory/memory.oom_control", "oom_kill_disable 1", "", ""],
    [["--cpus", "0.5"], "cpu/cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"],
    [["--cpu-period", "50000", "--cpu-quota", "20000"], "cpu/cpu.cfs_quota_us", "20000", "cpu.max", "20000 50000"],
    [["--cpu-shares", "512"], "cpu/cpu.shares", "512", "cpu.weight", "20"],
    [["--cpuset-cpus", "0"], "cpuset/cpuset.cpus", "0", "cpuset.cpus", "0"],
    [["--cpuset-mems", "0"], "cpuset/cpuset.mems", "0", "cpuset.mems", "0"],
    [["--pids-limit", "33"], "pids/pids.max", "33", "pids.max", "33"],
    [["--pids-limit", "-1"], "pids/pids.max", "max", "pids.max", "max"],
  ];
  for (const [flags, file1, is1, file2, is2] of limits) {
    const [file, is] = v2 ? [file2, is2] : [file1, is1];
    (file === "" ? skipped("cgroup v2 has no such limit") : it)(`${flags.join(" ")}: ${file}`, async () => {
      expect((await shown(flags, `cat /sys/fs/cgroup/${file}`)).split("\n")[0]).toBe(is);
    });
  }

  const throttles: [flag: string, value: string, file: string, is: string, key: string][] = [
    ["--device-read-bps", "1mb", "read_bps_device", "1048576", "rbps"], ["--device-write-bps", "2mb", "write_bps_device", "2097152", "wbps"],
    ["--device-read-iops", "100", "read_iops_device", "100", "riops"], ["--device-write-iops", "200", "write_iops_device", "200", "wiops"],
  ];
  for (const [flag, value, file, is, key] of throttles) {
    (disk === undefined ? skipped("no disk on this machine") : it)(flag, async () => {
      const path = v2 ? "/sys/fs/cgroup/io.max" : `/sys/fs/cgroup/blkio/blkio.throttle.${file}`;
      expect(await shown([flag, `${disk}:${value}`], `cat ${path}`)).toMatch(new RegExp(`^${diskNumbers()} ${v2 ? `.*${key}=` : ""}${is}\\b`, "m"));
    });
  }

  it("--blkio-weight and --blkio-weight-device hold, or are told to be left out", async () => {
    const weighs = !v2 && existsSync("/sys/fs/cgroup/blkio/blkio.weight");
    const { code, stdout, stderr } = await daemon.docker(["create", "--name", "weighed", "--blkio-weight", "300", "--blkio-weight-device", `${disk ?? "/dev/sda"}:200`, "busybox", "true"]);
    expect({ code, id: stdout.trim() }).toEqual({ code: 0, id: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const { BlkioWeight, BlkioWeightDevice } = (await daemon.inspect("weighed")).HostConfig;
    if (weighs || v2) expect([BlkioWeight, BlkioWeightDevice]).toEqual([300, [{ Path: disk ?? "/dev/sda", Weight: 200 }]]);
    else {
      expect([BlkioWeight, BlkioWeightDevice]).toEqual([0, []]);
      expect(stderr).toMatch(/Block I\/O weight or the cgroup is not mounted\. Weight discarded[^]*Weight-device discarded/);
      expect(await daemon.docker(["update", "--blkio-weight", "300", "weighed"])).toMatchObject({ code: 0 });
    }
  });

  it("--oom-kill-disable without a limit of memory warns; --oom-score-adj; --cgroup-parent; --cgroupns", async () => {
    if (!v2) expect((await daemon.docker(["run", "--rm", "--oom-kill-disable", "busybox", "true"])).stderr).toContain("OOM killer is disabled for the container, but no memory limit is set");
    expect(await shown(["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj")).toBe("500");
    expect(await shown(["--cgroup-parent", parent, "--cgroupns", "host"], "cat /proc/self/cgroup")).toMatch(new RegExp(`:${parent}/[0-9a-f]{64}$`, "m"));
    expect(await shown(["--cgroupns", "private"], "cut -d: -f3 /proc/self/cgroup | sort -u")).toBe("/");
    const own = await shown(["--cgroupns", "private"], "readlink /proc/self/ns/cgroup"), host = await shown(["--cgroupns", "host"], "readlink /proc/self/ns/cgroup");
    expect(own).not.toBe(host);
  });

  it("--ulimit holds for the first process and for execs, -1 is no limit", async () => {
    await daemon.dockerOk("run", "-d", "--name", "ul", "--ulimit", "nofile=100:200", "--ulimit", "core=-1", "busybox", "sh", "-c", "echo $(ulimit -n) $(ulimit -Hn) $(ulimit -c); sleep 1000");
    expect(await daemon.dockerOk("exec", "ul", "sh", "-c", "echo $(ulimit -n) $(ulimit -Hn) $(ulimit -c)")).toBe("100 200 unlimited");
    expect(await daemon.dockerOk("logs", "ul")).toBe("100 200 unlimited");
    expect((await daemon.inspect("ul")).HostConfig.Ulimits).toEqual(expect.arrayContaining([{ Name: "nofile", Soft: 100, Hard: 200 }, { Name: "core", Soft: -1, Hard: -1 }]));
  });

  it("--sysctl and --shm-size", async () => {
    expect(await shown(["--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "kernel.msgmax=9000", "--sysctl", "fs.mqueue.queues_max=77"], "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/queues_max")).toBe("0\n9000\n77");
    expect(await shown(["--shm-size", "32m"], "df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe("32768");
  });
});

describe("devices", () => {
  const withFuse = existsSync("/dev/fuse") ? it : skipped("no /dev/fuse on this machine");
  withFuse("--device, under another name and with fewer rights", async () => {
    expect(await shown(["--device", "/dev/fuse"], "stat -c %t:%T /dev/fuse; : < /dev/fuse && echo opened")).toBe("a:e5\nopened");
    expect(await shown(["--device", "/dev/fuse:/dev/mine:r"], "(: < /dev/mine) && echo read; (: >> /dev/mine) 2>&1 | grep -c 'not permitted'")).toBe("read\n1");
    expect(await shown(["--device-cgroup-rule", "c 10:229 rwm"], "mknod /f c 10 229 && : < /f && echo opened")).toBe("opened");
    expect((await daemon.docker(["run", "--rm", "busybox", "sh", "-c", "mknod /f c 10 229 && : < /f"])).stderr).toContain("not permitted");
  });
  it("--gpus and devices that are not there are refused clearly", async () => {
    expect(await daemon.docker(["run", "--rm", "--gpus", "all", "busybox", "true"])).toMatchObject({ code: 125, stderr: expect.stringContaining('could not select device driver "" with capabilities: [[gpu]]') });
    expect((await daemon.docker(["run", "--rm", "--device", "/dev/no-such", "busybox", "true"])).stderr).toContain('adding custom device "/dev/no-such": no such file or directory');
    expect((await daemon.docker(["run", "--rm", "--device-read-bps", "/dev/no-such:1mb", "busybox", "true"])).stderr).toContain("BlkioDeviceReadBps: stat /dev/no-such: no such file or directory");
    expect(await daemon.dockerOk("ps", "-aq")).toBe("");
  });
});

describe("rights", () => {
  const effective = async (...flags: string[]): Promise<bigint> => BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(await shown(flags, "cat /proc/self/status"))![1]}`);
  const bit = (n: number): bigint => 1n << BigInt(n);
  const CHOWN = bit(0), NET_ADMIN = bit(12), SYS_ADMIN = bit(21), DEFAULT = 0xa80425fbn;

  it("--cap-add and --cap-drop, with and without CAP_, in any case, and ALL", async () => {
    const all = await effective("--cap-add", "ALL");
    expect(all & (DEFAULT | SYS_ADMIN)).toBe(DEFAULT | SYS_ADMIN);
    expect(await effective("--cap-add", "net_admin")).toBe(DEFAULT | NET_ADMIN);
    expect(await effective("--cap-add", "CAP_NET_ADMIN", "--cap-drop", "CAP_CHOWN")).toBe((DEFAULT | NET_ADMIN) & ~CHOWN);
    expect(await effective("--cap-drop", "ALL")).toBe(0n);
    expect(await effective("--cap-drop", "all", "--cap-add", "CHOWN")).toBe(CHOWN);
    expect(await effective("--cap-add", "ALL", "--cap-drop", "CHOWN")).toBe(all & ~CHOWN);
    expect(await effective("-u", "1000")).toBe(0n);
  });

  it("--privileged sees every device and writes everywhere, with an exec's rights like its own", async () => {
    const all = await effective("--cap-add", "ALL");
    expect(await effective("--privileged")).toBe(all);
    expect(await shown(["--privileged"], "ls /dev/kmsg; grep -c ' /sys sysfs rw' /proc/mounts; grep -E '^Seccomp:' /proc/self/status; echo 1 > /proc/sys/net/ipv4/ip_forward && echo wrote")).toBe("/dev/kmsg\n1\nSeccomp:\t0\nwrote");
    await daemon.dockerOk("run", "-d", "--name", "plain", "busybox", "sleep", "1000");
    expect(await daemon.dockerOk("exec", "--privileged", "plain", "grep", "CapEff", "/proc/self/status")).toContain(all.toString(16));
    expect((await daemon.inspect("plain")).HostConfig.MaskedPaths).toContain("/proc/kcore");
  });

  it("--security-opt: seccomp, no-new-privileges, systempaths, apparmor, label", async () => {
    const profile = bed.path("profile.json");
    writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }, { names: ["rmdir"], action: "SCMP_ACT_ERRNO", includes: { caps: ["CAP_SYS_ADMIN"] } }] }));
    expect((await daemon.docker(["run", "--rm", "--security-opt", `seccomp=${profile}`, "busybox", "mkdir", "/x"])).stderr).toContain("Operation not permitted");
    expect(await shown(["--security-opt", "seccomp=unconfined"], "grep -E '^Seccomp:' /proc/self/status")).toBe("Seccomp:\t0");
    expect(await shown(["--security-opt", "seccomp=builtin"], "grep -E '^Seccomp:' /proc/self/status")).toBe("Seccomp:\t2");
    expect(await shown(["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status")).toBe("NoNewPrivs:\t1");
    expect(await shown(["--security-opt", "no-new-privileges=false"], "grep NoNewPrivs /proc/self/status")).toBe("NoNewPrivs:\t0");
    expect(await shown(["--security-opt", "systempaths=unconfined"], "grep -c ' /proc/' /proc/mounts; true")).toBe("0");
    expect(await shown(["--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"], "echo ran")).toBe("ran");
    expect((await daemon.docker(["run", "--rm", "--security-opt", "nonsense=1", "busybox", "true"])).stderr).toContain("nonsense");
  });

  it("the default filter: what reconfigures the kernel asks for its capability", async () => {
    const unshares = async (...flags: string[]): Promise<number> => (await daemon.docker(["run", "--rm", ...flags, "busybox", "busybox", "unshare", "-m", "true"])).code;
    expect(await unshares()).not.toBe(0);
    expect(await unshares("--cap-add", "SYS_ADMIN")).toBe(0);
    const mounts = "mount -t tmpfs none /tmp && echo mounted";
    expect(await shown(["--cap-add", "SYS_ADMIN"], mounts)).toBe("mounted");
    // Without the capability the filter speaks first; without the filter the kernel does.
    expect((await daemon.docker(["run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", "sh", "-c", mounts])).code).not.toBe(0);
  });

  const onBoth = which("runc") && which("crun") ? it : skipped("only one OCI runtime on this machine");
  onBoth("--runtime: the same from runc and crun", async () => {
    const seen = (runtime: string): Promise<string> => shown(["--runtime", runtime, "-m", "64m", "--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--ulimit", "nofile=50", "-u", "1000", "--read-only", "-w", "/made/for/it", "--tmpfs", "/home"],
      "ulimit -n; id -u; grep -E '^(CapBnd|Seccomp|NoNewPrivs)' /proc/self/status; touch /x 2>&1; touch /tmp; ls -ld /home | cut -c1-10; echo $PWD");
    const [crun, runc] = await Promise.all([seen("crun"), seen("runc")]);
    expect(crun).toContain("Read-only file system");
    expect(runc).toBe(crun);
  });
});
