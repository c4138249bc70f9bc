import { CgroupMeters, foldersOf, parseBlkio, parseInterfaces, parseIoStat, parseMachine } from "./meters.js";

test("cgroups of a process: by controller, the unified one, and both side by side", () => {
  expect(Object.fromEntries(foldersOf("0::/strata/x\n", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"))).toEqual({ "": "/sys/fs/cgroup/strata/x" });
  const mounts = "cgroup /c/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\ncgroup /c/memory cgroup rw,memory 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0\n";
  expect(Object.fromEntries(foldersOf("4:memory:/strata/x\n3:cpu,cpuacct:/strata/x\n2:pids:/y\n0::/z\n", mounts))).toEqual({ cpu: "/c/cpu,cpuacct/strata/x", cpuacct: "/c/cpu,cpuacct/strata/x", memory: "/c/memory/strata/x", "": "/c/unified/z" });
});

test("the machine's time and processors", () => {
  expect(parseMachine("cpu  10 1 5 100 2 0 3 4 9 9\ncpu0 5 0 0 0 0 0 0 0 0 0\ncpu1 5 0 0 0 0 0 0 0 0 0\nintr 1\n")).toEqual({ machine: 1_250_000_000, processors: 2 });
});

test("blocks, in either version", () => {
  expect(parseBlkio("8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n")).toEqual([{ major: 8, minor: 0, op: "Read", value: 4096 }, { major: 8, minor: 0, op: "Write", value: 0 }, { major: 8, minor: 0, op: "Total", value: 4096 }]);
  expect(parseIoStat("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n253:0 \n")).toEqual([{ major: 8, minor: 16, op: "read", value: 1 }, { major: 8, minor: 16, op: "write", value: 2 }, { major: 253, minor: 0, op: "read", value: 0 }, { major: 253, minor: 0, op: "write", value: 0 }]);
});

test("interfaces of networks, without the kernel's own", () => {
  const dev = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
    + "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  eth0: 11 12 13 14 0 0 0 0 21 22 23 24 0 0 0 0\n tunl0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
  expect(parseInterfaces(dev)).toEqual({ eth0: { received: { bytes: 11, packets: 12, errors: 13, dropped: 14 }, sent: { bytes: 21, packets: 22, errors: 23, dropped: 24 } } });
});

test("a process that is gone counts as nothing", async () => {
  const usage = await (await new CgroupMeters().open(2 ** 22 + 1))();
  expect(usage).toMatchObject({ cpu: { total: 0 }, memory: { usage: 0 }, pids: { current: 0 }, networks: {} });
  expect(usage.cpu.machine).toBeGreaterThan(0);
  expect(usage.cpu.processors).toBeGreaterThan(0);
});
