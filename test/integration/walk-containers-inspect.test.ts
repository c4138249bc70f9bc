import { type Daemon, daemonNeeds, needs, setUp, skipped, until, which } from "../helpers/index.js";

/** `docker inspect` of a container whole: every field that Docker 28 has, with its type, in each of a container's states. */
const withInit = which("docker-init") ?? which("tini") ? needs(...daemonNeeds, "docker") : skipped("no docker-init on this machine");

let daemon: Daemon;
setUp(async (bed) => { daemon = await bed.daemonWithBusybox(); });

const FLAGS = [
  "-p", "127.0.0.1:8127:80", "-e", "A=b", "-l", "a=b", "-v", "vol:/v", "-v", "/tmp:/host:ro", "--tmpfs", "/t", "--mount", "type=tmpfs,dst=/t2", "--health-cmd", "true", "--health-interval", "100ms", "--ulimit", "nofile=100:200",
  "--device", "/dev/null:/dev/mine", "-m", "64m", "--dns", "192.0.2.1", "--restart", "on-failure:2", "--cap-add", "NET_ADMIN", "--group-add", "77", "--add-host", "x:10.0.0.1", "--sysctl", "net.ipv4.ip_forward=0", "--log-opt", "max-size=1m", "--init",
];
type State = "created" | "running" | "stopped";
const STATES: readonly State[] = ["created", "running", "stopped"];
/** Keys below these are users' own. */
const OPEN = /^(State\.Health\.Log|Config\.(Labels|ExposedPorts|Volumes)|HostConfig\.(PortBindings|LogConfig\.Config|Sysctls|Tmpfs|Annotations|StorageOpt)|NetworkSettings\.Ports|GraphDriver\.Data)\b/;

/** Every path with the type of what is there, array members by their first. */
function typesOf(value: unknown, path = "", out = new Map<string, string>()): Map<string, string> {
  const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  if (path !== "") out.set(path, type);
  if (type === "object" && !OPEN.test(path)) for (const [key, member] of Object.entries(value as object)) typesOf(member, path === "" ? key : `${path}.${key}`, out);
  if (type === "array" && !OPEN.test(path) && typeof (value as unknown[])[0] === "object") typesOf((value as unknown[])[0], `${path}[]`, out);
  return out;
}

/** A container in a state, inspected in several versions. */
async function inspected(state: State, versions: readonly string[]): Promise<unknown[]> {
  await daemon.dockerOk("create", "--name", "seen", ...FLAGS, "busybox", "sleep", "1000");
  try {
    if (state !== "created") await daemon.dockerOk("start", "seen");
    if (state !== "created") await until(async () => ((await daemon.inspect("seen")).State.Health.Status === "healthy" ? true : undefined), 30_000, "a check");
    if (state === "stopped") await daemon.dockerOk("stop", "-t", "0", "seen");
    return await Promise.all(versions.map(async (version) => (await daemon.api("GET", `/${version}/containers/seen/json`)).json as unknown));
  } finally { await daemon.dockerOk("rm", "-fv", "seen"); }
}

const words = (text: string): string[] => text.trim().split(/\s+/);
/** By type, as Docker 28 tells them of such a container (API 1.51). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  string: words(`Id Created Path Image ResolvConfPath HostnamePath HostsPath LogPath Name Driver Platform MountLabel ProcessLabel AppArmorProfile State.Status State.Error State.StartedAt State.FinishedAt
    HostConfig.ContainerIDFile HostConfig.LogConfig.Type HostConfig.NetworkMode HostConfig.RestartPolicy.Name HostConfig.VolumeDriver HostConfig.CgroupnsMode HostConfig.IpcMode HostConfig.Cgroup HostConfig.PidMode
    HostConfig.UTSMode HostConfig.UsernsMode HostConfig.Runtime HostConfig.Isolation HostConfig.CgroupParent HostConfig.CpusetCpus HostConfig.CpusetMems GraphDriver.Name Config.Hostname Config.Domainname Config.User
    Config.Image Config.WorkingDir NetworkSettings.Bridge NetworkSettings.SandboxID NetworkSettings.SandboxKey NetworkSettings.LinkLocalIPv6Address NetworkSettings.EndpointID NetworkSettings.Gateway
    NetworkSettings.GlobalIPv6Address NetworkSettings.IPAddress NetworkSettings.IPv6Gateway NetworkSettings.MacAddress NetworkSettings.Networks.bridge.MacAddress NetworkSettings.Networks.bridge.NetworkID
    NetworkSettings.Networks.bridge.EndpointID NetworkSettings.Networks.bridge.Gateway NetworkSettings.Networks.bridge.IPAddress NetworkSettings.Networks.bridge.IPv6Gateway NetworkSettings.Networks.bridge.GlobalIPv6Address`),
  number: words(`RestartCount State.Pid State.ExitCode HostConfig.RestartPolicy.MaximumRetryCount HostConfig.OomScoreAdj HostConfig.ShmSize HostConfig.CpuShares HostConfig.Memory HostConfig.NanoCpus HostConfig.BlkioWeight
    HostConfig.CpuPeriod HostConfig.CpuQuota HostConfig.CpuRealtimePeriod HostConfig.CpuRealtimeRuntime HostConfig.MemoryReservation HostConfig.MemorySwap HostConfig.CpuCount HostConfig.CpuPercent
    HostConfig.IOMaximumIOps HostConfig.IOMaximumBandwidth NetworkSettings.LinkLocalIPv6PrefixLen NetworkSettings.GlobalIPv6PrefixLen NetworkSettings.IPPrefixLen NetworkSettings.Networks.bridge.GwPriority
    NetworkSettings.Networks.bridge.IPPrefixLen NetworkSettings.Networks.bridge.GlobalIPv6PrefixLen`),
  boolean: words(`State.Running State.Paused State.Restarting State.OOMKilled State.Dead HostConfig.AutoRemove HostConfig.Privileged HostConfig.PublishAllPorts HostConfig.ReadonlyRootfs HostConfig.Init HostConfig.OomKillDisable Config.AttachStdin
    Config.AttachStdout Config.AttachStderr Config.Tty Config.OpenStdin Config.StdinOnce NetworkSettings.HairpinMode`),
  array: words(`Args Mounts HostConfig.Binds HostConfig.Mounts HostConfig.ConsoleSize HostConfig.CapAdd HostConfig.Dns HostConfig.DnsOptions HostConfig.DnsSearch HostConfig.ExtraHosts HostConfig.GroupAdd HostConfig.Devices HostConfig.Ulimits
    HostConfig.MaskedPaths HostConfig.ReadonlyPaths HostConfig.BlkioWeightDevice HostConfig.BlkioDeviceReadBps HostConfig.BlkioDeviceWriteBps HostConfig.BlkioDeviceReadIOps HostConfig.BlkioDeviceWriteIOps Config.Env Config.Cmd`),
  object: words(`State HostConfig HostConfig.LogConfig HostConfig.LogConfig.Config HostConfig.PortBindings HostConfig.RestartPolicy HostConfig.Sysctls HostConfig.Tmpfs GraphDriver GraphDriver.Data Config Config.Labels Config.ExposedPorts
    Config.Healthcheck NetworkSettings NetworkSettings.Ports NetworkSettings.Networks NetworkSettings.Networks.bridge`),
  null: words(`HostConfig.VolumesFrom HostConfig.CapDrop HostConfig.Links HostConfig.SecurityOpt HostConfig.DeviceCgroupRules HostConfig.DeviceRequests HostConfig.MemorySwappiness HostConfig.PidsLimit
    Config.Entrypoint Config.Volumes Config.OnBuild NetworkSettings.SecondaryIPAddresses NetworkSettings.SecondaryIPv6Addresses NetworkSettings.Networks.bridge.IPAMConfig NetworkSettings.Networks.bridge.Links
    NetworkSettings.Networks.bridge.Aliases NetworkSettings.Networks.bridge.DriverOpts NetworkSettings.Networks.bridge.DNSNames`),
};

describe.each(STATES)("a container that is %s", (state) => {
  withInit("has every field with its type, and those that older versions had in theirs", async () => {
    const [newest, v41, v24] = await inspected(state, ["v1.51", "v1.41", "v1.24"]);
    const seen = typesOf(newest);
    const wrong = Object.entries(FIELDS).flatMap(([type, paths]) => paths.filter((path) => seen.get(path) !== type).map((path) => `${path}: ${seen.get(path)}, not ${type}`));
    expect(wrong).toEqual([]);
    expect(seen.get("ExecIDs")).toMatch(/^(null|array)$/);
    expect(["State.Health.Status", "State.Health.FailingStreak", "State.Health.Log"].map((path) => seen.get(path))).toEqual(state === "created" ? [undefined, undefined, undefined] : ["string", "number", "array"]);
    for (const old of [v41, v24].map((value) => typesOf(value))) {
      expect(["HostConfig.KernelMemory", "HostConfig.KernelMemoryTCP", "NetworkSettings.Networks.bridge.GwPriority", "HostConfig.MaskedPaths"].map((path) => old.get(path))).toEqual(["number", "number", undefined, "array"]);
      expect(old.get("NetworkSettings.Networks.bridge.Aliases")).toMatch(/^(null|array)$/);
    }
  }, 90_000);
});
