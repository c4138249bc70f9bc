import { InvalidArgument, type HostConfig, type MountPoint } from "../../core/index.js";
import type { SpecMount } from "./model.js";

export const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

/** The mounts every container starts from: proc, dev, sys and their kin. */
export function baseMounts(options: { cgroupVersion: 1 | 2; privateCgroupns: boolean; privileged: boolean; shmSize: number; ipc: string; shmPath?: string; hostNetwork: boolean }): SpecMount[] {
  const rw = options.privileged ? [] : ["ro"];
  const sysfs: SpecMount = options.hostNetwork && !options.privileged
    ? { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"] }
    : { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", ...rw] };
  const shm: SpecMount = options.ipc === "host"
    ? { destination: "/dev/shm", type: "bind", source: "/dev/shm", options: ["rbind", "rprivate"] }
    : options.shmPath !== undefined
      ? { destination: "/dev/shm", type: "bind", source: options.shmPath, options: ["rbind", "nosuid", "noexec", "nodev", "rprivate"] }
      : { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777", `size=${options.shmSize}`] };
  return [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
    sysfs,
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...rw, "nosuid", "noexec", "nodev"] },
    ...(options.ipc !== "host" ? [{ destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] }] : []),
    ...(options.ipc === "none" ? [] : [shm]),
  ];
}

const PROPAGATIONS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);

/** What `--mount` says of mounts below the one that it makes. */
type BindOptions = NonNullable<NonNullable<HostConfig["Mounts"]>[number]["BindOptions"]>;

/** A bind or volume mount of the container. `Mode` words: ro, rw, nocopy, z, Z, propagation. `deep`: what is mounted below can be read-only as well, and is unless that is not wanted; crun cannot say so of a file. */
export function bindMount(point: MountPoint, { NonRecursive: nonRecursive = false, ReadOnlyNonRecursive, ReadOnlyForceRecursive }: BindOptions = {}, deep = false, file = false): SpecMount {
  if (ReadOnlyNonRecursive && ReadOnlyForceRecursive) throw new InvalidArgument(`mount of ${point.Destination}: ReadOnlyNonRecursive and ReadOnlyForceRecursive do not go together`);
  if (ReadOnlyForceRecursive && !point.RW && !deep) throw new InvalidArgument(`mount of ${point.Destination}: ReadOnlyForceRecursive needs Linux 5.12 and a runtime that knows "rro"`);
  const propagation = point.Propagation || "rprivate";
  if (!PROPAGATIONS.has(propagation)) throw new InvalidArgument(`invalid propagation mode: ${propagation}`);
  // crun takes a recursive propagation for a recursive bind; without mounts below both are the same.
  return { destination: point.Destination, type: "bind", source: point.Source, options: [nonRecursive ? "bind" : "rbind", point.RW ? "rw" : deep && !file && !ReadOnlyNonRecursive ? "rro" : "ro", nonRecursive ? propagation.replace(/^r/, "") : propagation] };
}

/** `--tmpfs /path:options`; options default to Docker's, the mode to that of the directory beneath. */
export function tmpfsMount(destination: string, options: string, mode?: number): SpecMount {
  const asked = options.split(",").map((o) => o.trim()).filter(Boolean);
  for (const o of asked) {
    const [key] = o.split("=", 1) as [string];
    if (!TMPFS_OPTIONS.has(key)) throw new InvalidArgument(`invalid tmpfs option ["${o}"]`);
  }
  const flags = new Map<string, string>(["noexec", "nosuid", "nodev"].map((off) => [off, off]));
  for (const o of asked) {
    const off = o === "exec" || o === "suid" || o === "dev" ? `no${o}` : undefined;
    if (off !== undefined) flags.delete(off);
    else flags.set(o.split("=", 1)[0]!, o);
  }
  if (mode !== undefined && !flags.has("mode")) flags.set("mode", `mode=${mode.toString(8)}`);
  return { destination, type: "tmpfs", source: "tmpfs", options: [...flags.values()] };
}
const TMPFS_OPTIONS = new Set([
  "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync", "async", "dirsync",
  "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "private", "rprivate", "shared", "rshared", "slave", "rslave",
  "unbindable", "runbindable", "relatime", "norelatime", "strictatime", "nostrictatime", "huge",
]);

/** tmpfs of a `--mount type=tmpfs` entry. */
export function tmpfsOfMountSpec(mount: NonNullable<HostConfig["Mounts"]>[number], mode?: number): SpecMount {
  const words: string[] = [];
  if (mount.ReadOnly) words.push("ro");
  if (mount.TmpfsOptions?.SizeBytes) words.push(`size=${mount.TmpfsOptions.SizeBytes}`);
  if (mount.TmpfsOptions?.Mode) words.push(`mode=${mount.TmpfsOptions.Mode.toString(8)}`);
  for (const option of mount.TmpfsOptions?.Options ?? []) words.push(option.join("="));
  return tmpfsMount(mount.Target, words.join(","), mode);
}

/** Outer mount points before those inside them. */
export function inMountOrder(mounts: readonly SpecMount[]): SpecMount[] {
  const depth = (m: SpecMount): number => m.destination.split("/").filter(Boolean).length;
  return mounts.map((m, i) => ({ m, i })).sort((a, b) => depth(a.m) - depth(b.m) || a.i - b.i).map(({ m }) => m);
}
