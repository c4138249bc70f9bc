import { totalmem } from "node:os";
import type { Clock } from "../core/index.js";
import { InvalidArgument, rfc3339Nano } from "../core/index.js";
import type { SystemInfo, SystemService } from "../services/types.js";
import { ok, type Context, type Reply, type Routes } from "./context.js";
import { toRegistryAuth } from "./credentials.js";
import type { Lists } from "./encode/lists.js";
import { encodeEvent, encodeVolume } from "./encode/others.js";
import { diskUsage, systemInfo } from "./encode/shapes.js";
import { parseFilters, parseTime } from "./filters.js";
import type { components } from "./generated/openapi.js";
import { lazily } from "./json.js";
import { sendLines } from "./streams.js";
import { MAX_VERSION, MIN_VERSION, formatVersion } from "./version.js";

type Schemas = components["schemas"];

/** What does not change while the daemon runs. */
export interface ServerFacts {
  /** `Strata 0.1.0`. */
  readonly product: string;
  /** What clients compare with Docker's version. */
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly kernel: string;
  /** As Go names it (`amd64`), and as uname does (`x86_64`). */
  readonly arch: string;
  readonly machine: string;
  /** Name, version and details of each program the daemon drives. */
  readonly components: readonly { readonly name: string; readonly version: string; readonly details?: Readonly<Record<string, string>> }[];
  readonly debug: boolean;
  readonly experimental: boolean;
  readonly proxies: { readonly http: string; readonly https: string; readonly no: string };
}

function encodeVersion(f: ServerFacts): Schemas["SystemVersion"] {
  const details = {
    ApiVersion: formatVersion(MAX_VERSION), Arch: f.arch, BuildTime: f.buildTime, Experimental: String(f.experimental), GitCommit: f.gitCommit, GoVersion: `node ${process.version}`,
    KernelVersion: f.kernel, MinAPIVersion: formatVersion(MIN_VERSION), Os: "linux",
  };
  return {
    Platform: { Name: f.product },
    Components: [{ Name: "Engine", Version: f.version, Details: details }, ...f.components.map((c) => ({ Name: c.name, Version: c.version, Details: { ...c.details } }))],
    Version: f.version, ApiVersion: details.ApiVersion, MinAPIVersion: details.MinAPIVersion, GitCommit: f.gitCommit, GoVersion: details.GoVersion,
    Os: "linux", Arch: f.arch, KernelVersion: f.kernel, BuildTime: f.buildTime,
  };
}

function encodeInfo(i: SystemInfo, f: ServerFacts, now: number): Schemas["SystemInfo"] {
  const { running, paused, stopped } = i.containers;
  const warnings = [...i.warnings, ...lacking(i)];
  const index = (name: string, mirrors: readonly string[], secure: boolean, official: boolean) => ({ Name: name, Mirrors: [...mirrors], Secure: secure, Official: official });
  const hosts = i.insecureRegistries.filter((r) => !r.includes("/"));
  return {
    ID: i.id, Containers: running + paused + stopped, ContainersRunning: running, ContainersPaused: paused, ContainersStopped: stopped, Images: i.images,
    Driver: i.driver, DriverStatus: i.driverStatus.map((row) => [...row]),
    Plugins: { Volume: [...new Set(["local", ...i.volumePlugins])].sort(), Network: ["bridge", "host", "ipvlan", "macvlan", "null"], Authorization: null, Log: ["journald", "json-file", "local", "syslog"] },
    MemoryLimit: i.limits.memory, SwapLimit: i.limits.swap, KernelMemory: false, KernelMemoryTCP: false, CpuCfsPeriod: i.limits.cpuQuota, CpuCfsQuota: i.limits.cpuQuota,
    CPUShares: i.limits.cpuShares, CPUSet: i.limits.cpuset, PidsLimit: i.limits.pids, OomKillDisable: i.limits.oomKillDisable, IPv4Forwarding: i.limits.ipv4Forwarding,
    BridgeNfIptables: i.limits.bridgeFilter, BridgeNfIp6tables: i.limits.bridgeFilter6, Debug: f.debug, NFd: i.descriptors, NGoroutines: 1, SystemTime: rfc3339Nano(now), LoggingDriver: i.loggingDriver,
    CgroupDriver: i.cgroupDriver, CgroupVersion: i.cgroupVersion, NEventsListener: i.listeners,
    KernelVersion: i.kernel, OperatingSystem: i.operatingSystem, OSVersion: i.osVersion, OSType: "linux", Architecture: f.machine,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: {
      AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null,
      InsecureRegistryCIDRs: [...new Set([...i.insecureRegistries.filter((r) => r.includes("/")), "::1/128", "127.0.0.0/8"])],
      IndexConfigs: { "docker.io": index("docker.io", i.registryMirrors, true, true), ...Object.fromEntries(hosts.map((h) => [h, index(h, [], false, false)])) },
      Mirrors: [...i.registryMirrors],
    },
    NCPU: i.cpus, MemTotal: i.memory || totalmem(), GenericResources: null, DockerRootDir: i.dataRoot,
    HttpProxy: f.proxies.http, HttpsProxy: f.proxies.https, NoProxy: f.proxies.no,
    Name: i.name, Labels: [...i.labels], ExperimentalBuild: f.experimental, ServerVersion: f.version,
    Runtimes: Object.fromEntries(Object.entries(i.runtimes).map(([name, r]) => [name, { path: r.path }])), DefaultRuntime: i.defaultRuntime,
    Swarm: { NodeID: "", NodeAddr: "", LocalNodeState: "inactive", ControlAvailable: false, Error: "", RemoteManagers: null },
    LiveRestoreEnabled: i.liveRestore, Isolation: "", InitBinary: "docker-init",
    ContainerdCommit: { ID: "" }, RuncCommit: { ID: i.versions[i.defaultRuntime] ?? "" }, InitCommit: { ID: "" },
    SecurityOptions: [...i.securityOptions], CDISpecDirs: [], FirewallBackend: { Driver: i.firewall },
    ...(i.addressPools.length > 0 ? { DefaultAddressPools: i.addressPools.map(({ base, size }) => ({ Base: base, Size: size })) } : {}),
    Warnings: warnings.length > 0 ? warnings : null,
  };
}

/** What Docker warns of. */
function lacking({ limits, cgroupVersion }: SystemInfo): string[] {
  const { memory, swap, cpuShares, cpuQuota, cpuset, ipv4Forwarding } = limits;
  const words: readonly (readonly [boolean, string])[] = [
    [memory, "No memory limit support"], [swap, "No swap limit support"], [cpuQuota, cgroupVersion === "1" ? "No cpu cfs quota support" : "No cpu quota support"],
    [cpuShares, "No cpu shares support"], [cpuset, "No cpuset support"], [ipv4Forwarding, "IPv4 forwarding is disabled"],
  ];
  return words.filter(([there]) => !there).map(([, text]) => `WARNING: ${text}`);
}

type SystemRoutes = Pick<Routes, "ping" | "pingHead" | "version" | "info" | "pluginList" | "auth" | "events" | "systemDf">;

export function systemRoutes(system: SystemService, facts: ServerFacts, clock: Clock, lists: Lists): SystemRoutes {
  const version = encodeVersion(facts);
  const ping = ({ response, request }: Context): Reply => {
    response.writeHead(200, {
      "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache, no-store, must-revalidate", Pragma: "no-cache", "Builder-Version": "1", Swarm: "inactive",
      "Content-Length": request.method === "HEAD" ? 0 : 2,
    });
    response.end("OK");
    return undefined;
  };
  return {
    ping,
    pingHead: ping,
    version: () => ok(version),
    pluginList: () => ok([]),
    info: async (c) => ok(systemInfo(encodeInfo(await system.info(), facts, clock.now()), c.version)),
    async auth({ body }) {
      const { status, identityToken } = await system.auth(toRegistryAuth(body ?? {}));
      return ok({ Status: status, IdentityToken: identityToken });
    },
    async events(c) {
      const now = clock.now();
      const since = parseTime(c.query.since, "since", now), until = parseTime(c.query.until, "until", now);
      if (since !== undefined && until !== undefined && since > until) throw new InvalidArgument(`\`since\` time (${c.query.since}) cannot be after \`until\` time (${c.query.until})`);
      const options = { since, until, filters: parseFilters(c.query.filters), signal: c.signal };
      const events = system.events(options);
      await sendLines(c, (async function* () { for await (const event of events) yield encodeEvent(event); })());
      return undefined;
    },
    async systemDf(c) {
      // Before 1.42 nobody asked for single kinds.
      const types = c.version >= 42 ? c.query.type ?? [] : [];
      const wanted = (type: (typeof types)[number]): boolean => types.length === 0 || types.includes(type);
      const usage = await system.df(types);
      return ok(diskUsage({
        LayersSize: wanted("image") ? usage.layersSize : 0,
        Images: wanted("image") ? lists.images(usage.images, true, c.version) : null,
        Containers: wanted("container") ? lists.containers(usage.containers, clock.now(), c.version) : null,
        Volumes: wanted("volume") ? lazily(usage.volumes, (v) => encodeVolume(v, true)) : null,
        BuildCache: wanted("build-cache") ? lists.buildRecords(usage.buildCache, c.version) : null,
      }, usage.buildCache.reduce((sum, { size }) => sum + size, 0), c.version));
    },
  };
}
