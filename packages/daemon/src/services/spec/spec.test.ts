import type { Container } from "../../core/index.js";
import { capabilitiesOf } from "./capabilities.js";
import { parseDeviceRule } from "./devices.js";
import { checkResources, resourcesOf, withoutUnknown } from "./resources.js";
import { defaultSeccomp, parseSeccomp } from "./seccomp.js";
import { parseSecurityOptions } from "./security.js";
import { environment, execProcess, runtimeSpec, type SpecInput } from "./spec.js";
import { tmpfsMount } from "./mounts.js";
import { resolveUser } from "./users.js";
import type { HostFacts } from "./model.js";

const host: HostFacts = { cgroupVersion: 1, capabilities: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_MKNOD"], seccomp: true, controllers: [], kernel: [6, 1], arch: "x64", cpuset: { cpus: "0-1", mems: "0" }, blockIoWeights: true, recursiveReadOnly: new Set() };
const container = (config = {}, hostConfig = {}): Container => ({
  id: "c".repeat(64), name: "c", imageId: "sha256:0", imageName: "x", createdAt: 0, path: "/bin/true", args: ["a"], config, hostConfig, networks: {}, mounts: [], driver: "vfs",
  state: { status: "created", pid: 0, exitCode: 0, error: "", oomKilled: false, restartCount: 0 },
}) as unknown as Container;
const input = (c: Container): SpecInput => ({
  container: c, host, rootfs: "/r", user: { uid: 0, gid: 0, additionalGids: [], home: "/root" }, netns: "/ns", join: {}, etcFiles: { "/etc/hosts": "/x/hosts" },
  devices: [], hostname: "h", cgroupsPath: "/strata/c",
});

const passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\napp:x:1000:1001::/home/app:/bin/sh\n";
const group = "root:x:0:\nstaff:x:50:app,other\nextra:x:60:\n";

describe("users", () => {
  test.each([
    ["", [], { uid: 0, gid: 0, additionalGids: [0], home: "/root" }],
    ["app", [], { uid: 1000, gid: 1001, additionalGids: [50, 1001], home: "/home/app" }],
    ["1000", [], { uid: 1000, gid: 1001, additionalGids: [50, 1001], home: "/home/app" }],
    ["app:staff", [], { uid: 1000, gid: 50, additionalGids: [50], home: "/home/app" }],
    ["4242:7", ["extra", "99"], { uid: 4242, gid: 7, additionalGids: [7, 60, 99], home: "/" }],
  ])("%p with %p", (user, add, expected) => expect(resolveUser(user, add, passwd, group)).toEqual(expected));
  test("unknown names and numbers out of range are refused by name", () => {
    expect(() => resolveUser("nobody", [], passwd, group)).toThrow("unable to find user nobody: no matching entries in passwd file");
    expect(() => resolveUser("app:nix", [], passwd, group)).toThrow("unable to find group nix: no matching entries in group file");
    expect(() => resolveUser("99999999999", [], null, null)).toThrow(/range/);
  });
});

describe("capabilities", () => {
  const available = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"];
  test.each([
    [{ privileged: false, add: [], drop: [] }, ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"]],
    [{ privileged: true, add: [], drop: [] }, available],
    [{ privileged: false, add: ["net_admin"], drop: ["ALL"] }, ["CAP_NET_ADMIN"]],
    [{ privileged: false, add: ["ALL"], drop: ["CAP_SYS_ADMIN"] }, ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_NET_ADMIN"]],
  ])("%j", (options, expected) => expect(capabilitiesOf({ ...options, available }).sort()).toEqual([...expected].sort()));
  test("an unknown one is named", () => expect(() => capabilitiesOf({ privileged: false, add: ["FLY"], drop: [], available })).toThrow(/CAP_FLY/));
});

test("environment: defaults, overrides, removals", () => {
  expect(environment({ env: ["A=1", "HOSTNAME=mine", "A=2", "B=3", "B"], hostname: "h", tty: true, home: "/h" }))
    .toEqual(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=mine", "TERM=xterm", "A=2", "HOME=/h"]);
});

test("an ordinary container is confined as Docker confines it", () => {
  const spec = runtimeSpec(input(container({ User: "", Env: [] }, {})));
  expect(spec.linux.namespaces.map((n) => n.type).sort()).toEqual(["ipc", "mount", "network", "pid", "uts"]);
  expect(spec.linux.maskedPaths).toContain("/proc/kcore");
  expect(spec.linux.resources.devices[0]).toEqual({ allow: false, access: "rwm" });
  expect(spec.linux.seccomp?.defaultAction).toBe("SCMP_ACT_ERRNO");
  expect(spec.process.capabilities.effective).not.toContain("CAP_SYS_ADMIN");
  expect(spec.mounts.find((m) => m.destination === "/sys")!.options).toContain("ro");
  expect(spec.mounts.at(-1)).toMatchObject({ destination: "/etc/hosts", source: "/x/hosts" });
});

test("privileged, read-only, host namespaces", () => {
  const spec = runtimeSpec({ ...input(container({}, { Privileged: true, ReadonlyRootfs: true, PidMode: "host", UTSMode: "host", IpcMode: "host" })), netns: undefined });
  expect(spec.linux.seccomp).toBeUndefined();
  expect(spec.linux.maskedPaths).toEqual([]);
  expect(spec.root.readonly).toBe(true);
  expect(spec.hostname).toBeUndefined();
  expect(spec.linux.namespaces).toEqual([{ type: "mount" }]);
});

test("limits: Docker's rules and the spec's shape", () => {
  expect(() => checkResources({ Memory: 1024 }, host)).toThrow("Minimum memory limit allowed is 6MB");
  expect(() => checkResources({ NanoCpus: 1e9, CpuQuota: 1000 }, host)).toThrow(/Conflicting options/);
  expect(() => checkResources({ NanoCpus: 3e9 }, host, 2)).toThrow("range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available");
  expect(() => checkResources({ NanoCpus: 1e6 }, host, 2)).toThrow(/range of CPUs/);
  expect(resourcesOf({ Memory: 64 << 20, NanoCpus: 5e8, PidsLimit: 9 }, [])).toEqual({
    devices: [], memory: { limit: 64 << 20, swap: 128 << 20 }, cpu: { period: 100000, quota: 50000 }, pids: { limit: 9 },
  });
  expect(resourcesOf({ BlkioWeight: 300, BlkioWeightDevice: [{ Path: "/dev/x", Weight: 20 }], BlkioDeviceReadBps: [{ Path: "/dev/x", Rate: 1024 }], BlkioDeviceWriteIOps: [{ Path: "/dev/x", Rate: 7 }] }, [], new Map([["/dev/x", { major: 8, minor: 1 }]])).blockIO)
    .toEqual({ weight: 300, weightDevice: [{ major: 8, minor: 1, weight: 20 }], throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 1024 }], throttleWriteIOPSDevice: [{ major: 8, minor: 1, rate: 7 }] });
});

test.each([
  [{ CpusetCpus: "0-1" }, undefined], [{ CpusetCpus: "1,0" }, undefined], [{ CpusetCpus: "0-7" }, "Requested CPUs are not available - requested 0-7, available: 0-1"],
  [{ CpusetCpus: "a" }, "Invalid value a for cpuset cpus"], [{ CpusetCpus: "1-0" }, "Invalid value 1-0 for cpuset cpus"], [{ CpusetMems: "1" }, "Requested memory nodes are not available - requested 1, available: 0"],
  [{ BlkioWeight: 5 }, "Range of blkio weight is from 10 to 1000"], [{ BlkioWeightDevice: [{ Path: "/dev/x", Weight: 5 }] }, "invalid BlkioWeightDevice of /dev/x"], [{ BlkioDeviceReadBps: [{ Path: "x", Rate: 1 }] }, 'invalid BlkioDeviceReadBps: "x"'],
  [{ BlkioDeviceWriteIOps: [{ Path: "/dev/x", Rate: -1 }] }, "invalid BlkioDeviceWriteIOps of /dev/x"], [{ Memory: -1 }, "invalid Memory (-1)"], [{ MemorySwap: -2 }, "invalid MemorySwap (-2)"], [{ MemoryReservation: 1024 }, "Minimum memory reservation allowed is 6MB"],
])("limits on this machine: %j", (limits, refusal) => {
  const check = () => checkResources(withoutUnknown(limits, { ...host, blockIoWeights: false }).hostConfig, host);
  if (refusal === undefined) expect(check()).toEqual([]);
  else expect(check).toThrow(refusal);
});

test("limits that a kernel does not have are left out, with a warning each", () => {
  const asked = { BlkioWeight: 300, BlkioWeightDevice: [{ Path: "/dev/x", Weight: 20 }], OomKillDisable: true, MemorySwappiness: 10, Memory: 64 << 20 };
  const left = withoutUnknown(asked, { ...host, cgroupVersion: 2, blockIoWeights: false });
  expect(left.hostConfig).toEqual({ BlkioWeight: 0, BlkioWeightDevice: [], OomKillDisable: null, MemorySwappiness: null, Memory: 64 << 20 });
  expect(left.warnings).toHaveLength(4);
  expect(withoutUnknown(asked, host)).toEqual({ hostConfig: asked, warnings: [] });
});

test("seccomp: capabilities open calls, clone3 asks for the fallback, user profiles are resolved", () => {
  const plain = defaultSeccomp("x64", [], [6, 1]);
  expect(plain.syscalls[0]!.names).not.toContain("mount");
  expect(plain.syscalls.find((s) => s.names.includes("clone3"))).toMatchObject({ errnoRet: 38 });
  const admin = defaultSeccomp("x64", ["CAP_SYS_ADMIN"], [6, 1]);
  expect(admin.syscalls[0]!.names).toEqual(expect.arrayContaining(["mount", "clone", "clone3"]));
  const own = parseSeccomp(JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["chmod"], action: "SCMP_ACT_ERRNO" }, { names: ["x"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_BPF"] } }] }), "x64", [], [6, 1]);
  expect(own.syscalls).toEqual([{ names: ["chmod"], action: "SCMP_ACT_ERRNO" }]);
  expect(() => parseSeccomp("{", "x64", [], [6, 1])).toThrow(/not valid JSON/);
});

test("options that are not understood are named", () => {
  expect(() => parseSecurityOptions(["nonsense=1"])).toThrow(/nonsense=1/);
  expect(() => tmpfsMount("/t", "size=1m,magic")).toThrow(/magic/);
  expect(tmpfsMount("/t", "exec,size=1m").options).toEqual(["nosuid", "nodev", "size=1m"]);
  expect(parseDeviceRule("c 42:* rmw")).toEqual({ allow: true, type: "c", major: 42, access: "rmw" });
  expect(() => parseDeviceRule("c x rmw")).toThrow(/c x rmw/);
});

test("an exec is a process of its container", () => {
  const c = container({ Env: ["A=1"], WorkingDir: "/w" }, {});
  const p = execProcess(c, host, { uid: 5, gid: 6, additionalGids: [], home: "/" }, { cmd: ["id"], env: ["B=2"], tty: false, workingDir: "", privileged: false }, "h");
  expect(p).toMatchObject({ args: ["id"], cwd: "/w", user: { uid: 5, gid: 6 } });
  expect(p.env).toEqual(expect.arrayContaining(["A=1", "B=2"]));
  expect(p.capabilities.effective).toEqual([]);
  expect(p.capabilities.bounding).toContain("CAP_CHOWN");
});
