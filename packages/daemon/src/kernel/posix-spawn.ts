/**
 * posix_spawn(3), which Node has not: its own spawn forks, and a fork copies the page tables of the whole daemon (some
 * 5 ms at 150 MB, in which nothing else happens, and page faults afterwards). glibc's runs the new program in the
 * parent's memory until it execs, at the same cost whatever the daemon's size. Beside libc.ts the only FFI file.
 */
import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";
import koffi from "koffi";
import { callOnPool } from "./pool-calls.js";

const lib = koffi.load("libc.so.6");
const c = {
  spawn: lib.func("int posix_spawnp(_Out_ int *pid, const char *file, const void *actions, const void *attributes, const char **argv, const char **envp)"),
  actionsInit: lib.func("int posix_spawn_file_actions_init(void *actions)"),
  actionsDestroy: lib.func("int posix_spawn_file_actions_destroy(void *actions)"),
  addDup2: lib.func("int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)"),
  addOpen: lib.func("int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)"),
  addChdir: lib.func("int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)"),
  attributesInit: lib.func("int posix_spawnattr_init(void *attributes)"),
  setFlags: lib.func("int posix_spawnattr_setflags(void *attributes, short flags)"),
  setDefault: lib.func("int posix_spawnattr_setsigdefault(void *attributes, const void *set)"),
  setMask: lib.func("int posix_spawnattr_setsigmask(void *attributes, const void *set)"),
  waitpid: lib.func("int waitpid(int pid, _Out_ int *status, int options)"),
  pipe2: lib.func("int pipe2(_Out_ int *ends, int flags)"),
  fcntl: lib.func("int fcntl(int fd, int command, int argument)"),
  close: lib.func("int close(int fd)"),
};

export interface SpawnRequest {
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What becomes descriptor 0, 1, 2 … of the program; null is /dev/null. The caller's own are left open. */
  readonly fds: readonly (number | null)[];
  /** A session of its own: signals of the terminal do not reach it. */
  readonly newSession?: boolean;
}

// Larger than glibc's on any architecture.
const ACTIONS = 256, ATTRIBUTES = 512, SIGNALS = 128;
const SETSIGDEF = 0x04, SETSIGMASK = 0x08, SETSID = 0x80;
const O_RDWR = 2, O_CLOEXEC = 0o2000000, F_DUPFD_CLOEXEC = 1030, WNOHANG = 1;

/** Starts a program, looked up in PATH; resolves with its number. It stays a zombie until `reap`. Waits on the thread pool. */
export async function posixSpawn(program: string, { args, env, cwd, fds, newSession }: SpawnRequest): Promise<number> {
  const actions = Buffer.alloc(ACTIONS), attributes = Buffer.alloc(ATTRIBUTES);
  const borrowed: number[] = [];
  c.actionsInit(actions);
  try {
    // Sources are moved out of the targets' way first.
    const sources = fds.map((fd) => {
      if (fd === null || fd >= fds.length) return fd;
      const moved = c.fcntl(fd, F_DUPFD_CLOEXEC, fds.length) as number;
      if (moved < 0) throw systemError(koffi.errno(), "fcntl");
      borrowed.push(moved);
      return moved;
    });
    for (const [target, source] of sources.entries()) {
      if (source === null) c.addOpen(actions, target, "/dev/null", O_RDWR, 0);
      else c.addDup2(actions, source, target);
    }
    if (cwd !== undefined) c.addChdir(actions, cwd);
    c.attributesInit(attributes);
    c.setFlags(attributes, SETSIGDEF | SETSIGMASK | (newSession === true ? SETSID : 0));
    c.setDefault(attributes, Buffer.alloc(SIGNALS, 0xff));
    c.setMask(attributes, Buffer.alloc(SIGNALS));
    const environment = Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
    const pid: [number] = [0];
    const errno = await callOnPool(c.spawn, pid, program, actions, attributes, [program, ...args, null], [...environment, null]);
    if (errno !== 0) throw systemError(errno, `spawn ${program}`);
    return pid[0];
  } finally {
    for (const fd of borrowed) c.close(fd);
    c.actionsDestroy(actions);
  }
}

/** Exit code of a child that has ended, 128 and the signal's number when one killed it; undefined while it runs. Its number is free afterwards. */
export function reap(pid: number): number | undefined {
  const status: [number] = [0];
  const found = c.waitpid(pid, status, WNOHANG) as number;
  if (found < 0) throw systemError(koffi.errno(), "waitpid");
  if (found === 0) return undefined;
  const signal = status[0] & 0x7f;
  return signal === 0 ? (status[0] >> 8) & 0xff : 128 + signal;
}

/** A pipe that programs do not inherit unless it is handed to them. */
export function openPipe(): { readonly read: number; readonly write: number } {
  const ends: [number, number] = [0, 0];
  if ((c.pipe2(ends, O_CLOEXEC) as number) < 0) throw systemError(koffi.errno(), "pipe2");
  return { read: ends[0], write: ends[1] };
}

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, n]) => [n, name]));

function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = names.get(errno) ?? `E${errno}`;
  const text = getSystemErrorMap().get(-errno)?.[1] ?? "system call failed";
  return Object.assign(new Error(`${code}: ${text}, ${syscall}`), { code, errno: -errno, syscall });
}
