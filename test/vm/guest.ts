import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { which } from "../helpers/needs.js";
import { Unavailable } from "./cache.js";
import { initrdFor, type Kernel } from "./kernel.js";

/** A disk of the guest, /dev/vda and on: a sparse image of its own (`4G`), or what an NBD server at a Unix socket serves. */
export type Disk = { readonly size: string } | { readonly nbd: string };

export interface GuestOptions {
  readonly kernel: Kernel;
  readonly disks?: readonly Disk[];
  /** Trees that the guest sees over the kernel's and the host's (usr-merged), at most one. */
  readonly extra?: string;
  /** A folder that the guest sees, writable, as /run/facts. */
  readonly facts?: string;
  /** MiB; default 1536. */
  readonly memory?: number;
  /** Seconds; then it is killed. */
  readonly limit: number;
  readonly onLine?: (line: string) => void;
}

/** How a guest ended: the command's exit status, or why there is none. */
export type Ending = { readonly status: number } | { readonly died: "killed" | typeof OVER_TIME | "without a status" };

/** Second stage: what an init system would have done, then the command. */
const stage2 = `export PATH='${process.env["PATH"] ?? ""}:/usr/sbin:/usr/bin:/sbin:/bin' HOME=/root TERM=dumb TMPDIR=/run/tmp DM_DISABLE_UDEV=1 LVM_SUPPRESS_FD_WARNINGS=1 STRATA_GUEST=1
mkdir /run/facts; mount -t 9p -o rw,cache=none,trans=virtio,version=9p2000.L facts /run/facts 2>/dev/null
stty -F /dev/ttyS0 -onlcr; hostname guest; ip link set lo up; mkdir -p /run/lock/lvm; mkdir -m 1777 /run/tmp
mkdir /sys/fs/cgroup/init; for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p >/sys/fs/cgroup/init/cgroup.procs; done 2>/dev/null
for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$c >/sys/fs/cgroup/cgroup.subtree_control; done 2>/dev/null
setsid bash /run/host/cmd </dev/null >/dev/ttyS0 2>&1; rc=$?; [ $rc -gt 126 ] && rc=126
sync
busybox printf "\\\\x$(busybox printf %x $rc)" | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
busybox poweroff -f
`;

/** How a guest ended that was not done within its limit. */
export const OVER_TIME = "over its time";
/** In a guest: what a compiler makes there would itself be translated at every change, and is slower than no compiler. */
export const NODE = "node --jitless";

/**
 * A virtual machine without hardware help (QEMU's TCG: no privilege, no /dev/kvm). It sees this machine's files, read-only
 * under an overlay in memory, runs one bash script as root, and ends. /run/host is shared with the host for results.
 */
export class Guest {
  /** What the guest sees as /run/host. */
  readonly shared = mkdtempSync(join(tmpdir(), "strata-guest-"));
  private readonly qemu: ChildProcess;
  private reason: "killed" | typeof OVER_TIME | undefined;
  private readonly ended: Promise<Ending>;

  constructor(command: string, private readonly options: GuestOptions) {
    const program = which("qemu-system-x86_64");
    if (program === undefined) throw new Unavailable("no qemu-system-x86_64 on this machine");
    writeFileSync(join(this.shared, "stage2"), stage2);
    writeFileSync(join(this.shared, "cmd"), `${command}\n`);
    writeFileSync(join(this.shared, "initrd"), initrdFor(options.kernel));
    this.qemu = spawn(program, this.arguments(), { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.qemu.stdout! }).on("line", (line) => options.onLine?.(line));
    const limit = setTimeout(() => this.end(OVER_TIME), options.limit * 1000);
    this.ended = new Promise<Ending>((resolve, reject) => {
      this.qemu.on("error", reject);
      // The guest writes its status s to a port of a test device, and QEMU exits with 2s + 1; a panic or power-off gives 0.
      this.qemu.on("close", (code) => resolve(this.reason !== undefined ? { died: this.reason } : code !== null && code % 2 === 1 ? { status: code >> 1 } : { died: "without a status" }));
    }).finally(() => clearTimeout(limit));
  }

  /** Pulls the plug. */
  kill(): void { this.end("killed"); }

  /** How it ended. Read what it left in `shared`, then `forget` it. */
  ending(): Promise<Ending> { return this.ended; }

  /** A file that the guest left in /run/host. */
  read(name: string): string | undefined {
    const path = join(this.shared, name);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  }
  forget(): void { rmSync(this.shared, { recursive: true, force: true }); }

  private end(reason: "killed" | typeof OVER_TIME): void {
    this.reason ??= reason;
    this.qemu.kill("SIGKILL");
  }

  private arguments(): string[] {
    const { kernel, disks = [], extra, facts, memory = 1536 } = this.options;
    const share = (tag: string, path: string, readOnly: boolean): string[] =>
      ["-fsdev", `local,id=${tag},path=${path},security_model=none,multidevs=remap${readOnly ? ",readonly=on" : ""}`, "-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`];
    return [
      // One processor: two cost twice the host's time and are no faster on a busy machine. q35: microvm has no timer to calibrate by.
      "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,la57=off", "-smp", "1", "-m", String(memory),
      "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel.vmlinux, "-initrd", join(this.shared, "initrd"),
      "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on no_timer_check rcupdate.rcu_expedited=1 audit=0 apparmor=0",
      "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
      ...share("hostroot", "/", true), ...share("extra0", kernel.tree, true), ...(extra === undefined ? [] : share("extra1", extra, true)), ...share("out", this.shared, false),
      ...(facts === undefined ? [] : share("facts", facts, false)),
      ...disks.flatMap((disk, i) => ["-drive", `id=d${i},if=none,format=raw,discard=unmap,${this.drive(disk, i)}`, "-device", `virtio-blk-pci,drive=d${i},serial=d${i}`]),
    ];
  }
  private drive(disk: Disk, index: number): string {
    if ("nbd" in disk) return `file=nbd:unix:${disk.nbd},cache=none`;
    const folder = join(this.shared, "disks"), image = join(folder, `${index}.img`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(image, "");
    truncateSync(image, bytes(disk.size));
    return `file=${image},cache=unsafe,detect-zeroes=unmap`;
  }
}

function bytes(size: string): number {
  const [, count, unit] = /^(\d+)([KMGT]?)$/.exec(size) ?? [];
  if (count === undefined) throw new Error(`not a size: ${size}`);
  return Number(count) * 1024 ** "_KMGT".indexOf(unit === "" ? "_" : unit!);
}
