import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const folders = [...new Set([...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"])].filter(Boolean);

/** Absolute path of a program, or undefined. */
export function which(program: string): string | undefined {
  return folders.map((folder) => join(folder, program)).find((path) => {
    try { accessSync(path, constants.X_OK); return true; } catch { return false; }
  });
}

const program = (name: string) => (): string | undefined => (which(name) ? undefined : `no ${name} on this machine`);
const isRoot = (): boolean => process.getuid?.() === 0;
const succeeds = (command: string, ...args: string[]): boolean => spawnSync(command, args, { stdio: "ignore" }).status === 0;

function dockerCli(): string | undefined {
  if (!which("docker")) return "no docker CLI on this machine";
  const version = /version (\d+)\./.exec(spawnSync("docker", ["--version"], { encoding: "utf8" }).stdout)?.[1];
  return Number(version) >= 23 ? undefined : `the docker CLI here is ${version ?? "of unknown version"}, older than 23`;
}

/** The one in Python; its successor is built on BuildKit. */
function composeOne(): string | undefined {
  if (!which("docker-compose")) return "no docker-compose on this machine";
  const version = spawnSync("docker-compose", ["version", "--short"], { encoding: "utf8" }).stdout.trim();
  return version.startsWith("1.") ? undefined : `docker-compose here is ${version || "of unknown version"}, not 1`;
}

/** A private network namespace that the test's daemon lives in. */
function namespaces(): string | undefined {
  if (!isRoot()) return "needs root";
  if (!which("ip")) return "no ip (iproute2) on this machine";
  return succeeds("unshare", "--net", "true") ? undefined : "this machine does not allow network namespaces";
}

function loopDevices(): string | undefined {
  if (!isRoot()) return "needs root";
  if (!which("mkfs.ext4")) return "no mkfs.ext4 on this machine";
  return existsSync("/dev/loop-control") && succeeds("losetup", "-f") ? undefined : "this machine has no free loop device";
}

/** TMPDIR lies on xfs or ext4 with project quotas. */
function projectQuotas(): string | undefined {
  const { stdout } = spawnSync("findmnt", ["-no", "FSTYPE,OPTIONS", "-T", tmpdir()], { encoding: "utf8" });
  return /^(xfs|ext4)\s.*\bprjquota\b/.test(stdout) ? undefined : `TMPDIR (${stdout.split(" ")[0] || "unknown"}) is not mounted with project quotas`;
}

/** Each need: undefined when met, else why not. */
const checks = {
  root: () => (isRoot() ? undefined : "needs root"),
  docker: dockerCli,
  netns: namespaces,
  runtime: () => (which("runc") ?? which("crun") ? program("conmon")() : "no OCI runtime on this machine"),
  busybox: () => (which("busybox") && succeeds("busybox", "true") ? undefined : "no busybox on this machine"),
  fuseOverlayfs: () => program("fuse-overlayfs")() ?? (existsSync("/dev/fuse") ? undefined : "no /dev/fuse on this machine"),
  registry: program("docker-registry"),
  loop: loopDevices,
  btrfs: () => (which("mkfs.btrfs") ? loopDevices() : "no mkfs.btrfs on this machine"),
  projects: projectQuotas,
  pty: program("script"),
  curl: program("curl"),
  git: program("git"),
  compose: composeOne,
  dockerd: program("dockerd"),
  openssl: program("openssl"),
  debootstrap: program("debootstrap"),
  dpkg: program("dpkg-deb"),
  buildah: program("buildah"),
  skopeo: program("skopeo"),
  umoci: program("umoci"),
  setpriv: program("setpriv"),
  crun: program("crun"),
  runc: program("runc"),
  mountSetattr: () => { const [major = 0, minor = 0] = release().split(".").map(Number); return major > 5 || (major === 5 && minor >= 12) ? undefined : `Linux ${release()} is older than 5.12`; },
  cgroup2: () => (existsSync("/sys/fs/cgroup/cgroup.controllers") ? undefined : "this machine has not cgroup v2 alone; runs in the VM"),
} satisfies Record<string, () => string | undefined>;

export type Need = keyof typeof checks;
const known = new Map<Need, string | undefined>();

/** The first reason why the needs are not met. */
export function unmet(needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    if (!known.has(need)) known.set(need, checks[need]());
    const reason = known.get(need);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** What a daemon with containers wants of a machine. */
export const daemonNeeds = ["root", "netns", "runtime", "busybox"] as const satisfies readonly Need[];

export type Test = (name: string, body: () => Promise<void>, timeoutMs?: number) => void;

/** `test` where the needs are met; else a skipped test whose name ends in the reason, which the summary prints. */
export function needs(...wanted: readonly Need[]): Test {
  const reason = unmet(wanted);
  if (reason === undefined) return (name, body, timeoutMs) => { test(name, body, timeoutMs); };
  return skipped(reason);
}
export const skipped = (reason: string): Test => (name, body) => { test.skip(`${name} (skipped: ${reason})`, body); };
