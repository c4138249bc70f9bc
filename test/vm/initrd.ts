import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** What the guest needs before it sees the host's files; all else comes by modprobe over 9p. */
const bootModules = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk", "loop"];

/** First process: the host's root under an overlay whose upper layer is memory, then the second stage. */
const init = `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sysfs /sys; $B mount -t devtmpfs dev /dev
for m in $($B cat /m/order); do $B insmod /m/$m; done
O=trans=virtio,version=9p2000.L,msize=512000
L=/ro; $B mount -t 9p -o ro,cache=loose,$O hostroot /ro
for x in 0 1; do $B mount -t 9p -o ro,cache=loose,$O extra$x /x$x 2>/dev/null && L=/x$x:$L; done
$B mount -t tmpfs -o size=75%,mode=755 tmpfs /rw; $B mkdir /rw/u /rw/w
$B mount -t overlay -o lowerdir=$L,upperdir=/rw/u,workdir=/rw/w overlay /new
for d in proc sys dev; do $B mount --move /$d /new/$d; done
$B mkdir -p /new/run; $B mount -t tmpfs -o size=75%,mode=755 tmpfs /new/run
$B mkdir -p /new/dev/pts /new/dev/shm /new/run/host /new/run/lock
$B mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts; $B mount -t tmpfs tmpfs /new/dev/shm
$B mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
$B mount -t 9p -o rw,cache=none,$O out /new/run/host
exec $B switch_root /new /usr/bin/busybox sh /run/host/stage2
`;

/** The archive for QEMU's -initrd: a static busybox, the boot modules in the order they load, and init. */
export function initrd(modules: string): Buffer {
  const archive = new Newc();
  for (const directory of ["bin", "m", "proc", "sys", "dev", "ro", "x0", "x1", "rw", "new"]) archive.add(directory, 0o40755);
  archive.add("bin/busybox", 0o100755, readFileSync("/usr/bin/busybox"));
  const order = closure(readFileSync(join(modules, "modules.dep"), "utf8"), bootModules);
  for (const path of order) archive.add(`m/${basename(path)}`, 0o100644, readFileSync(join(modules, path)));
  archive.add("m/order", 0o100644, Buffer.from(order.map((path) => `${basename(path)}\n`).join("")));
  archive.add("init", 0o100755, Buffer.from(init));
  return archive.end();
}

/** Files of the modules and of all they depend on, dependencies first. What is built into the kernel has none. */
function closure(modulesDep: string, wanted: readonly string[]): string[] {
  const nameOf = (path: string): string => basename(path).replace(/\.ko$/, "").replaceAll("-", "_");
  const known = new Map(modulesDep.split("\n").filter(Boolean).map((line) => {
    const [path, needed] = line.split(":") as [string, string];
    return [nameOf(path), { path, needed: needed.split(" ").filter(Boolean).map(nameOf) }];
  }));
  const order = new Set<string>();
  const add = (name: string): void => {
    const module = known.get(name);
    if (module === undefined || order.has(module.path)) return;
    module.needed.reverse().forEach(add);
    order.add(module.path);
  };
  wanted.forEach(add);
  return [...order];
}

/** The cpio format that the kernel unpacks. */
class Newc {
  private readonly parts: Buffer[] = [];
  private inode = 1;

  add(name: string, mode: number, data: Buffer = Buffer.alloc(0)): void {
    const path = Buffer.from(`${name}\0`);
    const fields = [this.inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
    this.put(Buffer.concat([Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`), path]));
    this.put(data);
  }
  end(): Buffer {
    this.add("TRAILER!!!", 0);
    return Buffer.concat(this.parts);
  }
  private put(bytes: Buffer): void { this.parts.push(bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)); }
}
