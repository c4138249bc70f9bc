import { accessSync, constants } from "node:fs";
import { errnoOf, InvalidArgument } from "../core/errors.js";
import type { Mount, MountPlan } from "../core/storage.js";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, MNT_DETACH, mount, mountAsync, mountWithConfig, MS, statx, umount, umountAsync } from "./libc.js";
import { run } from "./spawn.js";

const EVERY_CODE = Array.from({ length: 256 }, (_, code) => code);
const UMOUNT_NOFOLLOW = 8;
/** mount(2) takes its options in one page, the NUL included. */
const PAGE = 4096;

const FLAGS: Readonly<Record<string, number>> = {
  ro: MS.RDONLY, nosuid: MS.NOSUID, nodev: MS.NODEV, noexec: MS.NOEXEC, noatime: MS.NOATIME, relatime: MS.RELATIME,
  sync: MS.SYNCHRONOUS, dirsync: MS.DIRSYNC, nodiratime: MS.NODIRATIME, strictatime: MS.STRICTATIME,
  bind: MS.BIND, rbind: MS.BIND | MS.REC, remount: MS.REMOUNT, rec: MS.REC,
  private: MS.PRIVATE, rprivate: MS.PRIVATE | MS.REC, slave: MS.SLAVE, rslave: MS.SLAVE | MS.REC, shared: MS.SHARED, rshared: MS.SHARED | MS.REC,
};
/** MOUNT_ATTR_* of fsmount(2). */
const ATTRIBUTES: Readonly<Record<string, number>> = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 0x10, relatime: 0 };

/** Mounts in order; when one fails, those made before it are undone. */
export async function mountPlan(plan: MountPlan): Promise<void> {
  let done = 0;
  try {
    for (const one of plan.mounts) {
      if (one.helper) await mountByHelper(one, one.helper, plan.target);
      else if (one.type === "zfs" || (one.source.startsWith("/dev/") && one.type !== "bind" && !one.options.includes("rbind") && !one.options.includes("bind"))) await mountDevice(one, plan.target);
      else mountOne(one, plan.target);
      done++;
    }
  } catch (error) {
    for (; done > 0; done--) unmountSync(plan.target);
    throw error;
  }
}

async function mountByHelper({ options }: Mount, { path, env }: NonNullable<Mount["helper"]>, target: string): Promise<void> {
  const text = options.map((option) => (typeof option === "string" ? option : option.join("="))).join(",");
  const { code, stderr } = await run(path, [...(text === "" ? [] : ["-o", text]), target], { env: { ...process.env, ...env }, allow: EVERY_CODE });
  // The last line is why; those before it are what did not matter.
  if (code !== 0) throw new Error(stderr.trim().split("\n").at(-1) || `${path}: exit status ${code}`);
}

/** On the thread pool: a file system on a device may have a journal to replay first. */
function mountDevice({ type, source, options }: Mount, target: string): Promise<void> {
  const { flags, data } = parted(options);
  return mountAsync(source, target, type, flags, data.map((option) => (typeof option === "string" ? option : option.join("="))).join(","));
}

/** Options as mount(2) has them: flags by name, the rest as they are. */
function parted(options: Mount["options"]): { flags: number; data: Mount["options"] } {
  const flags = options.reduce((sum, option) => sum | (typeof option === "string" ? (FLAGS[option] ?? 0) : 0), 0);
  return { flags, data: options.filter((option) => typeof option !== "string" || FLAGS[option] === undefined) };
}

/**
 * One mount. A bind with `ro` takes the two steps that Linux wants. Repeated keys (`lowerdir+`) and options beyond a
 * page go through fsconfig(2). ENOSPC when an overlay finds no room to work in: the kernel would leave it read-only.
 */
export function mountOne(one: Mount, target: string): void {
  attach(one, target);
  if (one.type !== "overlay" || !one.options.some((option) => typeof option !== "string" && option[0] === "upperdir") || one.options.includes("ro") || !isReadOnly(target)) return;
  unmountSync(target);
  throw Object.assign(new Error(`ENOSPC: no space left on device, mount '${target}': there is no room for the work of an overlay`), { code: "ENOSPC", syscall: "mount", path: target });
}

function isReadOnly(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return false;
  } catch (e) {
    return errnoOf(e) === "EROFS";
  }
}

function attach({ type, source, options }: Mount, target: string): void {
  const { flags: known, data } = parted(options);
  if (type === "bind" || known & MS.BIND) {
    mount(source, target, null, MS.BIND | (known & MS.REC));
    const rest = known & ~(MS.BIND | MS.REC);
    if (rest === 0) return;
    try { mount("none", target, null, MS.REMOUNT | MS.BIND | rest); }
    catch (error) { unmountSync(target); throw error; }
    return;
  }
  const text = data.map((option) => (typeof option === "string" ? option : option.join("="))).join(",");
  if (!data.some((option) => typeof option !== "string" && option[0].endsWith("+")) && Buffer.byteLength(text) < PAGE) {
    return mount(source, target, type, known, text);
  }
  const flags = options.filter((option): option is string => typeof option === "string");
  const refused = flags.find((flag) => FLAGS[flag] !== undefined && ATTRIBUTES[flag] === undefined);
  if (refused !== undefined) throw new InvalidArgument(`mount flag ${refused} does not go with a ${type} mount`);
  mountWithConfig(type, source, target, data, flags.reduce((sum, flag) => sum | (ATTRIBUTES[flag] ?? 0), 0));
}

/**
 * Takes the topmost mount off; false when nothing was mounted there, or nothing is there at all. In use: it is taken
 * out of sight and goes with its last user. On the thread pool: an overlay's unmount writes its upper file system out.
 */
export async function unmount(target: string): Promise<boolean> {
  try { await umountAsync(target, UMOUNT_NOFOLLOW); return true; }
  catch (error) {
    if (!inUse(error)) return false;
    await umountAsync(target, UMOUNT_NOFOLLOW | MNT_DETACH);
    return true;
  }
}
/** Takes every mount off a target. */
export async function unmountAll(target: string): Promise<void> { while (mayBeMounted(target) && await unmount(target)); }

const AT_STATX_DONT_SYNC = 0x4000, STATX_ATTR_MOUNT_ROOT = 0x2000;
/** False when certainly nothing is mounted there: far cheaper to ask than an unmount that fails. Asks no server of a file system. Linux 5.8. */
function mayBeMounted(target: string): boolean {
  const found = Buffer.alloc(256);
  try { if (!statx(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, 0, found)) return false; }
  catch (error) { return errnoOf(error) !== "ENOTDIR"; }
  const tells = found.readUInt32LE(56) & STATX_ATTR_MOUNT_ROOT;
  return tells === 0 || (found.readUInt32LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0;
}

/** The same at once, for small mounts. */
export function unmountSync(target: string): boolean {
  try { umount(target, UMOUNT_NOFOLLOW); return true; }
  catch (error) {
    if (!inUse(error)) return false;
    umount(target, UMOUNT_NOFOLLOW | MNT_DETACH);
    return true;
  }
}

/** True for EBUSY, false for "no mount there"; anything else is thrown. */
function inUse(error: unknown): boolean {
  const code = errnoOf(error);
  if (code === "EBUSY") return true;
  if (code === "EINVAL" || code === "ENOENT" || code === "ENOTDIR") return false;
  throw error;
}
