import type { ContainerCreateRequest, HostConfig } from "@strata/client";
import { keyValues } from "../key-values.js";
import { readByteRates, readCountRates, readDevices, readHosts, readMounts, readUlimits, type CreateFlags } from "./flags.js";
import { parseTmpfs, parseVolumes } from "./mounts.js";
import { parsePorts } from "./ports.js";
import { parseSecurity, readEnvironment, readLabels } from "./values.js";

/** What a list becomes: left out when empty, so that the daemon's own default stands. */
const some = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined);
const someMap = <T>(map: Record<string, T>): Record<string, T> | undefined => (Object.keys(map).length > 0 ? map : undefined);

export interface Spec {
  readonly request: ContainerCreateRequest;
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
}

/** Makes the request of the flags and the words after them. Throws when they contradict each other or cannot be read. */
export function buildSpec(flags: CreateFlags, image: string, command: readonly string[], env: NodeJS.ProcessEnv, detach = false): Spec {
  const attach = attachments(flags, detach);
  const { volumes, binds } = parseVolumes(flags.volume);
  const { exposed, bindings } = parsePorts(flags.publish, flags.expose);
  const isTty = flags.tty ?? false;
  const openStdin = flags.interactive === true;
  const request: ContainerCreateRequest = {
    Image: image, Cmd: some([...command]), Entrypoint: flags.entrypoint === undefined ? undefined : [flags.entrypoint],
    Hostname: flags.hostname, Domainname: flags.domainname, User: flags.user, WorkingDir: flags.workdir,
    Env: some(readEnvironment(flags.env, flags.envFile, env)), Labels: someMap(readLabels(flags.label, flags.labelFile)),
    AttachStdin: attach.stdin, AttachStdout: attach.stdout, AttachStderr: attach.stderr, Tty: isTty, OpenStdin: openStdin, StdinOnce: openStdin && attach.stdin,
    ExposedPorts: someMap(exposed), Volumes: someMap(volumes), Healthcheck: healthcheck(flags), StopSignal: flags.stopSignal, StopTimeout: flags.stopTimeout,
    HostConfig: { ...hostConfig(flags), Binds: some(binds), PortBindings: someMap(bindings) }, NetworkingConfig: networkingConfig(flags),
  };
  return { request, attach };
}

function attachments(flags: CreateFlags, detach: boolean): Spec["attach"] {
  const wanted = flags.attach.map((name) => name.toLowerCase());
  for (const name of wanted) {
    if (!["stdin", "stdout", "stderr"].includes(name)) throw new Error(`invalid argument ${JSON.stringify(name)} for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`);
  }
  if (detach && wanted.length > 0) throw new Error("conflicting options: cannot specify both --attach and --detach");
  if (detach) return { stdin: false, stdout: false, stderr: false };
  if (wanted.length > 0) return { stdin: wanted.includes("stdin") || flags.interactive === true, stdout: wanted.includes("stdout"), stderr: wanted.includes("stderr") };
  return { stdin: flags.interactive === true, stdout: true, stderr: true };
}

function hostConfig(flags: CreateFlags): HostConfig {
  const restart = flags.restart;
  if (flags.rm === true && restart !== undefined && restart.Name !== "no") throw new Error("conflicting options: cannot specify both --restart and --rm");
  return {
    AutoRemove: flags.rm ?? false, ContainerIDFile: flags.cidfile, NetworkMode: networkMode(flags), PublishAllPorts: flags.publishAll ?? false,
    RestartPolicy: restart ?? { Name: "no", MaximumRetryCount: 0 },
    Mounts: some(readMounts(flags.mount)), Tmpfs: someMap(parseTmpfs(flags.tmpfs)), VolumesFrom: some(flags.volumesFrom), VolumeDriver: flags.volumeDriver,
    ReadonlyRootfs: flags.readOnly ?? false, Privileged: flags.privileged ?? false, CapAdd: some(flags.capAdd), CapDrop: some(flags.capDrop), SecurityOpt: some(parseSecurity(flags.securityOpt)),
    Devices: some(readDevices(flags.device)), DeviceCgroupRules: some(flags.deviceCgroupRule), GroupAdd: some(flags.groupAdd), Ulimits: some(readUlimits(flags.ulimit)),
    PidMode: flags.pid, IpcMode: flags.ipc, UTSMode: flags.uts, UsernsMode: flags.userns, CgroupnsMode: flags.cgroupns as HostConfig["CgroupnsMode"], CgroupParent: flags.cgroupParent,
    Memory: flags.memory, MemoryReservation: flags.memoryReservation, MemorySwap: flags.memorySwap, MemorySwappiness: flags.memorySwappiness, NanoCpus: flags.cpus,
    CpuShares: flags.cpuShares, CpuPeriod: flags.cpuPeriod, CpuQuota: flags.cpuQuota, CpusetCpus: flags.cpusetCpus, CpusetMems: flags.cpusetMems, ...blockIo(flags),
    PidsLimit: flags.pidsLimit, OomKillDisable: flags.oomKillDisable, OomScoreAdj: flags.oomScoreAdj, ShmSize: flags.shmSize, Init: flags.init, Runtime: flags.runtime,
    Sysctls: someMap(keyValues(flags.sysctl)), StorageOpt: someMap(keyValues(flags.storageOpt)), Annotations: someMap(keyValues(flags.annotation)),
    ExtraHosts: some(readHosts(flags.addHost)), Dns: some(flags.dns), DnsOptions: some(flags.dnsOption), DnsSearch: some(flags.dnsSearch), Links: some(flags.link),
    LogConfig: { Type: flags.logDriver ?? "", Config: keyValues(flags.logOpt) },
  };
}

function blockIo(flags: CreateFlags): HostConfig {
  return {
    BlkioWeight: flags.blkioWeight, BlkioWeightDevice: some(readCountRates("--blkio-weight-device", flags.blkioWeightDevice).map(({ Path, Rate }) => ({ Path, Weight: Rate }))),
    BlkioDeviceReadBps: some(readByteRates("--device-read-bps", flags.deviceReadBps)), BlkioDeviceWriteBps: some(readByteRates("--device-write-bps", flags.deviceWriteBps)),
    BlkioDeviceReadIOps: some(readCountRates("--device-read-iops", flags.deviceReadIops)), BlkioDeviceWriteIOps: some(readCountRates("--device-write-iops", flags.deviceWriteIops)),
  };
}

interface NetworkFlag { readonly name: string; readonly options: Readonly<Record<string, readonly string[]>> }

/** `bridge`, or `name=mine,alias=web,ip=10.0.0.5`. */
function networkFlags({ network, net }: CreateFlags): NetworkFlag[] {
  return [...network, ...net].map((text) => {
    if (!text.includes("=")) return { name: text, options: {} };
    const options: Record<string, string[]> = {};
    for (const field of text.split(",")) {
      const at = field.indexOf("=");
      if (at === -1) throw new Error(`invalid field ${field}`);
      (options[field.slice(0, at).toLowerCase()] ??= []).push(field.slice(at + 1));
    }
    const name = options["name"]?.[0];
    if (name === undefined) throw new Error("network name/id is not specified");
    return { name, options };
  });
}

const networkMode = (flags: CreateFlags): string => networkFlags(flags)[0]?.name ?? "default";

/** What is asked of each network; the single flags are about the first. */
function networkingConfig(flags: CreateFlags): ContainerCreateRequest["NetworkingConfig"] {
  const networks = networkFlags(flags);
  const own = { alias: flags.networkAlias, ip: flags.ip, ip6: flags.ip6, link: flags.link, mac: flags.macAddress, local: flags.linkLocalIp };
  const isPlain = own.alias.length === 0 && own.ip === undefined && own.ip6 === undefined && own.mac === undefined && own.local.length === 0;
  if (networks.length <= 1 && isPlain && Object.keys(networks[0]?.options ?? {}).length === 0) return undefined;
  const list = networks.length > 0 ? networks : [{ name: "default", options: {} as NetworkFlag["options"] }];
  return {
    EndpointsConfig: Object.fromEntries(list.map(({ name, options }, at) => {
      const first = at === 0;
      const one = (key: string, flag: string | undefined): string | undefined => options[key]?.[0] ?? (first ? flag : undefined);
      const many = (key: string, flag: string[]): string[] | undefined => some([...(options[key] ?? []), ...(first ? flag : [])]);
      const IPAMConfig = { IPv4Address: one("ip", own.ip), IPv6Address: one("ip6", own.ip6), LinkLocalIPs: many("link-local-ip", own.local) };
      const priority = options["gw-priority"]?.[0];
      return [name, {
        Aliases: many("alias", own.alias), IPAMConfig, Links: first ? some(own.link) : undefined, MacAddress: one("mac-address", own.mac),
        DriverOpts: someMap(keyValues(options["driver-opt"] ?? [])), GwPriority: priority === undefined ? undefined : Number(priority),
      }];
    })),
  };
}

function healthcheck(flags: CreateFlags): ContainerCreateRequest["Healthcheck"] {
  const { healthCmd, healthInterval, healthTimeout, healthRetries, healthStartPeriod, healthStartInterval } = flags;
  const given = [healthCmd, healthInterval, healthTimeout, healthRetries, healthStartPeriod, healthStartInterval].some((value) => value !== undefined);
  if (flags.noHealthcheck === true) {
    if (given) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!given) return undefined;
  return {
    Test: healthCmd === undefined ? undefined : ["CMD-SHELL", healthCmd], Interval: healthInterval, Timeout: healthTimeout, Retries: healthRetries,
    StartPeriod: healthStartPeriod, StartInterval: healthStartInterval,
  };
}
