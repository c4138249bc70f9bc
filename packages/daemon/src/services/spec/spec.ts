import { posix } from "node:path";
import { InvalidArgument, UNLIMITED, type Container, type HostConfig } from "../../core/index.js";
import { capabilitiesOf } from "./capabilities.js";
import { ALL_DEVICES_RULES, DEFAULT_DEVICE_RULES, deviceEntry, parseDeviceRule, type DeviceNode } from "./devices.js";
import { DEFAULT_PATH, MASKED_PATHS, READONLY_PATHS } from "./paths.js";
import { DEFAULT_SHM_SIZE, baseMounts, bindMount, inMountOrder, tmpfsMount, tmpfsOfMountSpec } from "./mounts.js";
import { defaultSeccomp, parseSeccomp } from "./seccomp.js";
import { parseSecurityOptions } from "./security.js";
import { checkSysctls } from "./sysctls.js";
import { resourcesOf, type BlockDevices } from "./resources.js";
import type { HostFacts, RuntimeSpec, SpecMount, SpecProcess } from "./model.js";
import type { ResolvedUser } from "./users.js";

/** Everything a spec is made of, looked up beforehand: building it touches nothing. */
export interface SpecInput {
  readonly container: Container;
  readonly host: HostFacts;
  /** The mounted root. */
  readonly rootfs: string;
  readonly user: ResolvedUser;
  /** Path of the network namespace; undefined is the host's. */
  readonly netns?: string;
  /** Namespace paths of other containers (`container:<id>` modes). */
  readonly join: { readonly ipc?: string; readonly pid?: string; readonly uts?: string };
  /** A shared `/dev/shm` (ipc mode shareable or container:x). */
  readonly shmPath?: string;
  /** Host files over /etc/hosts and its kin: destination → source. */
  readonly etcFiles: Readonly<Record<string, string>>;
  /** Device nodes to hand in; for a privileged container all of the host's. */
  readonly devices: readonly { readonly path: string; readonly node: DeviceNode; readonly permissions: string }[];
  /** Mount points of what is no directory: nothing can be mounted below. */
  readonly files?: ReadonlySet<string>;
  /** Numbers of the devices whose use is limited, by their paths. */
  readonly limitedDevices?: BlockDevices;
  /** Permission bits of the image's directories that a tmpfs hides: the tmpfs has the same. */
  readonly tmpfsModes?: ReadonlyMap<string, number>;
  readonly hostname: string;
  readonly cgroupsPath: string;
}

const wants = (mode: string | undefined, word: string): boolean => mode === word;

/** Environment of the first process: image and user values over PATH, HOSTNAME, TERM, HOME. Later wins. */
export function environment(options: { env: readonly string[]; hostname: string; tty: boolean; home: string }): string[] {
  const out = new Map<string, string>();
  const put = (entry: string): void => { const at = entry.indexOf("="); out.set(at < 0 ? entry : entry.slice(0, at), entry); };
  put(DEFAULT_PATH);
  put(`HOSTNAME=${options.hostname}`);
  if (options.tty) put("TERM=xterm");
  for (const entry of options.env) {
    // `NAME` alone removes what the image set.
    if (entry.includes("=")) put(entry);
    else out.delete(entry);
  }
  if (!out.has("HOME")) put(`HOME=${options.home}`);
  return [...out.values()];
}

function rlimits(h: HostConfig): SpecProcess["rlimits"] {
  return (h.Ulimits ?? []).map((u) => ({ type: `RLIMIT_${u.Name.toUpperCase()}`, soft: unlimited(u.Soft), hard: unlimited(u.Hard) }));
}
const unlimited = (n: number): number => (n < 0 ? UNLIMITED : n);

/** What a container's processes have in common, those of execs included. */
function common(h: HostConfig): Pick<SpecProcess, "rlimits" | "noNewPrivileges" | "oomScoreAdj"> {
  return {
    ...(h.Ulimits?.length ? { rlimits: rlimits(h) } : {}),
    noNewPrivileges: parseSecurityOptions(h.SecurityOpt ?? []).noNewPrivileges,
    ...(h.OomScoreAdj ? { oomScoreAdj: h.OomScoreAdj } : {}),
  };
}

/** The process document of a container's first process. */
function firstProcess(input: SpecInput, capabilities: string[]): SpecProcess {
  const { container: c, user } = input;
  const console = c.hostConfig.ConsoleSize;
  return {
    terminal: c.config.Tty === true,
    ...(c.config.Tty && console && console[0] && console[1] ? { consoleSize: { height: console[0], width: console[1] } } : {}),
    user: { uid: user.uid, gid: user.gid, ...(user.additionalGids.length ? { additionalGids: [...user.additionalGids] } : {}) },
    args: [c.path, ...c.args],
    env: environment({ env: c.config.Env ?? [], hostname: input.hostname, tty: c.config.Tty === true, home: user.home }),
    cwd: c.config.WorkingDir || "/",
    capabilities: capabilitySets(capabilities, user.uid),
    ...common(c.hostConfig),
  };
}

/** A process that is not root starts without effective capabilities; the bounding set is what it may regain. */
function capabilitySets(held: string[], uid: number): SpecProcess["capabilities"] {
  const live = uid === 0 ? held : [];
  return { bounding: held, effective: live, permitted: live, inheritable: [], ambient: [] };
}

/** The process document of an exec. */
export function execProcess(container: Container, host: HostFacts, user: ResolvedUser, exec: { cmd: readonly string[]; env: readonly string[]; tty: boolean; workingDir: string; privileged: boolean; consoleSize?: readonly [number, number] }, hostname: string): SpecProcess {
  if (exec.cmd.length === 0) throw new InvalidArgument("No exec command specified");
  if (exec.workingDir && !exec.workingDir.startsWith("/")) throw new InvalidArgument(`OCI runtime exec failed: Cwd must be an absolute path: ${exec.workingDir}`);
  const h = container.hostConfig;
  const capabilities = capabilitiesOf({ privileged: exec.privileged || h.Privileged === true, add: h.CapAdd ?? [], drop: h.CapDrop ?? [], available: host.capabilities });
  return {
    terminal: exec.tty,
    ...(exec.tty && exec.consoleSize ? { consoleSize: { height: exec.consoleSize[0], width: exec.consoleSize[1] } } : {}),
    user: { uid: user.uid, gid: user.gid, ...(user.additionalGids.length ? { additionalGids: [...user.additionalGids] } : {}) },
    args: [...exec.cmd],
    env: environment({ env: [...(container.config.Env ?? []), ...exec.env], hostname, tty: exec.tty, home: user.home }),
    cwd: exec.workingDir || container.config.WorkingDir || "/",
    capabilities: capabilitySets(capabilities, user.uid),
    ...common(h),
  };
}

function namespaces(input: SpecInput): RuntimeSpec["linux"]["namespaces"] {
  const h = input.container.hostConfig;
  const list: RuntimeSpec["linux"]["namespaces"] = [{ type: "mount" }];
  if (input.netns !== undefined) list.push({ type: "network", path: input.netns });
  if (!wants(h.UTSMode, "host")) list.push({ type: "uts", ...(input.join.uts ? { path: input.join.uts } : {}) });
  if (!wants(h.IpcMode, "host")) list.push({ type: "ipc", ...(input.join.ipc ? { path: input.join.ipc } : {}) });
  if (!wants(h.PidMode, "host")) list.push({ type: "pid", ...(input.join.pid ? { path: input.join.pid } : {}) });
  if (privateCgroupns(h, input.host)) list.push({ type: "cgroup" });
  return list;
}
/** Docker: private on v2, host on v1, unless asked for or privileged. */
export function privateCgroupns(h: HostConfig, host: HostFacts): boolean {
  if (h.CgroupnsMode === "private") return true;
  if (h.CgroupnsMode === "host" || h.Privileged) return false;
  return host.cgroupVersion === 2;
}

function mounts(input: SpecInput): SpecMount[] {
  const { container: c, host } = input;
  const h = c.hostConfig;
  const extra: SpecMount[] = [];
  for (const [destination, source] of Object.entries(input.etcFiles)) extra.push({ destination, type: "bind", source, options: ["rbind", h.ReadonlyRootfs ? "ro" : "rw", "rprivate"] });
  for (const point of c.mounts) {
    if (point.Type === "tmpfs") continue;
    const asked = (h.Mounts ?? []).find((m) => m.Type === "bind" && posix.resolve(m.Target) === point.Destination)?.BindOptions;
    extra.push(bindMount(point, asked, host.recursiveReadOnly.has(h.Runtime ?? ""), input.files?.has(point.Destination)));
  }
  for (const [destination, options] of Object.entries(h.Tmpfs ?? {})) extra.push(tmpfsMount(destination, options, input.tmpfsModes?.get(destination)));
  for (const m of h.Mounts ?? []) if (m.Type === "tmpfs") extra.push(tmpfsOfMountSpec(m, input.tmpfsModes?.get(m.Target)));
  const taken = new Set(extra.map((m) => m.destination.replace(/\/+$/, "") || "/"));
  const base = baseMounts({
    cgroupVersion: host.cgroupVersion, privateCgroupns: privateCgroupns(h, host), privileged: h.Privileged === true, shmSize: h.ShmSize || DEFAULT_SHM_SIZE,
    ipc: h.IpcMode ?? "private", ...(input.shmPath === undefined ? {} : { shmPath: input.shmPath }), hostNetwork: input.netns === undefined,
  }).filter((m) => !taken.has(m.destination));
  if (hasInit(h)) extra.push({ destination: "/sbin/docker-init", type: "bind", source: host.init ?? "", options: ["bind", "ro"] });
  return [...base, ...inMountOrder(extra)];
}

/** An init is the first process of a process namespace of the container's own, and of no other. */
const hasInit = (h: HostConfig): boolean => h.Init === true && (h.PidMode || "private") === "private";

const SHARED = new Set(["shared", "rshared"]), SLAVE = new Set(["slave", "rslave"]);

/** A container as an OCI runtime-spec document. InvalidArgument names the field that cannot be honoured. */
export function runtimeSpec(input: SpecInput): RuntimeSpec {
  const { container: c, host } = input;
  const h = c.hostConfig;
  const privileged = h.Privileged === true;
  if (hasInit(h) && host.init === undefined) throw new InvalidArgument("Init: neither docker-init nor tini is installed on this host");
  const security = parseSecurityOptions(h.SecurityOpt ?? []);
  const capabilities = capabilitiesOf({ privileged, add: h.CapAdd ?? [], drop: h.CapDrop ?? [], available: host.capabilities });
  const entries = input.devices.map((d) => deviceEntry(d.path, d.node, d.permissions));
  const rules = privileged ? ALL_DEVICES_RULES : [...DEFAULT_DEVICE_RULES, ...entries.map((e) => e.rule), ...(h.DeviceCgroupRules ?? []).map(parseDeviceRule)];
  const seccomp = privileged || security.seccomp === null || !host.seccomp ? undefined
    : security.seccomp === undefined ? defaultSeccomp(host.arch, capabilities, host.kernel) : parseSeccomp(security.seccomp, host.arch, capabilities, host.kernel);
  const unmask = privileged || security.unmaskPaths;
  const process = firstProcess(input, capabilities);
  if (hasInit(h)) process.args = ["/sbin/docker-init", "--", ...process.args];
  const propagations = c.mounts.map((m) => m.Propagation);
  const rootfsPropagation = propagations.some((p) => SHARED.has(p)) ? "shared" : propagations.some((p) => SLAVE.has(p)) ? "slave" : undefined;
  return {
    ociVersion: "1.0.2",
    process,
    root: { path: input.rootfs, readonly: h.ReadonlyRootfs === true },
    ...(wants(h.UTSMode, "host") || input.join.uts ? {} : { hostname: input.hostname }),
    mounts: mounts(input),
    ...(h.Annotations && Object.keys(h.Annotations).length ? { annotations: h.Annotations } : {}),
    linux: {
      namespaces: namespaces(input),
      cgroupsPath: input.cgroupsPath,
      resources: resourcesOf(h, rules, input.limitedDevices),
      devices: entries.map((e) => e.device),
      maskedPaths: unmask ? [] : [...(h.MaskedPaths ?? MASKED_PATHS)],
      readonlyPaths: unmask ? [] : [...(h.ReadonlyPaths ?? READONLY_PATHS)],
      ...sysctls(h, input),
      ...(seccomp ? { seccomp } : {}),
      ...(rootfsPropagation ? { rootfsPropagation } : {}),
    },
  };
}

/** User sysctls, over Docker's own: two conveniences in a network namespace of the container's own, and the domain's name. */
function sysctls(h: HostConfig, input: SpecInput): { sysctl?: Record<string, string> } {
  checkSysctls(h, input.netns === undefined);
  const own = input.netns !== undefined && !(h.NetworkMode ?? "").startsWith("container:");
  const domain = input.container.config.Domainname;
  const all = {
    ...(own ? { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" } : {}),
    ...(domain && !wants(h.UTSMode, "host") && !input.join.uts ? { "kernel.domainname": domain } : {}), ...(h.Sysctls ?? {}),
  };
  return Object.keys(all).length ? { sysctl: all } : {};
}
