import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupsOf, killedForMemory, ownProcs } from "./cgroups.js";

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

test("the kernel's count of kills, in either version's file", () => {
  const directory = mkdtempSync(join(tmpdir(), "strata-cgroups-"));
  try {
    expect(killedForMemory([directory, join(directory, "gone")])).toBe(false);
    writeFileSync(join(directory, "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    expect(killedForMemory([directory])).toBe(false);
    writeFileSync(join(directory, "memory.events"), "low 0\noom 1\noom_kill 2\n");
    expect(killedForMemory([directory])).toBe(true);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("cgroups of a container, from runc's state and from crun's", () => {
  const state = mkdtempSync(join(tmpdir(), "strata-state-"));
  try {
    expect(cgroupsOf(state)).toBeNull();
    writeFileSync(join(state, "status"), JSON.stringify({ "cgroup-path": "/strata/x", "systemd-cgroup": false }));
    expect(cgroupsOf(state, () => "cgroup /c/cpu cgroup rw,cpu 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\nproc /proc proc rw 0 0\n")).toEqual(["/c/cpu/strata/x", "/c/unified/strata/x"]);
    writeFileSync(join(state, "status"), JSON.stringify({ "cgroup-path": "", "systemd-cgroup": false }));
    expect(cgroupsOf(state, () => "")).toBeNull();
    writeFileSync(join(state, "state.json"), JSON.stringify({ cgroup_paths: { cpu: "/c/cpu/strata/x", "": "/c/unified/strata/x" } }));
    expect(cgroupsOf(state)).toEqual(["/c/cpu/strata/x", "/c/unified/strata/x"]);
    writeFileSync(join(state, "state.json"), "{");
    rmSync(join(state, "status"));
    expect(cgroupsOf(state)).toBeNull();
  } finally {
    rmSync(state, { recursive: true });
  }
});
