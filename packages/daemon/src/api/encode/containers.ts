import { join } from "node:path";
import { rfc3339Nano, type Container, type ContainerState, type Health, type MountPoint } from "../../core/index.js";
import { parseLink } from "../../services/networks-directory.js";
import { legacyLinks } from "../../services/networks-links.js";
import type { ContainerView } from "../../services/types.js";
import type { components } from "../generated/openapi.js";
import { humanDuration } from "./duration.js";
import { encodeConfig } from "./images.js";

type Schemas = components["schemas"];

/** `Up 3 seconds`, `Exited (0) 2 minutes ago`. */
export function statusText(state: ContainerState, now: number, health?: Health): string {
  const since = (at: number | undefined): string => humanDuration(now - (at ?? now));
  switch (state.status) {
    case "running": return `Up ${since(state.startedAt)}${health === undefined ? "" : health.status === "starting" ? " (health: starting)" : ` (${health.status})`}`;
    case "paused": return `Up ${since(state.startedAt)} (Paused)`;
    case "restarting": return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case "removing": return "Removal In Progress";
    case "dead": return "Dead";
    case "created": return "Created";
    case "exited": return state.finishedAt === undefined ? "Created" : `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

function encodeHealth({ status, failingStreak, log }: Health): Schemas["Health"] {
  return {
    Status: status, FailingStreak: failingStreak,
    Log: log.map((r) => ({ Start: rfc3339Nano(r.start), End: rfc3339Nano(r.end), ExitCode: r.exitCode, Output: r.output })),
  };
}

function endpointSettings(view: ContainerView, name: string): Schemas["EndpointSettings"] {
  const { container } = view;
  const spec = container.networks[name] ?? {};
  const at = view.endpoints.find((e) => e.networkName === name);
  const own = name !== "bridge" && name !== "host" && name !== "none";
  const aliases = spec.Aliases ?? null;
  const hostname = container.config.Hostname;
  return {
    IPAMConfig: spec.IPAMConfig ?? null,
    Links: spec.Links ?? null,
    Aliases: aliases,
    MacAddress: at?.mac ?? spec.MacAddress ?? "",
    DriverOpts: spec.DriverOpts ?? null,
    GwPriority: spec.GwPriority ?? 0,
    NetworkID: at?.network ?? view.networkIds?.get(name) ?? "",
    EndpointID: at?.id ?? "",
    Gateway: at?.gateway ?? "",
    IPAddress: at?.ipv4 ?? "",
    IPPrefixLen: at?.ipv4 ? at.prefix : 0,
    IPv6Gateway: at?.gateway6 ?? "",
    GlobalIPv6Address: at?.ipv6 ?? "",
    GlobalIPv6PrefixLen: at?.ipv6 ? at.prefix6 : 0,
    DNSNames: own ? [...new Set([container.name, ...(aliases ?? []), container.id.slice(0, 12), ...(hostname ? [hostname] : [])])] : null,
  };
}

function networksOf(view: ContainerView): Record<string, Schemas["EndpointSettings"]> {
  const names = new Set([...Object.keys(view.container.networks), ...view.endpoints.map((e) => e.networkName)]);
  return Object.fromEntries([...names].map((name) => [name, endpointSettings(view, name)]));
}

function portMap(view: ContainerView): Schemas["PortMap"] {
  const map: Record<string, Schemas["PortBinding"][] | null> = {};
  if (view.container.state.pid === 0) return map;
  for (const port of Object.keys(view.container.config.ExposedPorts ?? {})) map[port.includes("/") ? port : `${port}/tcp`] = null;
  for (const p of view.ports) (map[`${p.containerPort}/${p.protocol}`] ??= []).push({ HostIp: p.hostIp, HostPort: String(p.hostPort) });
  return map;
}

function encodeMount(m: MountPoint): Schemas["MountPoint"] {
  return {
    Type: m.Type, ...(m.Name === undefined ? {} : { Name: m.Name }), Source: m.Source, Destination: m.Destination,
    ...(m.Driver === undefined ? {} : { Driver: m.Driver }), Mode: m.Mode, RW: m.RW, Propagation: m.Propagation,
  };
}

const sizes = (view: ContainerView): { SizeRw?: number; SizeRootFs?: number } => ({
  ...(view.sizeRw === undefined ? {} : { SizeRw: view.sizeRw }), ...(view.sizeRootFs === undefined ? {} : { SizeRootFs: view.sizeRootFs }),
});

export function encodeContainerSummary(view: ContainerView, now: number): Schemas["ContainerSummary"] {
  const c = view.container;
  const args = c.args.map((a) => (a.includes(" ") ? `'${a}'` : a));
  const published = new Set(view.ports.map((p) => `${p.containerPort}/${p.protocol}`));
  const running = c.state.pid !== 0;
  const exposed = running ? Object.keys(c.config.ExposedPorts ?? {}).map((p) => (p.includes("/") ? p : `${p}/tcp`)).filter((p) => !published.has(p) && !p.includes("-")) : [];
  return {
    Id: c.id,
    Names: [`/${c.name}`, ...view.linkedAs ?? []],
    Image: c.imageName,
    ImageID: c.imageId,
    Command: [c.path, ...args].join(" "),
    Created: Math.floor(c.createdAt / 1000),
    Ports: [
      ...view.ports.map((p) => ({ IP: p.hostIp, PrivatePort: p.containerPort, PublicPort: p.hostPort, Type: p.protocol })),
      ...exposed.map((p) => ({ PrivatePort: Number(p.slice(0, p.indexOf("/"))), Type: p.slice(p.indexOf("/") + 1) as "tcp" })),
    ],
    ...sizes(view),
    Labels: c.config.Labels ?? {},
    State: c.state.status,
    Status: statusText(c.state, now, view.health),
    HostConfig: { NetworkMode: c.hostConfig.NetworkMode ?? "default", ...(c.hostConfig.Annotations ? { Annotations: c.hostConfig.Annotations } : {}) },
    NetworkSettings: { Networks: networksOf(view) },
    Mounts: c.mounts.map(encodeMount),
  };
}

/** Members of `HostConfig` that Docker's inspect shows whether they were given or not. */
const HOST_DEFAULTS = {
  Binds: null, ContainerIDFile: "", LogConfig: { Type: "json-file", Config: {} }, NetworkMode: "default", PortBindings: {},
  RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, AutoRemove: false, VolumeDriver: "", VolumesFrom: null, ConsoleSize: [0, 0],
  CapAdd: null, CapDrop: null, CgroupnsMode: "", Dns: [], DnsOptions: [], DnsSearch: [], ExtraHosts: null, GroupAdd: null, IpcMode: "", Cgroup: "",
  Links: null, OomScoreAdj: 0, PidMode: "", Privileged: false, PublishAllPorts: false, ReadonlyRootfs: false, SecurityOpt: null, UTSMode: "",
  UsernsMode: "", ShmSize: 64 << 20, Runtime: "", Isolation: "", CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: "", BlkioWeight: 0,
  BlkioWeightDevice: [], BlkioDeviceReadBps: [], BlkioDeviceWriteBps: [], BlkioDeviceReadIOps: [], BlkioDeviceWriteIOps: [], CpuPeriod: 0, CpuQuota: 0,
  CpuRealtimePeriod: 0, CpuRealtimeRuntime: 0, CpusetCpus: "", CpusetMems: "", Devices: [], DeviceCgroupRules: null, DeviceRequests: null,
  MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: null, PidsLimit: null, Ulimits: [], CpuCount: 0, CpuPercent: 0,
  IOMaximumIOps: 0, IOMaximumBandwidth: 0, MaskedPaths: null, ReadonlyPaths: null,
} as const;

export interface InspectFacts {
  /** `<data-root>/containers`. */
  readonly directory: string;
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
  /** Network namespace, when it has its own and runs. */
  readonly sandbox: string;
  readonly execs: readonly string[];
}

/** Links of the default network as Docker shows them: whose, and under which name of ours. */
function encodeLinks(c: Container): string[] | null {
  const links = legacyLinks(c).map(parseLink).map(({ target, alias }) => `/${target}:/${c.name}/${alias}`);
  return links.length > 0 ? links : null;
}

export function encodeContainer(view: ContainerView, facts: InspectFacts): Schemas["ContainerInspect"] {
  const c: Container = view.container;
  const s = c.state;
  const file = (name: string): string => join(facts.directory, c.id, name);
  const networks = networksOf(view);
  const bridge = networks["bridge"];
  const log = c.hostConfig.LogConfig?.Type ?? "json-file";
  return {
    Id: c.id,
    Created: rfc3339Nano(c.createdAt),
    Path: c.path,
    Args: [...c.args],
    State: {
      Status: s.status,
      Running: s.status === "running" || s.status === "paused" || s.status === "restarting",
      Paused: s.status === "paused", Restarting: s.status === "restarting", OOMKilled: s.oomKilled, Dead: s.status === "dead",
      Pid: s.pid, ExitCode: s.exitCode, Error: s.error, StartedAt: rfc3339Nano(s.startedAt), FinishedAt: rfc3339Nano(s.finishedAt),
      ...(view.health === undefined ? {} : { Health: encodeHealth(view.health) }),
    },
    Image: c.imageId,
    ResolvConfPath: file("resolv.conf"), HostnamePath: file("hostname"), HostsPath: file("hosts"),
    LogPath: log === "json-file" ? file(`${c.id}-json.log`) : "",
    Name: `/${c.name}`,
    RestartCount: s.restartCount,
    Driver: c.driver,
    Platform: "linux",
    MountLabel: "", ProcessLabel: "", AppArmorProfile: "",
    ExecIDs: facts.execs.length > 0 ? [...facts.execs] : null,
    HostConfig: { ...HOST_DEFAULTS, ...c.hostConfig, Links: encodeLinks(c) } as unknown as Schemas["HostConfig"],
    GraphDriver: { Data: { ...facts.graphDriver.data }, Name: facts.graphDriver.name },
    ...sizes(view),
    Mounts: c.mounts.map(encodeMount),
    Config: encodeConfig(c.config),
    NetworkSettings: {
      Bridge: "", SandboxID: facts.sandbox === "" ? "" : c.id, SandboxKey: facts.sandbox, Ports: portMap(view),
      HairpinMode: false, LinkLocalIPv6Address: "", LinkLocalIPv6PrefixLen: 0, SecondaryIPAddresses: null, SecondaryIPv6Addresses: null,
      EndpointID: bridge?.EndpointID ?? "", Gateway: bridge?.Gateway ?? "", GlobalIPv6Address: bridge?.GlobalIPv6Address ?? "",
      GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0, IPAddress: bridge?.IPAddress ?? "", IPPrefixLen: bridge?.IPPrefixLen ?? 0,
      IPv6Gateway: bridge?.IPv6Gateway ?? "", MacAddress: bridge?.MacAddress ?? "",
      Networks: networks,
    },
  };
}
