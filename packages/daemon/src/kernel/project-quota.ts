import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, messageOf, Unavailable } from "../core/errors.js";
import { cPath } from "./byte-path.js";
import { DT, readDirectory, withFd } from "./directory.js";
import { AT_FDCWD, close, ioctl, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, openat, openStraight, quotactl } from "./libc.js";
import { mountOf } from "./mount-table.js";

const FS_IOC_FSGETXATTR = 0x801c581f, FS_IOC_FSSETXATTR = 0x401c5820;
/** struct fsxattr (linux/fs.h): flags, then the project's number at 12. */
const FSXATTR_SIZE = 28, PROJECT_AT = 12, PROJINHERIT = 0x200;

const PRJQUOTA = 2;
const command = (number: number): number => ((number << 8) | PRJQUOTA) >>> 0;
const Q_GETQUOTA = command(0x800007), Q_SETQUOTA = command(0x800008), Q_XGETQSTATV = command(0x5808);
/** struct if_dqblk (linux/quota.h). Limits count kilobytes, use counts bytes. */
const DQBLK = { size: 72, hard: 0, soft: 8, used: 16, inodes: 40, valid: 64 } as const;
const QIF_BLIMITS = 1;
/** struct fs_quota_statv (linux/dqblk_xfs.h): version at 0, flags at 2. */
const STATV_SIZE = 160, PROJECTS_COUNTED = 1 << 4, PROJECTS_LIMITED = 1 << 5;

/** Our projects are numbered from here, away from what people number by hand and other engines from 1. */
const FIRST = 0x53540000, COUNT = 0x100000;

export type ProjectQuotaProbe = { readonly ok: true; readonly quotas: ProjectQuotas } | { readonly ok: false; readonly reason: string };

/** Proves on a directory of its own that directories below `directory` (made if missing) can be held to a size, or says why not. */
export function probeProjectQuotas(directory: string): ProjectQuotaProbe {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const mount = mountOf(directory);
  const type = mount?.type ?? "unknown";
  const at = `${type} at ${mount?.target ?? directory}`;
  const quotas = new ProjectQuotas(directory);
  try {
    const state = quotas.state();
    if (state === "none" && type !== "xfs" && type !== "ext4") return { ok: false, reason: `the file system (${at}) has no project quotas; xfs and ext4 have them` };
    if (state !== "limited") {
      return { ok: false, reason: type === "xfs" ? `${at} is mounted without pquota` : `${at} is mounted without prjquota, or was made without them (tune2fs -O project,quota while it is not mounted)` };
    }
    if (projectOf(directory).inherited) return { ok: false, reason: `${directory} belongs to a project of its own already, and what is moved between projects would have to be copied` };
    const scratch = mkdtempSync(join(directory, "quota-"));
    try {
      quotas.limit([scratch], 1 << 20);
      if (quotas.limitOf(scratch) !== 1 << 20) return { ok: false, reason: `${at} does not keep the limit of a project` };
    } finally {
      quotas.release(scratch);
      rmSync(scratch, { recursive: true, force: true });
    }
    return { ok: true, quotas };
  } catch (error) {
    return { ok: false, reason: `project quotas on ${at} do not work: ${messageOf(error)}` };
  }
}

/**
 * Limits on directories by project quotas (xfs, ext4). A project is a number that the inodes below a directory carry,
 * and the kernel's record of that number says what they take and may take. That record is also how a number is found
 * to be free: it is as long as anything on the file system carries it, whoever made that and however long ago.
 */
export class ProjectQuotas {
  private next = FIRST;
  /** Path of the block device, for kernels without quotactl_fd(2). */
  private readonly device: string | undefined;

  /** `directory`: any on the file system. */
  constructor(private readonly directory: string) {
    this.device = this.hasDescriptorCall() ? undefined : mountOf(directory)?.source;
  }

  /** `none`: the file system, or this mount of it, knows no projects; `counted` but not limited: mounted without the option. */
  state(): "none" | "counted" | "limited" {
    const data = Buffer.alloc(STATV_SIZE);
    data[0] = 1;
    try { this.call(Q_XGETQSTATV, 0, data); }
    catch (error) {
      if (["ENOSYS", "ESRCH", "EINVAL", "ENOTBLK", "ENODEV", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) return "none";
      throw error;
    }
    const flags = data.readUInt16LE(2);
    return (flags & PROJECTS_LIMITED) !== 0 ? "limited" : (flags & PROJECTS_COUNTED) !== 0 ? "counted" : "none";
  }

  /** Holds new, empty directories (together) to `bytes`. Renames between them work. */
  limit(directories: readonly string[], bytes: number): void {
    const [first, ...rest] = directories;
    const id = this.projectFor(first!);
    for (const directory of rest) setProject(directory, id);
    this.setLimit(id, bytes);
  }

  /** A directory's own project; of what is made in it from now on, too. A new one where it has none of ours. */
  projectFor(directory: string): number {
    const own = projectOf(directory);
    return isOurs(own) ? own.id : this.claim(directory);
  }

  /** Most bytes that a directory may hold; undefined when it has no limit of ours. */
  limitOf(directory: string): number | undefined {
    const own = projectOf(directory);
    const limit = isOurs(own) ? this.record(own.id).hard : 0;
    return limit === 0 ? undefined : limit;
  }

  /** Lifts the limit: the directory is about to go, and with its last file the number is free. Absent is success. */
  release(directory: string): void {
    let own: Project;
    try { own = projectOf(directory); }
    catch (error) { if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return; throw error; }
    if (isOurs(own)) this.setLimit(own.id, 0);
  }

  /** Gives a directory a number that nothing else has. */
  private claim(directory: string): number {
    for (let tried = 0; tried < COUNT; tried++) {
      const id = this.next;
      this.next = id + 1 === FIRST + COUNT ? FIRST : id + 1;
      const { used, inodes } = this.record(id);
      if (used > 0 || inodes > 0) continue;
      setProject(directory, id);
      // Another daemon on this disk may have come upon it at the same moment.
      if (this.record(id).inodes === 1) return id;
    }
    throw new Unavailable(`all ${COUNT} project numbers of ${this.directory} are in use`);
  }

  private record(id: number): { hard: number; used: number; inodes: number } {
    const data = Buffer.alloc(DQBLK.size);
    try { this.call(Q_GETQUOTA, id, data); }
    catch (error) { if (errnoOf(error) === "ENOENT") return { hard: 0, used: 0, inodes: 0 }; throw error; }
    const at = (offset: number): number => Number(data.readBigUInt64LE(offset));
    return { hard: at(DQBLK.hard) * 1024, used: at(DQBLK.used), inodes: at(DQBLK.inodes) };
  }

  /** 0: no limit. */
  setLimit(id: number, bytes: number): void {
    const data = Buffer.alloc(DQBLK.size);
    data.writeBigUInt64LE(BigInt(Math.ceil(bytes / 1024)), DQBLK.hard);
    data.writeUInt32LE(QIF_BLIMITS, DQBLK.valid);
    this.call(Q_SETQUOTA, id, data);
  }

  private call(what: number, id: number, data: Buffer): void {
    withFd(openat(AT_FDCWD, this.directory, O_RDONLY | O_DIRECTORY), (fd) => quotactl(fd, what, id, data, this.device));
  }
  private hasDescriptorCall(): boolean {
    try { withFd(openat(AT_FDCWD, this.directory, O_RDONLY | O_DIRECTORY), (fd) => quotactl(fd, Q_GETQUOTA, 0, Buffer.alloc(DQBLK.size))); return true; }
    catch (error) { return errnoOf(error) !== "ENOSYS" || mountOf(this.directory)?.source.startsWith("/") !== true; }
  }
}

interface Project { readonly id: number; readonly inherited: boolean }
const isOurs = ({ id, inherited }: Project): boolean => inherited && id >= FIRST && id < FIRST + COUNT;

/** The project of a directory, and whether what is made in it gets the same. Number 0 where the file system has none. */
function projectOf(directory: string): Project {
  return withFd(openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (fd) => {
    const data = Buffer.alloc(FSXATTR_SIZE);
    try { ioctl(fd, FS_IOC_FSGETXATTR, data); }
    catch (error) { if (errnoOf(error) === "ENOTTY" || errnoOf(error) === "EOPNOTSUPP") return { id: 0, inherited: false }; throw error; }
    return { id: data.readUInt32LE(PROJECT_AT), inherited: (data.readUInt32LE(0) & PROJINHERIT) !== 0 };
  });
}
function setProject(directory: string, id: number): void {
  withFd(openat(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (fd) => assign(fd, id, true));
}
function assign(fd: number, id: number, inherited: boolean): void {
  const data = Buffer.alloc(FSXATTR_SIZE);
  ioctl(fd, FS_IOC_FSGETXATTR, data);
  if (inherited) data.writeUInt32LE((data.readUInt32LE(0) | PROJINHERIT) >>> 0, 0);
  data.writeUInt32LE(id, PROJECT_AT);
  ioctl(fd, FS_IOC_FSSETXATTR, data);
}

/** Makes everything below a directory, whose own project it is, part of that; what cannot be opened (symlinks, sockets) takes next to nothing, and stays out. */
export function* assignProject({ path, id }: { readonly path: string; readonly id: number }): Generator<undefined, void> {
  const buffer = Buffer.allocUnsafeSlow(65536);
  let seen = 0;
  function* walk(dir: number): Generator<undefined, void> {
    for (const { name, type } of readDirectory(dir, buffer)) {
      if (++seen % 512 === 0) yield undefined;
      if (type !== DT.dir && type !== DT.file) continue;
      let fd: number;
      try { fd = openStraight(dir, cPath(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK); }
      catch (error) {
        // Gone or replaced meanwhile, or another file system.
        if (["ENOENT", "ENOTDIR", "ELOOP", "EXDEV", "ENXIO"].includes(errnoOf(error) ?? "")) continue;
        throw error;
      }
      try {
        assign(fd, id, type === DT.dir);
        if (type === DT.dir) yield* walk(fd);
      } finally { close(fd); }
    }
  }
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try { yield* walk(fd); } finally { close(fd); }
}
