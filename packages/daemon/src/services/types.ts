/**
 * The use cases, as the API (and whoever embeds the daemon) calls them. Domain values in, domain values out:
 * no HTTP, no Docker wire shapes except the documents users hand in whole (container config, host config).
 */
import type { Readable } from "node:stream";
import type { Duplex } from "node:stream";
import type { ChainId, Digest, HealthConfig, History, ImageId, Platform } from "@strata/oci";
import type {
  BuildCacheView, Change, Container, ContainerConfig, ContainerId, Endpoint, EndpointSpec, ExecId, Health, HostConfig, Image, ImageSummary, IpamPool, LayerSummary, MountPoint,
  Network, PathStat, PortBinding, ResourceUsage, StrataEvent, Volume, VolumeSpec,
} from "../core/index.js";

/** Filters of a list or prune: key to values. */
export type Filters = ReadonlyMap<string, readonly string[]>;

export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

/** A line of a progress stream. `aux` carries what clients read programmatically. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly current?: number;
  readonly total?: number;
  /** Free text (load, build). */
  readonly stream?: string;
  readonly aux?: Readonly<Record<string, unknown>>;
}
export type ProgressSink = (line: Progress) => void;

export interface ImageService {
  pull(ref: string, options: { platform?: Platform; auth?: RegistryAuth; all?: boolean; progress: ProgressSink; signal: AbortSignal }): Promise<void>;
  push(ref: string, options: { auth?: RegistryAuth; all?: boolean; platform?: Platform; progress: ProgressSink; signal: AbortSignal }): Promise<void>;
  import(tar: Readable, options: { ref?: string; changes: readonly string[]; message: string; platform?: Platform; size?: number }): Promise<ImageId>;
  /** An archive to import from a web server. */
  download(url: string, signal: AbortSignal): Promise<Readable>;
  /** `size`: of the archive, where that is known. */
  load(archive: Readable, options: { platform?: Platform; progress: ProgressSink; signal: AbortSignal; size?: number }): Promise<ImageId[]>;
  /** A docker-archive with the OCI layout inside. */
  save(names: readonly string[], options: { platform?: Platform }): Promise<Readable>;
  tag(source: string, target: string): void;
  /** With `platforms` only an image for one of them. */
  remove(name: string, options: { force: boolean; prune: boolean; platforms?: readonly Platform[] }): Promise<Removed[]>;
  list(options: { all: boolean; filters: Filters }): Promise<readonly ImageSummary[]>;
  inspect(name: string, options?: { platform?: Platform }): ImageDetail;
  history(name: string, options?: { platform?: Platform }): HistoryEntry[];
  search(term: string, options: { limit?: number; filters: Filters; auth?: RegistryAuth; signal: AbortSignal }): Promise<SearchResult[]>;
  /** What a registry has under a name. */
  remote(name: string, options: { auth?: RegistryAuth; signal: AbortSignal }): Promise<RemoteImage>;
  prune(filters: Filters): Promise<{ removed: Removed[]; bytes: number }>;
  /** Every layer; with `prefix` those whose chain ID begins with it. */
  layers(options: { filters: Filters; prefix?: string }): LayerView[];
}
export interface LayerView extends LayerSummary {
  /** Full names of the images that hold it. */
  readonly names: readonly string[];
}
export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}
export interface RemoteImage {
  readonly descriptor: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly platforms: readonly Platform[];
}
export type Removed = { readonly untagged: string } | { readonly deleted: string };
export interface ImageDetail {
  readonly image: Image;
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
}
export interface HistoryEntry extends History {
  /** Undefined where no local image stands at that step. */
  readonly id?: ImageId;
  readonly tags: readonly string[];
  readonly size: number;
}

export interface CreateContainer {
  readonly name?: string;
  readonly platform?: Platform;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networks: Readonly<Record<string, EndpointSpec>>;
}
export type WaitCondition = "not-running" | "next-exit" | "removed";
export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Live output from now on. */
  readonly stream: boolean;
  /** What was logged before. */
  readonly logs: boolean;
  readonly detachKeys?: string;
}
/**
 * A client's end of an attach or exec: bytes it sends, and where output goes. Framing is the API's affair:
 * `write` gets raw data by stream and returns false when the client is slow (then `drained` resolves).
 */
export interface AttachClient {
  readonly input: Readable | null;
  write(stream: "stdout" | "stderr", data: Buffer): boolean;
  drained(): Promise<void>;
  /** No more output. */
  end(): void;
  readonly closed: Promise<void>;
}
export interface ContainerView {
  /** Undefined where nothing is checked. */
  readonly health?: Health;
  /** Of every network by its name: a container that does not run has no endpoints that tell. */
  readonly networkIds?: ReadonlyMap<string, string>;
  readonly container: Container;
  readonly endpoints: readonly (Endpoint & { readonly networkName: string })[];
  readonly ports: readonly PortBinding[];
  /** What containers with links to it call it, `/web/db`; in lists. */
  readonly linkedAs?: readonly string[];
  /** Full name of the image now, if any tag is left, else what it was created from. */
  readonly sizeRw?: number;
  readonly sizeRootFs?: number;
}
export interface ContainerService {
  create(spec: CreateContainer): Promise<{ id: ContainerId; warnings: string[] }>;
  start(name: string): Promise<void>;
  stop(name: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  restart(name: string, options: { signal?: string; timeoutSeconds?: number }): Promise<void>;
  kill(name: string, signal?: string): Promise<void>;
  pause(name: string, paused: boolean): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  resize(name: string, height: number, width: number): Promise<void>;
  /** Other limits (those of HostConfig that can change) and another restart policy; zero and absent leave things as they are. */
  update(name: string, asked: HostConfig): Promise<{ warnings: string[] }>;
  /** What it uses: again and again, or once. */
  stats(name: string, options: { stream: boolean; oneShot: boolean }, signal: AbortSignal): AsyncIterable<ContainerSample>;
  /** Subscribes at once (so that a start after the call cannot be missed); the promise inside resolves at the event. */
  wait(name: string, condition: WaitCondition, signal: AbortSignal): { exit: Promise<{ code: number; error?: string }> };
  remove(name: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  list(options: { all: boolean; limit: number; size: boolean; filters: Filters }): Promise<ContainerView[]>;
  inspect(name: string, options: { size: boolean }): Promise<ContainerView>;
  /** Resolves when the session is over (process ended, client left or detached). Call before start to miss nothing. */
  attach(name: string, options: AttachOptions, client: AttachClient): Promise<void>;
  /** Whether the container has a tty: decides framing. Throws before any byte is sent. */
  tty(name: string): boolean;
  logs(name: string, options: LogsOptions, signal: AbortSignal): Promise<AsyncIterable<readonly LogLine[]>>;
  changes(name: string): AsyncIterable<Change>;
  /** The container's whole tree as a tar. */
  export(name: string): Promise<Readable>;
  top(name: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }>;
  commit(name: string, options: CommitOptions): Promise<ImageId>;
  prune(filters: Filters): Promise<{ removed: ContainerId[]; bytes: number }>;
}
/** What a container uses; without `usage` when it does not run. `before`: the sample that came before. */
export interface ContainerSample {
  readonly id: ContainerId;
  readonly name: string;
  readonly usage?: ResourceUsage;
  readonly before?: ResourceUsage;
}
/** `docker cp`. Paths are the container's; NotFound (in Docker's words) for what is not there. */
export interface ContainerFileService {
  stat(name: string, path: string): Promise<PathStat>;
  /** What is at the path as a tar. */
  read(name: string, path: string): Promise<{ stat: PathStat; tar: Readable }>;
  /**
   * Unpacks a tar into a directory. `keepKinds`: no directory takes the place of something else, nor the other way
   * round. `ownUser`: everything belongs to the container's user, where it has one.
   */
  write(name: string, path: string, tar: Readable, options: { keepKinds: boolean; ownUser: boolean }): Promise<void>;
}
export interface LogsOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly tail?: number;
  /** RFC 3339 in UTC with nine digits. */
  readonly since?: string;
  readonly until?: string;
}
export interface LogLine {
  readonly stream: "stdout" | "stderr";
  readonly data: Buffer;
  readonly time: string;
  readonly partial: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}
export interface CommitOptions {
  readonly ref?: string;
  readonly author: string;
  readonly message: string;
  readonly changes: readonly string[];
  readonly config?: ContainerConfig;
  readonly pause: boolean;
}

export interface ExecSpec {
  readonly cmd: readonly string[];
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly privileged: boolean;
  readonly detachKeys?: string;
  readonly consoleSize?: readonly [height: number, width: number];
}
export interface Exec {
  readonly id: ExecId;
  readonly container: ContainerId;
  readonly spec: ExecSpec;
  readonly running: boolean;
  readonly pid: number;
  readonly exitCode: number | null;
}
export interface ExecService {
  create(container: string, spec: ExecSpec): Promise<ExecId>;
  /** With a client: resolves at the end of the session. Without: once started (detached). */
  start(id: string, options: { tty: boolean; consoleSize?: readonly [number, number] }, client: AttachClient | null): Promise<void>;
  inspect(id: string): Exec;
  resize(id: string, height: number, width: number): Promise<void>;
}

export interface VolumeView extends Volume {
  readonly refs: number;
  readonly size?: number;
  /** What its plugin tells; without one: local. */
  readonly scope?: "local" | "global";
  readonly status?: Readonly<Record<string, unknown>>;
}
export interface VolumeService {
  create(spec: VolumeSpec): Promise<Volume>;
  /** Gives a volume another size. */
  update(name: string, options: Readonly<Record<string, string>>): Promise<Volume>;
  inspect(name: string): Promise<VolumeView>;
  /** With those that plugins know. */
  list(filters: Filters): Promise<VolumeView[]>;
  remove(name: string, force: boolean): Promise<void>;
  prune(filters: Filters): Promise<{ removed: string[]; bytes: number }>;
}

export interface NetworkSpec {
  readonly name: string;
  readonly driver?: string;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  readonly ipam?: readonly IpamPool[];
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipamOptions?: Readonly<Record<string, string>>;
  readonly scope?: string;
  readonly ingress?: boolean;
  /** Its settings are for other networks. */
  readonly configOnly?: boolean;
  /** Name of the network that has the settings. */
  readonly configFrom?: string;
}
export interface NetworkView {
  readonly network: Network;
  readonly endpoints: readonly (Endpoint & { readonly containerName: string })[];
}
export interface NetworkService {
  create(spec: NetworkSpec): Promise<Network>;
  inspect(name: string): NetworkView;
  list(filters: Filters): NetworkView[];
  remove(name: string): Promise<void>;
  connect(name: string, container: string, spec: EndpointSpec): Promise<void>;
  disconnect(name: string, container: string, force: boolean): Promise<void>;
  prune(filters: Filters): Promise<string[]>;
}

/**
 * What the container service needs of networking; implemented beside NetworkService.
 * `attach` makes the namespace and every endpoint and publishes ports, all or nothing; `release` undoes it.
 */
export interface ContainerNetworking {
  /** Checks modes, addresses and port specs at create time: InvalidArgument. Networks and containers that are not there are told by `attach`. */
  validate(container: Container): void;
  /** Undefined path: the host's namespace. */
  attach(container: Container): Promise<{ netns?: string; endpoints: readonly Endpoint[]; ports: readonly PortBinding[] }>;
  release(container: Container): Promise<void>;
  /** Variables that links bring, by those of the container's own. */
  environment(container: Container): readonly string[];
  /** A container has fewer links than it had: a running one forgets their names. */
  relink(before: Container, after: Container): Promise<void>;
  /** Contents of the files that are mounted over /etc. */
  files(container: Container): Promise<{ hosts: string; hostname: string; resolvConf: string }>;
  /** After a restart: makes bridges, rules and ports of running containers true again; drops what no running container has. */
  recover(running: readonly Container[]): Promise<void>;
}

export interface DiskUsage {
  readonly layersSize: number;
  readonly images: readonly ImageSummary[];
  readonly containers: readonly ContainerView[];
  readonly volumes: readonly VolumeView[];
  readonly buildCache: readonly BuildCacheView[];
}
export interface SystemInfo {
  readonly id: string;
  readonly containers: { running: number; paused: number; stopped: number };
  readonly images: number;
  readonly driver: string;
  readonly driverStatus: readonly (readonly [string, string])[];
  readonly runtimes: Readonly<Record<string, { path: string }>>;
  readonly defaultRuntime: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: "1" | "2";
  readonly kernel: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  readonly cpus: number;
  readonly memory: number;
  readonly name: string;
  readonly dataRoot: string;
  readonly labels: readonly string[];
  readonly securityOptions: readonly string[];
  readonly warnings: readonly string[];
  readonly liveRestore: boolean;
  readonly loggingDriver: string;
  readonly registryMirrors: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  /** What this machine can hold containers to, and how it passes packets on. */
  readonly limits: MachineLimits;
  /** What makes the rules of networks. */
  readonly firewall: string;
  /** Found besides our own. */
  readonly volumePlugins: readonly string[];
  /** As configured; none: Docker's own. */
  readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  /** Clients that follow events. */
  readonly listeners: number;
  /** Open descriptors of the daemon. */
  readonly descriptors: number;
}
export interface MachineLimits {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly oomKillDisable: boolean;
  readonly ipv4Forwarding: boolean;
  readonly bridgeFilter: boolean;
  readonly bridgeFilter6: boolean;
}
export interface SystemService {
  info(): Promise<SystemInfo>;
  df(types: readonly string[]): Promise<DiskUsage>;
  events(options: { since?: number; until?: number; filters: Filters; signal: AbortSignal }): AsyncIterable<StrataEvent>;
  /** Checks credentials against a registry; the answer is Docker's status text and a token, if any. */
  auth(auth: RegistryAuth): Promise<{ status: string; identityToken: string }>;
}

export type { ChainId, Digest, Duplex, HealthConfig, MountPoint };
