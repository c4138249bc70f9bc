import type { ImageId, RunConfig } from "@strata/oci";
import type { ContainerId } from "./ids.js";

/** `Config` of Docker's inspect: the image's run-time defaults with what the user gave. Field names are the OCI image-spec's. */
export type ContainerConfig = RunConfig;

export interface MountSpec {
  Type: "bind" | "volume" | "tmpfs" | "npipe" | "cluster" | "image";
  Source?: string;
  Target: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: { Propagation?: string; NonRecursive?: boolean; CreateMountpoint?: boolean; ReadOnlyNonRecursive?: boolean; ReadOnlyForceRecursive?: boolean };
  VolumeOptions?: { NoCopy?: boolean; Labels?: Record<string, string>; DriverConfig?: { Name?: string; Options?: Record<string, string> }; Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] };
}
export interface DeviceSpec { PathOnHost: string; PathInContainer?: string; CgroupPermissions?: string }
export interface PortBindingSpec { HostIp?: string; HostPort?: string }
export interface ThrottleSpec { Path?: string; Rate?: number }
export interface UlimitSpec { Name: string; Soft: number; Hard: number }

/** `HostConfig` of Docker's Engine API: kept as it was given, so that inspect shows it whole. */
export interface HostConfig {
  Binds?: string[] | null;
  ContainerIDFile?: string;
  LogConfig?: { Type?: string; Config?: Record<string, string> | null };
  NetworkMode?: string;
  PortBindings?: Record<string, PortBindingSpec[] | null> | null;
  RestartPolicy?: { Name?: string; MaximumRetryCount?: number };
  AutoRemove?: boolean;
  VolumeDriver?: string;
  VolumesFrom?: string[] | null;
  Mounts?: MountSpec[] | null;
  ConsoleSize?: number[] | null;
  Annotations?: Record<string, string> | null;
  CapAdd?: string[] | null;
  CapDrop?: string[] | null;
  CgroupnsMode?: string;
  Dns?: string[] | null;
  DnsOptions?: string[] | null;
  DnsSearch?: string[] | null;
  ExtraHosts?: string[] | null;
  GroupAdd?: string[] | null;
  IpcMode?: string;
  Cgroup?: string;
  Links?: string[] | null;
  OomScoreAdj?: number;
  PidMode?: string;
  Privileged?: boolean;
  PublishAllPorts?: boolean;
  ReadonlyRootfs?: boolean;
  SecurityOpt?: string[] | null;
  StorageOpt?: Record<string, string> | null;
  Tmpfs?: Record<string, string> | null;
  UTSMode?: string;
  UsernsMode?: string;
  ShmSize?: number;
  Sysctls?: Record<string, string> | null;
  Runtime?: string;
  Isolation?: string;
  CpuShares?: number;
  Memory?: number;
  NanoCpus?: number;
  CgroupParent?: string;
  BlkioWeight?: number;
  BlkioWeightDevice?: { Path?: string; Weight?: number }[] | null;
  BlkioDeviceReadBps?: ThrottleSpec[] | null;
  BlkioDeviceWriteBps?: ThrottleSpec[] | null;
  BlkioDeviceReadIOps?: ThrottleSpec[] | null;
  BlkioDeviceWriteIOps?: ThrottleSpec[] | null;
  CpuPeriod?: number;
  CpuQuota?: number;
  CpuRealtimePeriod?: number;
  CpuRealtimeRuntime?: number;
  CpusetCpus?: string;
  CpusetMems?: string;
  Devices?: DeviceSpec[] | null;
  DeviceCgroupRules?: string[] | null;
  DeviceRequests?: { Driver?: string; Capabilities?: string[][] | null }[] | null;
  MemoryReservation?: number;
  MemorySwap?: number;
  MemorySwappiness?: number | null;
  OomKillDisable?: boolean | null;
  PidsLimit?: number | null;
  Ulimits?: UlimitSpec[] | null;
  Init?: boolean | null;
  MaskedPaths?: string[] | null;
  ReadonlyPaths?: string[] | null;
  [other: string]: unknown;
}

/** What the user asked of one network at create or connect. */
export interface EndpointSpec {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: string[] } | null;
  Links?: string[] | null;
  Aliases?: string[] | null;
  MacAddress?: string;
  DriverOpts?: Record<string, string> | null;
  GwPriority?: number;
}

export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

export interface ContainerState {
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  /** Milliseconds since the epoch; undefined before the first. */
  readonly startedAt?: number;
  readonly finishedAt?: number;
  /** The user stopped it: restart policies leave it alone. */
  readonly stoppedByUser?: boolean;
  readonly restartCount: number;
}

/** A mount as inspect shows it. */
export interface MountPoint {
  readonly Type: "bind" | "volume" | "tmpfs";
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
  /** Only what this path inside the volume names; inspect does not tell. */
  readonly subpath?: string;
}

export interface Container {
  readonly id: ContainerId;
  /** Without the leading slash. */
  readonly name: string;
  readonly imageId: ImageId;
  /** The image as the user named it. */
  readonly imageName: string;
  readonly createdAt: number;
  readonly path: string;
  readonly args: readonly string[];
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networks: Readonly<Record<string, EndpointSpec>>;
  readonly mounts: readonly MountPoint[];
  readonly driver: string;
  readonly state: ContainerState;
}

/** What the checks of a container found. */
export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The last results, oldest first. */
  readonly log: readonly HealthResult[];
}
export interface HealthResult {
  /** Milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  /** -1 when the check could not be run or took too long. */
  readonly exitCode: number;
  readonly output: string;
}

/** Durable facts about containers. */
export interface ContainerStore {
  /** Conflict when the name is taken (the message names the holder, as Docker's does). */
  create(container: Container): void;
  get(id: ContainerId): Container;
  /** Full ID, name (with or without slash), or an unambiguous ID prefix. */
  resolve(nameOrPrefix: string): ContainerId;
  /** Replaces the record; `durable: false` may be lost in a power cut, never in a crash of the daemon. */
  update(container: Container, options?: { durable?: boolean }): void;
  remove(id: ContainerId): void;
  /** Undefined before the first run with checks. */
  health(id: ContainerId): Health | undefined;
  setHealth(id: ContainerId, health: Health): void;
  list(): Iterable<Container>;
  /** `containers/<id>`: config.v2.json, hostconfig.json, hostname, hosts, resolv.conf, the log. */
  directory(id: ContainerId): string;
  /** Also waits until a new container's row is on disk. */
  makeDirectory(id: ContainerId): Promise<void>;
  removeDirectory(id: ContainerId): Promise<void>;
  /** Writes the JSON mirrors that other tools read. */
  mirror(container: Container): Promise<void>;
}
