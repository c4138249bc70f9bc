import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Disk } from "./guest.js";
import type { World } from "./power-cuts.js";

export const checkout = resolve(__dirname, "../../..");
const storage = join(checkout, "packages/daemon/dist/drivers/storage");

/** Test files that run in a guest of their own, on what `prepare` makes of its disks. */
export interface Suite {
  readonly name: string;
  /** Programs of this machine that it cannot do without. */
  readonly programs: readonly string[];
  readonly disks: readonly Disk[];
  /** Wants OpenZFS. */
  readonly zfs?: boolean;
  /** Shell: the file system that data roots are made on comes to /d. What it exports is the tests'. */
  readonly prepare: string;
  /** Compiled test files; none where the driver is not there. */
  readonly files: readonly string[];
}

const on = (fileSystem: string, options = ""): string => `${fileSystem} /dev/vda; mkdir /d; mount ${options} /dev/vda /d`;

/** Whole disks are not partitioned by ZFS here: without udev the partition's link never comes. */
const partition = (disk: string): string => String.raw`printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\0\360\0' | dd of=${disk} bs=1 seek=446 status=none; printf '\125\252' | dd of=${disk} bs=1 seek=510 status=none; blockdev --rereadpt ${disk}`;

/** The rest of overlay2 runs on the host. */
const isQuota = (name: string): boolean => name.startsWith("quota");

export const suites: readonly Suite[] = [
  {
    name: "zfs on OpenZFS", programs: [], zfs: true, disks: [{ size: "8G" }, { size: "8G" }],
    prepare: `${on("mkfs.ext4 -q")}; modprobe zfs; ${partition("/dev/vdb")}; zpool create -f -O atime=off -m /pool strata /dev/vdb1; zfs create strata/here; export STRATA_TEST_ZPOOL=strata/here`, files: testsIn("zfs"),
  },
  {
    name: "devicemapper, loop-lvm", programs: ["dmsetup", "mkfs.xfs", "thin_check"], disks: [{ size: "24G" }], prepare: `modprobe dm-thin-pool; ${on("mkfs.ext4 -q")}`,
    files: testsIn("devicemapper", (name) => !name.startsWith("direct-lvm")),
  },
  {
    name: "devicemapper, direct-lvm", programs: ["dmsetup", "lvcreate", "thin_check"], disks: [{ size: "8G" }, { size: "24G" }],
    prepare: `modprobe dm-thin-pool; ${on("mkfs.ext4 -q")}; export STRATA_TEST_LVM_DISK=/dev/vdb`, files: testsIn("devicemapper", (name) => name.startsWith("direct-lvm")),
  },
  { name: "overlay2 with limits on xfs", programs: ["mkfs.xfs"], disks: [{ size: "8G" }], prepare: on("mkfs.xfs -q -n ftype=1", "-o pquota"), files: testsIn("overlay2", isQuota) },
  { name: "overlay2 with limits on ext4", programs: ["mkfs.ext4"], disks: [{ size: "8G" }], prepare: on("mkfs.ext4 -q -O project,quota", "-o prjquota"), files: testsIn("overlay2", isQuota) },
  {
    name: "containers on cgroup v2", programs: ["docker", "crun", "runc", "conmon", "nft"], disks: [{ size: "8G" }], prepare: on("mkfs.ext4 -q"),
    files: [join(checkout, "test/dist/integration/cgroup-v2.test.js")],
  },
];

/** Data roots that power is cut from. `needs`: a program without which there is none of it. */
export const worlds: readonly (World & { readonly folder: string; readonly needs: string })[] = [
  { name: "erofs on ext4", driver: "erofs", folder: "erofs", needs: "mkfs.ext4", make: "mkfs.ext4 -q $disk", mount: "mount $disk $place" },
  { name: "overlay2 on ext4", driver: "overlay2", folder: "overlay2", needs: "mkfs.ext4", make: "mkfs.ext4 -q $disk", mount: "mount $disk $place" },
  { name: "overlay2 on xfs", driver: "overlay2", folder: "overlay2", needs: "mkfs.xfs", make: "mkfs.xfs -q $disk", mount: "mount $disk $place" },
  {
    name: "devicemapper", driver: "devicemapper", folder: "devicemapper", needs: "dmsetup", options: ["dm.loopdatasize=3G", "dm.loopmetadatasize=16M", "dm.basesize=512M", "dm.min_free_space=1%"],
    make: "mkfs.ext4 -q $disk", mount: "modprobe dm-thin-pool; mount $disk $place",
  },
];

/** A driver of this folder was built. */
export function isBuilt(folder: string): boolean { return existsSync(join(storage, folder)); }

function testsIn(folder: string, which: (name: string) => boolean = () => true): string[] {
  if (!isBuilt(folder)) return [];
  return readdirSync(join(storage, folder)).filter((name) => name.endsWith(".test.js") && which(name)).map((name) => join(storage, folder, name));
}
