import { InvalidArgument } from "../../core/index.js";
import type { SpecSeccomp } from "./model.js";

/**
 * The default filter: what ordinary programs need is allowed, what reconfigures the kernel asks for the capability
 * that governs it, everything else fails with EPERM (or ENOSYS for calls that programs probe for).
 * The set is that of Docker's documented default profile.
 */
const EPERM = 1, ENOSYS = 38;
const words = (text: string): string[] => text.trim().split(/\s+/);

const ALWAYS = words(`
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres
  clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2
  dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
  exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl
  fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
  futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid
  geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid
  getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents
  io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
  landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek
  lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
  mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
  mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat openat2
  pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2
  prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction
  rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
  sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
  sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
  semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
  setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
  setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget
  shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx
  symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
  timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill
  truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid
  write writev`);

/** Calls that a capability opens. */
const BY_CAPABILITY: Readonly<Record<string, string[]>> = {
  CAP_DAC_READ_SEARCH: words("open_by_handle_at"),
  CAP_SYS_ADMIN: words(`bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount
    mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare`),
  CAP_SYS_BOOT: words("reboot"),
  CAP_SYS_CHROOT: words("chroot"),
  CAP_SYS_MODULE: words("delete_module init_module finit_module"),
  CAP_SYS_PACCT: words("acct"),
  CAP_SYS_PTRACE: words("kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"),
  CAP_SYS_RAWIO: words("iopl ioperm"),
  CAP_SYS_TIME: words("settimeofday stime clock_settime clock_settime64"),
  CAP_SYS_TTY_CONFIG: words("vhangup"),
  CAP_SYS_NICE: words("get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
  CAP_SYSLOG: words("syslog"),
  CAP_BPF: words("bpf"),
  CAP_PERFMON: words("perf_event_open"),
};
/** personality(2) values that change nothing dangerous: Linux, with UNAME26, the 32-bit pair, and the query. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** CLONE_NEW* of namespaces that need privilege. */
const NAMESPACE_FLAGS = 0x7e020000;
const AF_VSOCK = 40;

const ARCHITECTURES: Readonly<Record<string, string[]>> = {
  // Without x32, which distributions do not enable: a third of the filter, and of the time it takes to load.
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  arm: ["SCMP_ARCH_ARM"],
  ppc64: ["SCMP_ARCH_PPC64LE"],
  s390x: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
  riscv64: ["SCMP_ARCH_RISCV64"],
};
const BY_ARCH: Readonly<Record<string, string[]>> = {
  x64: words("arch_prctl modify_ldt"),
  arm64: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
  arm: words("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls"),
  ppc64: words("sync_file_range2 swapcontext"),
  s390x: words("s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
  riscv64: words("riscv_flush_icache riscv_hwprobe"),
};

/** The default filter for a container with these capabilities. */
export function defaultSeccomp(arch: string, capabilities: readonly string[], kernel: readonly [number, number]): SpecSeccomp {
  const allowed = new Set([...ALWAYS, ...(BY_ARCH[arch] ?? [])]);
  for (const [capability, names] of Object.entries(BY_CAPABILITY)) if (capabilities.includes(capability)) for (const n of names) allowed.add(n);
  const newerThan = (major: number, minor: number): boolean => kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  if (newerThan(4, 8)) for (const n of ["ptrace", "process_vm_readv", "process_vm_writev"]) allowed.add(n);
  const rule = (names: string[], args: NonNullable<SpecSeccomp["syscalls"][number]["args"]>): SpecSeccomp["syscalls"][number] => ({ names, action: "SCMP_ACT_ALLOW", args });
  const syscalls: SpecSeccomp["syscalls"] = [
    { names: [...allowed].sort(), action: "SCMP_ACT_ALLOW" },
    ...PERSONALITIES.map((value) => rule(["personality"], [{ index: 0, value, op: "SCMP_CMP_EQ" }])),
    rule(["socket"], [{ index: 0, value: AF_VSOCK, op: "SCMP_CMP_NE" }]),
  ];
  if (!capabilities.includes("CAP_SYS_ADMIN")) {
    const flags = arch === "s390x" ? 1 : 0;
    syscalls.push(rule(["clone"], [{ index: flags, value: NAMESPACE_FLAGS, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }]));
    // glibc falls back to clone(2), whose flags a filter can see.
    syscalls.push({ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS });
  }
  return { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: EPERM, ...(ARCHITECTURES[arch] ? { architectures: ARCHITECTURES[arch] } : {}), syscalls };
}

interface ProfileRule {
  names?: string[]; name?: string; action: string; errnoRet?: number; args?: SpecSeccomp["syscalls"][number]["args"] | null;
  includes?: ProfileCondition; excludes?: ProfileCondition;
}
interface ProfileCondition { caps?: string[]; arches?: string[]; minKernel?: string }
interface Profile {
  defaultAction?: string; defaultErrnoRet?: number; architectures?: string[]; archMap?: { architecture: string; subArchitectures?: string[] }[]; syscalls?: ProfileRule[];
}

/** A profile that the user gave (`--security-opt seccomp=<json>`), in Docker's format, resolved for this container. */
export function parseSeccomp(text: string, arch: string, capabilities: readonly string[], kernel: readonly [number, number]): SpecSeccomp {
  let profile: Profile;
  try { profile = JSON.parse(text) as Profile; } catch (cause) { throw new InvalidArgument("Decoding seccomp profile failed: it is not valid JSON", { cause }); }
  if (typeof profile !== "object" || profile === null || typeof profile.defaultAction !== "string") throw new InvalidArgument("Decoding seccomp profile failed: defaultAction is missing");
  const native = ARCHITECTURES[arch]?.[0];
  const short = ({ x64: "amd64", arm64: "arm64", arm: "arm", ppc64: "ppc64le" } as Record<string, string>)[arch] ?? arch;
  const mapped = profile.archMap?.find((m) => m.architecture === native);
  const architectures = mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : profile.architectures;
  const atLeast = (version: string): boolean => {
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  };
  const holds = (r: ProfileRule): boolean => {
    const inc = r.includes ?? {}, exc = r.excludes ?? {};
    if (exc.caps?.some((c) => capabilities.includes(c)) || exc.arches?.includes(short) || (exc.minKernel && atLeast(exc.minKernel))) return false;
    return (inc.caps ?? []).every((c) => capabilities.includes(c)) && (!inc.arches?.length || inc.arches.includes(short)) && (!inc.minKernel || atLeast(inc.minKernel));
  };
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures?.length ? { architectures } : {}),
    syscalls: (profile.syscalls ?? []).filter(holds).map((r) => ({
      names: r.names ?? (r.name ? [r.name] : []), action: r.action, ...(r.errnoRet === undefined ? {} : { errnoRet: r.errnoRet }), ...(r.args?.length ? { args: r.args } : {}),
    })),
  };
}
