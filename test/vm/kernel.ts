import { execFileSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cached, cachedFolder, shell, Unavailable } from "./cache.js";
import { initrd } from "./initrd.js";

/** What QEMU boots: `vmlinux`, and `tree`, whose usr/lib/modules the guest sees over the host's. */
export interface Kernel {
  readonly version: string;
  readonly vmlinux: string;
  readonly tree: string;
}

/** EROFS mounts straight from files since 6.12: where Debian's default kernel is older, this newer one is asked for. */
const metaPackages = ["linux-image-6.12-amd64", "linux-image-amd64"];

/** Only these modules are kept: the rest is drivers of hardware that the guest has not. */
const kept = [
  "boot/System.map*", "boot/vmlinuz*", ...["fs", "net", "lib", "crypto", "arch", "block", "drivers/md", "drivers/block", "drivers/virtio", "drivers/dax", "drivers/nvdimm", "drivers/char/virtio*",
    ...["veth", "dummy", "tun", "macvlan", "ipvlan", "vxlan", "net_failover", "virtio_net"].map((name) => `drivers/net/${name}*`)].map((path) => `*lib/modules/*/kernel/${path}`), "*lib/modules/*/modules.*",
];

/** The newest kernel in the cache, or Debian's, downloaded once. */
export async function ensureKernel(): Promise<Kernel> {
  const folder = cached("kernel-").at(-1) ?? await downloadKernel();
  const version = basename(folder).slice("kernel-".length);
  return { version, vmlinux: join(folder, "vmlinux"), tree: join(folder, "tree") };
}

/** The initial root file system, made anew for each start: it is small, and holds this checkout's init. */
export function initrdFor(kernel: Kernel): Buffer {
  return initrd(join(kernel.tree, "usr/lib/modules", kernel.version));
}

async function downloadKernel(): Promise<string> {
  const name = newestPackage() ?? (shell("apt-get update -q >&2 || true"), newestPackage());
  if (name === undefined) throw new Unavailable(`no package ${metaPackages.join(" or ")} here to boot`);
  const version = name.slice("linux-image-".length);
  return cachedFolder(`kernel-${version}`, (folder) => {
    process.stderr.write(`strata: downloading ${name} for the guest\n`);
    // The package lists may name a version that the mirror has replaced since.
    shell(`mkdir "$1/deb"; cd "$1/deb"; get() { apt-get -q -o APT::Sandbox::User=root download "$2" >&2; }; get "$@" || { apt-get update -q >&2; get "$@"; }`, folder, name);
    unpack(folder, version);
  });
}

function newestPackage(): string | undefined {
  const found = metaPackages.map((meta) => shell(`apt-cache depends "$1" 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }' || true`, meta)).filter((name) => name.startsWith("linux-image-"));
  return found.sort(new Intl.Collator("en", { numeric: true }).compare).at(-1);
}

/**
 * The tree is usr-merged: a real directory /lib above the host's would hide its symlink /lib -> usr/lib, and nothing would
 * run any more. Modules are stored uncompressed, since they would be uncompressed by an emulated processor.
 */
function unpack(folder: string, version: string): void {
  shell(`cd "$1"; shift; mkdir -p deb/x tree/usr/lib
    dpkg-deb --fsys-tarfile deb/*.deb | tar -x -C deb/x --wildcards "$@" 2>deb/not-there || true
    mv deb/x/lib/modules tree/usr/lib/modules || mv deb/x/usr/lib/modules tree/usr/lib/modules
    find tree -name '*.ko.xz' -print0 | xargs -0 -r xz -d`, folder, ...kept.map((path) => `./${path}`));
  const boot = join(folder, "deb/x/boot");
  depmod(join(folder, "tree"), version, join(boot, `System.map-${version}`));
  writeFileSync(join(folder, "vmlinux"), uncompressed(readFileSync(join(boot, `vmlinuz-${version}`))));
  // Wanted again when modules are added.
  shell(`mv "$1/deb/x/boot/System.map-$2" "$1/System.map"; rm -r "$1/deb"`, folder, version);
}

/** Writes modules.dep and its kin; depmod wants a /lib in its tree. */
export function depmod(tree: string, version: string, systemMap: string): void {
  const base = shell("mktemp -d");
  symlinkSync(join(tree, "usr/lib"), join(base, "lib"));
  shell(`depmod -b "$1" -F "$2" "$3"; rm -r "$1"`, base, systemMap, version);
}

/** The ELF image inside a bzImage: started directly it saves the seconds that unpacking takes under emulation. */
function uncompressed(image: Buffer): Buffer {
  const setupSectors = image[0x1f1] === 0 ? 4 : image[0x1f1]!, start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  // The last four bytes are the length of what was compressed.
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c) - 4);
  const format = formats.find(({ magic }) => payload.readUInt32BE() === magic);
  if (format === undefined) throw new Unavailable("the kernel is compressed in a way that is not known here");
  return execFileSync(format.program, format.args, { input: payload, maxBuffer: 1 << 28 });
}
const formats = [
  { magic: 0x28b52ffd, program: "zstd", args: ["-dcq"] },
  { magic: 0xfd377a58, program: "xz", args: ["-dcq", "--single-stream"] },
] as const;
