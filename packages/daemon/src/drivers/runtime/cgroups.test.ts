import { ownProcs } from "./cgroups.js";

describe("ownProcs", () => {
  test("the unified hierarchy", () => {
    expect(ownProcs("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/system.slice/x.service\n")).toBe("/sys/fs/cgroup/system.slice/x.service/cgroup.procs");
  });
  test("a version 1 hierarchy, by its controllers", () => {
    const mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n";
    expect(ownProcs(mounts, "4:cpu,cpuacct:/\n")).toBe("/sys/fs/cgroup/cpu,cpuacct/cgroup.procs");
  });
  test("none", () => {
    expect(ownProcs("proc /proc proc rw 0 0\n", "0::/\n")).toBeNull();
  });
});
