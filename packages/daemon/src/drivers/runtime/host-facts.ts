import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";

/** capability(7) names by number. */
const CAPABILITIES = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK " +
  "IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL " +
  "SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split(" ").map((name) => `CAP_${name}`);
const INITS = ["docker-init", "tini-static", "tini", "catatonit"];
const DIRECTORIES = ["/usr/libexec/docker", "/usr/local/libexec", "/usr/libexec", "/usr/libexec/podman", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export interface FoundHostFacts {
  readonly cgroupVersion: 1 | 2;
  /** What the daemon itself may hand out. */
  readonly capabilities: readonly string[];
  readonly seccomp: boolean;
  readonly controllers: readonly string[];
  readonly kernel: readonly [number, number];
  readonly arch: string;
  readonly init?: string;
}

/** What containers can be given on this machine. `initPath`: the program for `--init`, when one is configured. */
export function findHostFacts(initPath?: string): FoundHostFacts {
  const status = readFileSync("/proc/self/status", "utf8");
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  const version = existsSync("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1;
  const init = initPath || program(INITS);
  return {
    cgroupVersion: version,
    capabilities: CAPABILITIES.filter((_, n) => (held >> BigInt(n)) & 1n),
    seccomp: /^Seccomp:/m.test(status),
    controllers: version === 2 ? readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ") : controllersOf(readFileSync("/proc/self/mounts", "utf8")),
    kernel: [Number(major), Number(minor)],
    arch: process.arch,
    ...(init === undefined ? {} : { init }),
  };
}

/** Controllers of the mounted version 1 hierarchies. */
export function controllersOf(mounts: string): string[] {
  const known = /^(cpu|cpuacct|cpuset|memory|devices|freezer|net_cls|net_prio|blkio|perf_event|hugetlb|pids|rdma|misc)$/;
  return mounts.split("\n").map((line) => line.split(" ")).filter(([, , type]) => type === "cgroup").flatMap(([, , , options = ""]) => options.split(",").filter((o) => known.test(o)));
}

/** The first of several programs that is installed, by absolute path. */
export function program(names: readonly string[]): string | undefined {
  for (const name of names) for (const directory of DIRECTORIES) if (existsSync(join(directory, name))) return join(directory, name);
  return undefined;
}
