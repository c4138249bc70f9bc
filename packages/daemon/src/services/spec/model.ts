/** The parts of an OCI runtime-spec document (config.md, config-linux.md) that Strata writes. */
export interface RuntimeSpec {
  ociVersion: string;
  process: SpecProcess;
  root: { path: string; readonly: boolean };
  hostname?: string;
  domainname?: string;
  mounts: SpecMount[];
  annotations?: Record<string, string>;
  linux: {
    namespaces: { type: string; path?: string }[];
    cgroupsPath: string;
    resources: SpecResources;
    devices: SpecDevice[];
    maskedPaths: string[];
    readonlyPaths: string[];
    sysctl?: Record<string, string>;
    seccomp?: SpecSeccomp;
    rootfsPropagation?: string;
  };
}
export interface SpecProcess {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
  args: string[];
  env: string[];
  cwd: string;
  capabilities: { bounding: string[]; effective: string[]; permitted: string[]; inheritable: string[]; ambient: string[] };
  rlimits?: { type: string; soft: number; hard: number }[];
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
}
export interface SpecMount { destination: string; type: string; source: string; options: string[] }
export interface SpecDevice { path: string; type: "c" | "b"; major: number; minor: number; fileMode: number; uid: number; gid: number }
export interface SpecDeviceRule { allow: boolean; type?: string; major?: number; minor?: number; access: string }
export interface SpecResources {
  devices: SpecDeviceRule[];
  memory?: Record<string, number | boolean>;
  cpu?: Record<string, number | string>;
  pids?: { limit: number };
  blockIO?: Record<string, unknown>;
  [other: string]: unknown;
}
export interface SpecSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls: { names: string[]; action: string; errnoRet?: number; args?: { index: number; value: number; valueTwo?: number; op: string }[] }[];
}

/** What this host can do; found out once at start. */
export interface HostFacts {
  readonly cgroupVersion: 1 | 2;
  /** Capabilities the daemon itself may hand out, with the CAP_ prefix. */
  readonly capabilities: readonly string[];
  readonly seccomp: boolean;
  /** cgroup v1 controllers, or v2 controllers. */
  readonly controllers: readonly string[];
  /** Kernel release, major and minor. */
  readonly kernel: readonly [number, number];
  readonly arch: string;
  /** Processors and memory nodes that containers may be bound to, as lists (cpuset(7)). */
  readonly cpuset: { readonly cpus: string; readonly mems: string };
  /** Runtimes that make a mount read-only with all that is mounted below it, by name; none where the kernel cannot (before 5.12). */
  readonly recursiveReadOnly: ReadonlySet<string>;
  /** Whether the kernel weighs block I/O. */
  readonly blockIoWeights: boolean;
  /** Absolute path of an init program for `--init`, if there is one. */
  readonly init?: string;
}
