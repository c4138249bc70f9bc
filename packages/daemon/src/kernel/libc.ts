/**
 * The FFI file (with posix-spawn.ts): Linux system calls that Node has no API for. Nothing here keeps state.
 * Every function throws an Error with Node's fields (`code`, `errno`, `syscall`, `path`) when the call fails.
 * Usable from worker threads.
 */
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import koffi from "koffi";
import { callOnPool } from "./pool-calls.js";

const lib = koffi.load("libc.so.6");
const names = new Map<number, string>(Object.entries(constants.errno).map(([name, n]) => [n, name]));
const texts = getSystemErrorMap();

/** A path for the kernel: text (taken as UTF-8), or raw bytes that end in NUL (see byte-path.ts). */
export type CPath = string | Uint8Array;

export function failWith(errno: number, syscall: string, path?: CPath): never {
  const code = names.get(errno) ?? `E${errno}`;
  const text = texts.get(-errno)?.[1] ?? "system call failed";
  const shown = path === undefined || typeof path === "string" ? path : Buffer.from(path).toString("utf8", 0, path.length - 1);
  const error = new Error(`${code}: ${text}, ${syscall}${shown === undefined ? "" : ` '${shown}'`}`) as NodeJS.ErrnoException;
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  if (shown !== undefined) error.path = shown;
  throw error;
}
function fail(syscall: string, path?: CPath): never { return failWith(koffi.errno(), syscall, path); }
const check = (result: number, syscall: string, path?: CPath): number => (result < 0 ? fail(syscall, path) : result);

export const AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_EMPTY_PATH = 0x1000;
export const O_PATH = 0o10000000, O_CLOEXEC = 0o2000000, O_NOFOLLOW = 0o400000, O_DIRECTORY = 0o200000;
export const O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_TRUNC = 0o1000, O_CREAT = 0o100, O_EXCL = 0o200, O_NONBLOCK = 0o4000;

export const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, REMOUNT: 32, NOATIME: 1024, BIND: 4096, MOVE: 8192, REC: 16384, UNBINDABLE: 1 << 17, PRIVATE: 1 << 18, SLAVE: 1 << 19, SHARED: 1 << 20, RELATIME: 1 << 21, SYNCHRONOUS: 16, DIRSYNC: 128, NODIRATIME: 2048, STRICTATIME: 1 << 24 } as const;
export const MNT_DETACH = 2;

const c = {
  mount: lib.func("int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)"),
  umount2: lib.func("int umount2(const char *target, int flags)"),
  openat: lib.func("int openat(int dir, const char *path, int flags, unsigned int mode)"),
  close: lib.func("int close(int fd)"),
  mkdirat: lib.func("int mkdirat(int dir, const char *path, unsigned int mode)"),
  mknodat: lib.func("int mknodat(int dir, const char *path, unsigned int mode, unsigned long dev)"),
  symlinkat: lib.func("int symlinkat(const char *target, int dir, const char *path)"),
  linkat: lib.func("int linkat(int fromDir, const char *from, int toDir, const char *to, int flags)"),
  unlinkat: lib.func("int unlinkat(int dir, const char *path, int flags)"),
  fchownat: lib.func("int fchownat(int dir, const char *path, unsigned int uid, unsigned int gid, int flags)"),
  fchmodat: lib.func("int fchmodat(int dir, const char *path, unsigned int mode, int flags)"),
  utimensat: lib.func("int utimensat(int dir, const char *path, const int64_t *times, int flags)"),
  renameat: lib.func("int renameat(int fromDir, const char *from, int toDir, const char *to)"),
  readlinkat: lib.func("long readlinkat(int dir, const char *path, uint8_t *target, size_t size)"),
  fchown: lib.func("int fchown(int fd, unsigned int uid, unsigned int gid)"),
  fchmod: lib.func("int fchmod(int fd, unsigned int mode)"),
  ftruncate: lib.func("int ftruncate(int fd, long length)"),
  lseek: lib.func("long lseek(int fd, long offset, int whence)"),
  statx: lib.func("int statx(int dir, const char *path, int flags, unsigned int mask, uint8_t *result)"),
  getdents64: lib.func("long getdents64(int fd, uint8_t *entries, size_t size)"),
  fsetxattr: lib.func("int fsetxattr(int fd, const char *name, const uint8_t *value, size_t size, int flags)"),
  syncFileRange: lib.func("int sync_file_range(int fd, int64_t offset, int64_t n, unsigned int flags)"),
  copyFileRange: lib.func("long copy_file_range(int from, int64_t *fromOffset, int to, int64_t *toOffset, size_t n, unsigned int flags)"),
  ioctl: lib.func("int ioctl(int fd, unsigned long request, long argument)"),
  ioctlData: lib.func("int ioctl(int fd, unsigned long request, uint8_t *data)"),
  quotactl: lib.func("int quotactl(int command, const char *device, int id, uint8_t *data)"),
  quotactlFd: lib.func("syscall", "long", ["long", "uint", "uint", "uint", "uint8_t *"]),
  read: lib.func("long read(int fd, uint8_t *data, size_t n)"),
  pread: lib.func("long pread(int fd, uint8_t *data, size_t n, long offset)"),
  pwrite: lib.func("long pwrite(int fd, const uint8_t *data, size_t n, long offset)"),
  futimens: lib.func("int futimens(int fd, const int64_t *times)"),
  write: lib.func("long write(int fd, const uint8_t *data, size_t n)"),
  lsetxattr: lib.func("int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)"),
  lgetxattr: lib.func("long lgetxattr(const char *path, const char *name, _Out_ uint8_t *value, size_t size)"),
  llistxattr: lib.func("long llistxattr(const char *path, _Out_ uint8_t *list, size_t size)"),
  lremovexattr: lib.func("int lremovexattr(const char *path, const char *name)"),
  syncfs: lib.func("int syncfs(int fd)"),
  schedSetattr: lib.func("syscall", "long", ["long", "int", "const uint8_t *", "uint"]),
  flock: lib.func("int flock(int fd, int operation)"),
  mkfifo: lib.func("int mkfifo(const char *path, unsigned int mode)"),
  fcntl: lib.func("int fcntl(int fd, int command, long argument)"),
  pipe2: lib.func("int pipe2(_Out_ int *ends, int flags)"),
  tee: lib.func("long tee(int from, int to, size_t n, unsigned int flags)"),
  unshare: lib.func("int unshare(int flags)"),
  setns: lib.func("int setns(int fd, int type)"),
  socket: lib.func("int socket(int domain, int type, int protocol)"),
  connect: lib.func("int connect(int fd, const uint8_t *address, unsigned int size)"),
  send: lib.func("long send(int fd, const uint8_t *data, size_t n, int flags)"),
  shutdown: lib.func("int shutdown(int fd, int how)"),
  setsockopt: lib.func("int setsockopt(int fd, int level, int option, const uint8_t *value, unsigned int size)"),
  bind: lib.func("int bind(int fd, const uint8_t *address, unsigned int size)"),
  recv: lib.func("long recv(int fd, _Out_ uint8_t *data, size_t n, int flags)"),
  openat2: lib.func("syscall", "long", ["long", "int", "const char *", "const uint64_t *", "size_t"]),
  pidfdOpen: lib.func("syscall", "long", ["long", "int", "uint"]),
  pidfdSendSignal: lib.func("syscall", "long", ["long", "int", "int", "void *", "uint"]),
  fsopen: lib.func("syscall", "long", ["long", "str", "uint"]),
  fsconfig: lib.func("syscall", "long", ["long", "int", "uint", "str", "str", "int"]),
  fsmount: lib.func("syscall", "long", ["long", "int", "uint", "uint"]),
  moveMount: lib.func("syscall", "long", ["long", "int", "str", "int", "str", "uint"]),
  openTree: lib.func("syscall", "long", ["long", "int", "str", "uint"]),
};

export function mount(source: string, target: string, type: string | null, flags: number, data: string | null = null): void {
  check(c.mount(source, target, type, flags, data), "mount", target);
}
/** mount(2) on the thread pool. */
export async function mountAsync(source: string, target: string, type: string, flags: number, data: string): Promise<void> {
  // What failed fails again at once, and here it says why.
  if (await callOnPool(c.mount, source, target, type, flags, data) < 0) mount(source, target, type, flags, data);
}
export function umount(target: string, flags = 0): void {
  check(c.umount2(target, flags), "umount2", target);
}

/** umount2(2) on the thread pool: unmounting an overlay writes its upper file system out. */
export async function umountAsync(target: string, flags = 0): Promise<void> {
  if (await callOnPool(c.umount2, target, flags) < 0) umount(target, flags);
}

/** ioctl(2) on the thread pool, for those that wait for a disk; `data` is as the kernel left it. */
export async function ioctlAsync(fd: number, request: number, data: Uint8Array, name = "ioctl"): Promise<void> {
  const given = Uint8Array.from(data);
  if (await callOnPool(c.ioctlData, fd, request, data) >= 0) return;
  data.set(given);
  ioctl(fd, request, data, name);
}

/** Opens below a directory. Plain openat(2); for untrusted paths use openInRoot. */
export function openat(dir: number, path: CPath, flags: number, mode = 0): number {
  return check(c.openat(dir, path, flags | O_CLOEXEC, mode), "openat", path);
}
const RESOLVE_NO_XDEV = 0x01n, RESOLVE_NO_MAGICLINKS = 0x02n, RESOLVE_NO_SYMLINKS = 0x04n, RESOLVE_IN_ROOT = 0x10n;
const PATIENCE = 128;
function openat2(root: number, path: CPath, flags: number, mode: number, resolve: bigint): number {
  const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), BigInt(mode), resolve]);
  for (let attempt = 0; ; attempt++) {
    const fd = Number(c.openat2(437, root, path, how, 24));
    if (fd >= 0) return fd;
    // Some rename or mount anywhere crossed a `..` on the way: the kernel asks to try again.
    if (koffi.errno() !== constants.errno.EAGAIN || attempt === PATIENCE) return fail("openat2", path);
  }
}
/** openat2(2) with RESOLVE_IN_ROOT: symlinks and `..` cannot leave `root`. Linux 5.6. */
export function openInRoot(root: number, path: CPath, flags: number, mode = 0): number {
  return openat2(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}
/** The same, but any symlink on the way is ELOOP and any mount (unless it is to be `crossed`) EXDEV: what is opened lies at just this path. */
export function openStraight(root: number, path: CPath, flags: number, mode = 0, crossed = false): number {
  return openat2(root, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | (crossed ? 0n : RESOLVE_NO_XDEV));
}
export function close(fd: number): void { check(c.close(fd), "close"); }
export function mkdirat(dir: number, path: CPath, mode: number): void { check(c.mkdirat(dir, path, mode), "mkdirat", path); }
/** `mode` with type bits; `dev` as makedev gives it. */
export function mknodat(dir: number, path: CPath, mode: number, dev: number): void { check(c.mknodat(dir, path, mode, dev), "mknodat", path); }
export function symlinkat(target: CPath, dir: number, path: CPath): void { check(c.symlinkat(target, dir, path), "symlinkat", path); }
export function linkat(fromDir: number, from: CPath, toDir: number, to: CPath, flags = 0): void { check(c.linkat(fromDir, from, toDir, to, flags), "linkat", to); }
export function unlinkat(dir: number, path: CPath, flags = 0): void { check(c.unlinkat(dir, path, flags), "unlinkat", path); }
export function fchownat(dir: number, path: CPath, uid: number, gid: number, flags = AT_SYMLINK_NOFOLLOW): void { check(c.fchownat(dir, path, uid, gid, flags), "fchownat", path); }
export function fchmodat(dir: number, path: CPath, mode: number): void { check(c.fchmodat(dir, path, mode, 0), "fchmodat", path); }
/** Sets access and modification time; seconds may be negative, nanoseconds 0..999999999. Does not follow symlinks. */
export function utimensat(dir: number, path: CPath, atimeSec: bigint, atimeNs: bigint, mtimeSec: bigint, mtimeNs: bigint): void {
  check(c.utimensat(dir, path, new BigInt64Array([atimeSec, atimeNs, mtimeSec, mtimeNs]), AT_SYMLINK_NOFOLLOW), "utimensat", path);
}
export function renameat(fromDir: number, from: CPath, toDir: number, to: CPath): void { check(c.renameat(fromDir, from, toDir, to), "renameat", from); }
export function readlinkat(dir: number, path: CPath): Buffer {
  const buffer = Buffer.allocUnsafe(4096);
  const n = check(Number(c.readlinkat(dir, path, buffer, buffer.length)), "readlinkat", path);
  return Buffer.from(buffer.subarray(0, n));
}
export function fchown(fd: number, uid: number, gid: number): void { check(c.fchown(fd, uid, gid), "fchown"); }
export function fchmod(fd: number, mode: number): void { check(c.fchmod(fd, mode), "fchmod"); }
/** Times of an open file, as utimensat has them. */
export function futimens(fd: number, atimeSec: bigint, atimeNs: bigint, mtimeSec: bigint, mtimeNs: bigint): void {
  check(c.futimens(fd, new BigInt64Array([atimeSec, atimeNs, mtimeSec, mtimeNs])), "futimens");
}
export function ftruncate(fd: number, length: number): void { check(c.ftruncate(fd, length), "ftruncate"); }
export const SEEK_CUR = 1, SEEK_DATA = 3, SEEK_HOLE = 4;
/** Undefined for ENXIO: no data (or hole) behind `offset`. */
export function lseek(fd: number, offset: number, whence: number): number | undefined {
  const at = Number(c.lseek(fd, offset, whence));
  return at < 0 && koffi.errno() === constants.errno.ENXIO ? undefined : check(at, "lseek");
}
/** statx(2) into a buffer of 256 bytes (stat.ts reads it); false when there is no such file. */
export function statx(dir: number, path: CPath, flags: number, mask: number, result: Uint8Array): boolean {
  if (c.statx(dir, path, flags, mask, result) >= 0) return true;
  const errno = koffi.errno();
  return errno === constants.errno.ENOENT ? false : failWith(errno, "statx", path);
}
/** Raw directory entries (linux_dirent64); 0 at the end. */
export function getdents64(fd: number, buffer: Uint8Array): number { return check(Number(c.getdents64(fd, buffer, buffer.length)), "getdents64"); }
/** One pwrite(2); may be short. */
export function pwrite(fd: number, data: Uint8Array, offset: number): number { return check(Number(c.pwrite(fd, data, data.length, offset)), "pwrite"); }
/** One pread(2); may be short; 0 at the end. */
export function pread(fd: number, into: Uint8Array, offset: number): number { return check(Number(c.pread(fd, into, into.length, offset)), "pread"); }
/** One read(2); may be short; 0 at the end. */
export function read(fd: number, into: Uint8Array): number { return check(Number(c.read(fd, into, into.length)), "read"); }
/** One copy_file_range(2) at given offsets; bytes copied, 0 at the end of `from`. */
export function copyFileRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  return check(Number(c.copyFileRange(from, new BigInt64Array([BigInt(fromOffset)]), to, new BigInt64Array([BigInt(toOffset)]), length, 0)), "copy_file_range");
}
const SYNC_FILE_RANGE_WRITE = 2;
/** Lets the kernel begin to write out what the file has in memory, so that a later sync waits less. A hint: never fails. */
export function startWriteback(fd: number): void { c.syncFileRange(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }
const FICLONE = 0x40049409;
/** Shares the extents of `from`; false where the file system cannot. */
export function cloneFile(from: number, to: number): boolean { return c.ioctl(to, FICLONE, from) === 0; }
/** ioctl(2) on a structure, which the kernel reads or fills. */
export function ioctl(fd: number, request: number, data: Uint8Array, name = "ioctl"): void { check(c.ioctlData(fd, request, data), name); }
/** quotactl(2) on the file system of an open file; `data` is read or filled. Linux 5.14; with `device` (a path) for older ones. */
export function quotactl(fd: number, command: number, id: number, data: Uint8Array, device?: string): void {
  if (device === undefined) check(Number(c.quotactlFd(443, fd, command, id, data)), "quotactl_fd");
  else check(c.quotactl(command, device, id, data), "quotactl", device);
}
/** ioctl(2) that answers with a number. */
export function ioctlNumber(fd: number, request: number, argument = 0): number { return check(c.ioctl(fd, request, argument), "ioctl"); }
/** One write(2); may be short. */
export function write(fd: number, data: Uint8Array): number { return check(Number(c.write(fd, data, data.length)), "write"); }

/** Linux's dev_t as mknod(2) takes it (glibc makedev). */
export function makedev(major: number, minor: number): number {
  return Number((BigInt(major & 0xfff) << 8n) | BigInt(minor & 0xff) | (BigInt(minor & ~0xff) << 12n) | (BigInt(major & ~0xfff) << 32n));
}

export function lsetxattr(path: CPath, name: CPath, value: Uint8Array): void { check(c.lsetxattr(path, name, value, value.length, 0), "lsetxattr", path); }
export function fsetxattr(fd: number, name: CPath, value: Uint8Array): void { check(c.fsetxattr(fd, name, value, value.length, 0), "fsetxattr"); }
export function lremovexattr(path: CPath, name: CPath): void { check(c.lremovexattr(path, name), "lremovexattr", path); }
/** Undefined when the attribute is absent or the file system has none. */
export function lgetxattr(path: CPath, name: CPath): Buffer | undefined {
  for (let room = 256; ; room *= 4) {
    const buffer = Buffer.alloc(room);
    const n = Number(c.lgetxattr(path, name, buffer, room));
    if (n >= 0) return buffer.subarray(0, n);
    const errno = koffi.errno();
    if (errno === constants.errno.ENODATA || errno === constants.errno.EOPNOTSUPP) return undefined;
    if (errno !== constants.errno.ERANGE || room > 1 << 20) fail("lgetxattr", path);
  }
}
/** Whether an attribute can be had; false when the file is gone, too. */
export function hasXattr(path: CPath, name: string): boolean { return Number(c.lgetxattr(path, name, null, 0)) >= 0; }
/** Whether attributes of this kind have a place here, on this file system. */
export function takesXattr(path: CPath, name: CPath): boolean { return Number(c.lgetxattr(path, name, null, 0)) >= 0 || koffi.errno() !== constants.errno.EOPNOTSUPP; }
/** Names as they are, bytes for bytes (latin1). */
export function llistxattr(path: CPath): string[] {
  for (let room = 1024; ; room *= 4) {
    const buffer = Buffer.alloc(room);
    const n = Number(c.llistxattr(path, buffer, room));
    if (n >= 0) return n === 0 ? [] : buffer.toString("latin1", 0, n - 1).split("\0");
    const errno = koffi.errno();
    if (errno === constants.errno.EOPNOTSUPP) return [];
    if (errno !== constants.errno.ERANGE || room > 1 << 20) fail("llistxattr", path);
  }
}

/** Flushes the file system that holds `fd`. Runs on the thread pool. */
export async function syncfs(fd: number): Promise<void> {
  if (await callOnPool(c.syncfs, fd) < 0) throw new Error("syncfs failed");
}
/** Takes an exclusive lock without waiting; false when another process has it. Goes with the descriptor. */
export function tryLock(fd: number): boolean {
  if (c.flock(fd, 2 | 4) === 0) return true;
  if (koffi.errno() === constants.errno.EWOULDBLOCK) return false;
  return fail("flock");
}
export function mkfifo(path: string, mode: number): void { check(c.mkfifo(path, mode), "mkfifo", path); }
const F_SETPIPE_SZ = 1031;
/** Asks for a larger pipe; true when granted. */
export function setPipeSize(fd: number, bytes: number): boolean { return c.fcntl(fd, F_SETPIPE_SZ, bytes) >= 0; }

/** A non-blocking pipe. */
export function makePipe(): { read: number; write: number } {
  const ends = new Int32Array(2);
  check(c.pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe2");
  return { read: ends[0]!, write: ends[1]! };
}
/** Copies from pipe to pipe what is there, and leaves it there; how many bytes, 0 when there is nothing. tee(2). */
export function tee(from: number, to: number, max: number): number {
  const SPLICE_F_NONBLOCK = 2;
  const n = Number(c.tee(from, to, max, SPLICE_F_NONBLOCK));
  if (n >= 0) return n;
  return koffi.errno() === constants.errno.EAGAIN ? 0 : fail("tee");
}

/**
 * A nice value for one thread, and how long its turns on a processor are, in nanoseconds: the shorter, the sooner it gets one
 * (from Linux 6.12 on). What it starts inherits neither. False when the kernel refuses. sched_setattr(2).
 */
export function setThreadPriority(thread: number, nice: number, slice: number): boolean {
  const SYS_SCHED_SETATTR = { x64: 314, s390x: 345, ppc64: 355 }[process.arch as string] ?? 274, SCHED_FLAG_RESET_ON_FORK = 1n;
  const attributes = Buffer.alloc(48);
  attributes.writeUInt32LE(attributes.length, 0);
  attributes.writeBigUInt64LE(SCHED_FLAG_RESET_ON_FORK, 8);
  attributes.writeInt32LE(nice, 16);
  attributes.writeBigUInt64LE(BigInt(slice), 24);
  return c.schedSetattr(SYS_SCHED_SETATTR, thread, attributes, 0) === 0;
}

export const CLONE_NEWNET = 0x40000000, CLONE_NEWNS = 0x00020000;
/** Affects the calling thread only: call it in a worker. */
export function unshare(flags: number): void { check(c.unshare(flags), "unshare"); }
export function setns(fd: number, type: number): void { check(c.setns(fd, type), "setns"); }

/** Connects a Unix socket of packets, non-blocking; returns the descriptor. */
export function connectPackets(path: string, type: typeof SOCK_DGRAM | typeof SOCK_SEQPACKET): number {
  const AF_UNIX = 1, SOCK_NONBLOCK = 0o4000, SOCK_CLOEXEC = 0o2000000;
  const fd = check(c.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  if (address.write(path, 2) > 107) { close(fd); throw new Error(`socket path is too long: ${path}`); }
  if (c.connect(fd, address, 2 + Buffer.byteLength(path) + 1) < 0) {
    try { fail("connect", path); } finally { c.close(fd); }
  }
  return fd;
}
/** Sends one packet; false when the peer's buffer is full. */
export function sendPacket(fd: number, data: Uint8Array): boolean {
  const MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000;
  if (c.send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  if (koffi.errno() === constants.errno.EAGAIN) return false;
  return fail("send");
}
/** One recv(2), waiting for data; interrupted calls are taken up again. */
export function receive(fd: number, buffer: Uint8Array): number {
  for (;;) {
    const n = Number(c.recv(fd, buffer, buffer.length, 0));
    if (n >= 0) return n;
    if (koffi.errno() !== constants.errno.EINTR) fail("recv");
  }
}
const SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_RCVTIMEO = 20;
/** Opens an AF_NETLINK socket of the calling thread's network namespace; waiting for an answer ends after `timeoutMs` (EAGAIN). */
export function openNetlink(protocol: number, timeoutMs: number): number {
  const AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0o2000000, SOL_NETLINK = 270, NETLINK_CAP_ACK = 10, NETLINK_EXT_ACK = 11;
  const fd = check(c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), "socket");
  try {
    const timeout = new BigInt64Array([BigInt(Math.floor(timeoutMs / 1000)), BigInt((timeoutMs % 1000) * 1000)]);
    check(c.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(timeout.buffer), 16), "setsockopt");
    const on = Uint8Array.of(1, 0, 0, 0);
    // Kernels without them only explain less.
    c.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, on, 4);
    c.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, on, 4);
  } catch (error) { c.close(fd); throw error; }
  return fd;
}
/**
 * Binds a local address for a moment, in the calling thread's network namespace: throws EADDRINUSE, EADDRNOTAVAIL… when
 * that cannot be. `address` is a sockaddr (sockaddr_in or sockaddr_in6); `type` 1 stream, 2 datagram; `protocol` 0 for the type's own.
 */
export function tryBind(address: Uint8Array, type: number, protocol: number): void {
  const SOCK_CLOEXEC = 0o2000000;
  const family = new DataView(address.buffer, address.byteOffset).getUint16(0, true);
  const fd = check(c.socket(family, type | SOCK_CLOEXEC, protocol), "socket");
  try {
    // Without it a connection in TIME_WAIT would count as use. For datagrams it would hide every other user.
    if (type === 1) check(c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Uint8Array.of(1, 0, 0, 0), 4), "setsockopt");
    check(c.bind(fd, address, address.length), "bind");
  } finally { c.close(fd); }
}
export const SHUT_RD = 0, SHUT_WR = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5;
export function shutdown(fd: number, how: number): void { check(c.shutdown(fd, how), "shutdown"); }

/** A descriptor that stands for the process, also once its number is used again. Linux 5.3. */
export function pidfdOpen(pid: number): number { return check(Number(c.pidfdOpen(434, pid, 0)), "pidfd_open"); }
/** False when the process is gone. */
export function pidfdSendSignal(fd: number, signal: number): boolean {
  if (c.pidfdSendSignal(424, fd, signal, null, 0) >= 0) return true;
  if (koffi.errno() === constants.errno.ESRCH) return false;
  return fail("pidfd_send_signal");
}

// fsopen(2) and its kin (Linux 5.2; `lowerdir+` of overlayfs 6.5).
const FSCONFIG_SET_FLAG = 0, FSCONFIG_SET_STRING = 1, FSCONFIG_CMD_CREATE = 6;
/** Mounts with one fsconfig call an option: no page-size limit on the options. `attributes` are MOUNT_ATTR_*. */
export function mountWithConfig(type: string, source: string, target: string, options: readonly (string | readonly [string, string])[], attributes = 0): void {
  const fs = check(Number(c.fsopen(430, type, 1)), "fsopen", type);
  try {
    check(Number(c.fsconfig(431, fs, FSCONFIG_SET_STRING, "source", source, 0)), "fsconfig", target);
    for (const option of options) {
      const [key, value] = typeof option === "string" ? [option, null] : option;
      const kind = value === null ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      check(Number(c.fsconfig(431, fs, kind, key, value, 0)), `fsconfig ${key}`, target);
    }
    check(Number(c.fsconfig(431, fs, FSCONFIG_CMD_CREATE, null, null, 0)), "fsconfig create", target);
    const mnt = check(Number(c.fsmount(432, fs, 1, attributes)), "fsmount", target);
    try {
      const MOVE_MOUNT_F_EMPTY_PATH = 4;
      check(Number(c.moveMount(429, mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)), "move_mount", target);
    } finally { c.close(mnt); }
  } finally { c.close(fs); }
}
/** A copy of the mounts at an open directory and below it, in no namespace: it goes with the descriptor. open_tree(2). */
export function cloneMounts(dir: number): number {
  const OPEN_TREE_CLONE = 1, AT_RECURSIVE = 0x8000;
  return check(Number(c.openTree(428, dir, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | O_CLOEXEC)), "open_tree");
}
