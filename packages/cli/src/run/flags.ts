import type { Options } from "../command.js";
import { parseBytes } from "../format/units.js";
import { parseDuration } from "../timestamps.js";
import { parseCount, parseCpus, parseDevice, parseHostEntry, parseRestart, parseThrottle, parseUlimit, unlimited } from "./values.js";
import { parseMount, type MountSpec } from "./mounts.js";

/** The flags of `create`, which `run` has too. Lists are empty when not given. */
export interface CreateFlags {
  addHost: string[]; annotation: string[]; attach: string[]; blkioWeight?: number; blkioWeightDevice: string[]; capAdd: string[]; capDrop: string[]; cgroupParent?: string; cgroupns?: string; cidfile?: string;
  cpuPeriod?: number; cpuQuota?: number; cpuShares?: number; cpus?: number; cpusetCpus?: string; cpusetMems?: string; device: string[]; deviceCgroupRule: string[];
  deviceReadBps: string[]; deviceReadIops: string[]; deviceWriteBps: string[]; deviceWriteIops: string[]; dns: string[];
  dnsOption: string[]; dnsSearch: string[]; domainname?: string; entrypoint?: string; env: string[]; envFile: string[]; expose: string[]; groupAdd: string[]; healthCmd?: string;
  healthInterval?: number; healthRetries?: number; healthStartInterval?: number; healthStartPeriod?: number; healthTimeout?: number; hostname?: string; init?: boolean; interactive?: boolean;
  ip?: string; ip6?: string; ipc?: string; label: string[]; labelFile: string[]; link: string[]; linkLocalIp: string[]; logDriver?: string; logOpt: string[]; macAddress?: string;
  memory?: number; memoryReservation?: number; memorySwap?: number; memorySwappiness?: number; mount: string[]; name?: string; network: string[]; net: string[]; networkAlias: string[];
  noHealthcheck?: boolean; oomKillDisable?: boolean; oomScoreAdj?: number; pid?: string; pidsLimit?: number; platform?: string; privileged?: boolean; publish: string[]; publishAll?: boolean;
  pull?: string; quiet?: boolean; readOnly?: boolean; restart?: ReturnType<typeof parseRestart>; rm?: boolean; runtime?: string; securityOpt: string[]; shmSize?: number; stopSignal?: string;
  stopTimeout?: number; storageOpt: string[]; sysctl: string[]; tmpfs: string[]; tty?: boolean; ulimit: string[]; user?: string; userns?: string; uts?: string; volume: string[];
  volumeDriver?: string; volumesFrom: string[]; workdir?: string;
}

const nanoseconds = (text: string): number => {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new Error(`time: invalid duration ${JSON.stringify(text)}`);
  return Math.round(seconds * 1e9);
};

/** Declares them. Lists of parsed values are checked where they are read, so that the flag's name is in the error. */
export function createOptions(options: Options): Options {
  return options
    .list("--add-host <list>", "A line for /etc/hosts: host:ip")
    .list("--annotation <map>", "An annotation for the OCI runtime, key=value")
    .list("-a, --attach <list>", "Join only STDIN, STDOUT or STDERR")
    .integer("--blkio-weight <uint16>", "Share of block I/O, 10 to 1000")
    .list("--blkio-weight-device <list>", "The same for one device: /dev/a:weight")
    .list("--cap-add <list>", "Grant a capability")
    .list("--cap-drop <list>", "Take a capability away")
    .value("--cgroup-parent <string>", "The cgroup to be under")
    .value("--cgroupns <string>", "Cgroup namespace: host or private")
    .value("--cidfile <string>", "Write the container's ID to this file")
    .integer("--cpu-period <int>", "CFS period in microseconds")
    .integer("--cpu-quota <int>", "CFS quota in microseconds")
    .integer("-c, --cpu-shares <int>", "Share of processor time")
    .parsed("--cpus <decimal>", "At most so many processors", parseCpus)
    .value("--cpuset-cpus <string>", "Only on these processors: 0-3, 0,1")
    .value("--cpuset-mems <string>", "Only memory of these nodes")
    .list("--device <list>", "A device of the host: /dev/a[:/dev/b][:rwm]")
    .list("--device-cgroup-rule <list>", "A rule for the devices cgroup")
    .list("--device-read-bps <list>", "Read at most so fast: /dev/a:1mb")
    .list("--device-read-iops <list>", "At most so many reads a second: /dev/a:100")
    .list("--device-write-bps <list>", "Write at most so fast")
    .list("--device-write-iops <list>", "At most so many writes a second")
    .flag("--disable-content-trust", "Accepted; signatures are not checked", true)
    .list("--dns <list>", "A name server")
    .list("--dns-option <list>", "An option for resolv.conf")
    .list("--dns-search <list>", "A search domain")
    .value("--domainname <string>", "NIS domain name")
    .value("--entrypoint <string>", "Instead of the image's entrypoint")
    .list("-e, --env <list>", "An environment variable: NAME=value, or NAME to take it from here")
    .list("--env-file <list>", "A file of them")
    .list("--expose <list>", "A port, or a range of them, to make known")
    .list("--group-add <list>", "A further group")
    .value("--health-cmd <string>", "Command that tells whether it is well")
    .parsed("--health-interval <duration>", "Time between two checks", nanoseconds)
    .integer("--health-retries <int>", "Failures in a row that make it unhealthy")
    .parsed("--health-start-interval <duration>", "Time between two checks while it starts", nanoseconds)
    .parsed("--health-start-period <duration>", "Time it may take to start", nanoseconds)
    .parsed("--health-timeout <duration>", "Time a check may take", nanoseconds)
    .value("-h, --hostname <string>", "Host name")
    .flag("--init", "An init as process 1 that reaps and passes signals on")
    .flag("-i, --interactive", "Keep standard input open")
    .value("--ip <string>", "IPv4 address")
    .value("--ip6 <string>", "IPv6 address")
    .value("--ipc <string>", "IPC namespace: private, shareable, host, container:NAME")
    .list("-l, --label <list>", "A label, key=value")
    .list("--label-file <list>", "A file of them")
    .list("--link <list>", "A name for another container: container:alias")
    .list("--link-local-ip <list>", "A link-local address")
    .value("--log-driver <string>", "Where its output goes: json-file, none")
    .list("--log-opt <list>", "An option of that, key=value")
    .value("--mac-address <string>", "MAC address")
    .parsed("-m, --memory <bytes>", "At most so much memory", parseBytes)
    .parsed("--memory-reservation <bytes>", "Memory it keeps under pressure", parseBytes)
    .parsed("--memory-swap <bytes>", "Memory and swap together, -1 for no limit", unlimited(parseBytes))
    .integer("--memory-swappiness <int>", "Readiness to swap, 0 to 100")
    .list("--mount <mount>", "A mount: type=bind,source=/a,target=/b,readonly")
    .value("--name <string>", "Its name")
    .list("--network <network>", "A network: bridge, host, none, container:NAME, or one of yours")
    .list("--net <network>", "Same as --network")
    .list("--network-alias <list>", "One more name on the network")
    .flag("--no-healthcheck", "None of the image's checks either")
    .flag("--oom-kill-disable", "Not to be killed when memory runs out")
    .integer("--oom-score-adj <int>", "Whom the kernel kills first, -1000 to 1000")
    .value("--pid <string>", "PID namespace: host, container:NAME")
    .integer("--pids-limit <int>", "At most so many processes, -1 for no limit")
    .value("--platform <string>", "The image's variant for this platform")
    .flag("--privileged", "All rights on the host")
    .list("-p, --publish <list>", "Reach a port from outside: [[ip:]host:]container[/proto]")
    .flag("-P, --publish-all", "All exposed ports, on ports that are free")
    .value("--pull <string>", "Fetch the image: always, missing, never")
    .flag("-q, --quiet", "No progress of a pull")
    .flag("--read-only", "The root file system read-only")
    .parsed("--restart <string>", "When it ends: no, always, unless-stopped, on-failure[:max]", parseRestart)
    .flag("--rm", "Remove it when it ends")
    .value("--runtime <string>", "OCI runtime")
    .list("--security-opt <list>", "A security option")
    .parsed("--shm-size <bytes>", "Size of /dev/shm", parseBytes)
    .value("--stop-signal <string>", "Signal that asks it to end")
    .integer("--stop-timeout <int>", "Seconds before it is killed")
    .list("--storage-opt <list>", "An option of the storage driver, key=value")
    .list("--sysctl <map>", "A kernel setting, key=value")
    .list("--tmpfs <list>", "A tmpfs: /path[:options]")
    .flag("-t, --tty", "A terminal")
    .list("--ulimit <ulimit>", "A limit: name=soft[:hard]")
    .value("-u, --user <string>", "User and group: name or number")
    .value("--userns <string>", "User namespace: host")
    .value("--uts <string>", "UTS namespace: host")
    .list("-v, --volume <list>", "A volume or a directory of the host: [source:]/path[:options]")
    .value("--volume-driver <string>", "What keeps its volumes")
    .list("--volumes-from <list>", "The volumes of another container")
    .value("-w, --workdir <string>", "Working directory");
}

/** Reads the values of a list flag; what is wrong with one is told with the flag's name. */
export function readList<T>(flags: string, values: readonly string[], parse: (text: string) => T): T[] {
  return values.map((value) => {
    try {
      return parse(value);
    } catch (cause) {
      throw new Error(`invalid argument ${JSON.stringify(value)} for "${flags}" flag: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  });
}

export const readDevices = (values: readonly string[]): ReturnType<typeof parseDevice>[] => readList("--device", values, parseDevice);
export const readHosts = (values: readonly string[]): string[] => readList("--add-host", values, parseHostEntry);
export const readUlimits = (values: readonly string[]): ReturnType<typeof parseUlimit>[] => readList("--ulimit", values, parseUlimit);
export const readMounts = (values: readonly string[]): MountSpec[] => readList("--mount", values, parseMount);
export const readByteRates = (flags: string, values: readonly string[]): { Path: string; Rate: number }[] => readList(flags, values, parseThrottle(parseBytes));
export const readCountRates = (flags: string, values: readonly string[]): { Path: string; Rate: number }[] => readList(flags, values, parseThrottle(parseCount));
