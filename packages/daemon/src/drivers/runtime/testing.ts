import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Output, type Process, newId, silentLogger } from "../../core/index.js";
import { OciRuntime } from "./oci-runtime.js";

const APPLETS = ["sh", "cat", "echo", "printf", "true", "false", "sleep", "seq", "stty", "sha256sum", "head", "ls", "id", "kill", "yes", "dd"];

function which(program: string): string | null {
  for (const dir of ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]) {
    if (existsSync(join(dir, program))) return join(dir, program);
  }
  return null;
}

/** Why tests with a real runtime cannot run here; null when they can. */
export function whyNoRuntime(name = "runc"): string | null {
  if (process.getuid?.() !== 0) return "needs root";
  for (const program of ["conmon", name, "busybox"]) if (which(program) === null) return `${program} is not installed`;
  try {
    execFileSync("busybox", ["true"]);
    const unified = "/sys/fs/cgroup/unified/cgroup.controllers";
    if (name === "crun" && existsSync(unified) && readFileSync(unified, "utf8").trim() !== "" && /version (0|1\.[0-8]\b)/.test(execFileSync("crun", ["--version"]).toString())) {
      return "this crun refuses a hybrid cgroup layout with controllers on the v2 side";
    }
    const linked = execFileSync("sh", ["-c", "ldd $(command -v busybox) 2>&1 || true"]).toString();
    return /not a dynamic executable/.test(linked) ? null : "busybox is not static";
  } catch {
    return "busybox does not run";
  }
}

/** A scratch directory with a busybox tree, a runtime over it, and what it takes to run bundles. For tests. */
export class Bench {
  readonly root = mkdtempSync(join(tmpdir(), "strata-rt-"));
  readonly rootfs = join(this.root, "rootfs");
  readonly runtime: OciRuntime;
  readonly parent = `/strata-test-${process.pid}`;

  constructor(readonly name = "runc") {
    for (const dir of ["bin", "dev", "proc", "sys", "etc", "tmp"]) mkdirSync(join(this.rootfs, dir), { recursive: true });
    copyFileSync(which("busybox")!, join(this.rootfs, "bin/busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(this.rootfs, "bin", applet));
    this.runtime = this.open();
  }

  /** Another daemon on the same directories. */
  open(): OciRuntime {
    return new OciRuntime({ name: this.name, path: which(this.name)!, conmon: which("conmon")!, directory: join(this.root, "runtime"), logger: silentLogger });
  }

  bundle(args: readonly string[], tty = false): { id: string; bundle: string } {
    const id = newId<string>();
    const bundle = join(this.root, "bundles", id);
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(spec(args, tty, this.rootfs, `${this.parent}/${id}`)));
    return { id, bundle };
  }

  close(): void {
    this.runtime.close();
    rmSync(this.root, { recursive: true, force: true });
    for (const controller of ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified", "net_cls", "net_prio", "hugetlb", "perf_event", "rdma", "misc", ""]) {
      try {
        rmdirSync(join("/sys/fs/cgroup", controller, this.parent));
      } catch {
        // This hierarchy is not mounted here.
      }
    }
  }
}

export function processSpec(args: readonly string[], tty = false): object {
  const caps = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"];
  return {
    terminal: tty, user: { uid: 0, gid: 0 }, args, cwd: "/", env: ["PATH=/bin", "TERM=xterm"],
    capabilities: { bounding: caps, effective: caps, permitted: caps }, noNewPrivileges: true,
  };
}

function spec(args: readonly string[], tty: boolean, rootfs: string, cgroupsPath: string): object {
  return {
    ociVersion: "1.0.2", process: processSpec(args, tty), root: { path: rootfs }, hostname: "bench",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
    ],
    linux: { cgroupsPath, namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "network" }] },
  };
}

/** Reads a process' output to its end. */
export async function collect(process: Process, each?: (batch: readonly Output[]) => void): Promise<{ stdout: Buffer; stderr: Buffer; records: Output[] }> {
  const records: Output[] = [];
  for await (const batch of process.output) {
    records.push(...batch);
    each?.(batch);
  }
  const of = (stream: Output["stream"]) => Buffer.concat(records.filter((r) => r.stream === stream).map((r) => r.data));
  return { stdout: of("stdout"), stderr: of("stderr"), records };
}
