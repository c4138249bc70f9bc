import type { BuildOptions } from "@strata/client";
import type { Options } from "../command.js";
import { parseBytes } from "../format/units.js";
import { keyValues } from "../key-values.js";
import { readHosts, readUlimits } from "../run/flags.js";
import { unlimited } from "../run/values.js";

export interface BuildFlags {
  addHost: string[]; buildArg: string[]; cacheFrom: string[]; cacheTo: string[]; cgroupParent?: string; compress?: boolean; cpuPeriod?: number; cpuQuota?: number; cpuShares?: number; cpusetCpus?: string; cpusetMems?: string; file?: string;
  forceRm?: boolean; iidfile?: string; label: string[]; memory?: number; memorySwap?: number; network?: string; noCache?: boolean; platform?: string; pull?: boolean; quiet?: boolean; rm?: boolean;
  secret: string[]; securityOpt: string[]; shmSize?: number; squash?: boolean; ssh: string[]; tag: string[]; target?: string; ulimit: string[];
}

export function buildFlags(options: Options): Options {
  return options
    .list("--add-host <list>", "A line for /etc/hosts of commands: host:ip")
    .list("--build-arg <list>", "A value for an ARG: NAME=value, or NAME to take it from here")
    .list("--cache-from <list>", "An image whose steps may be taken over, type=registry,ref=NAME or type=local,src=DIR")
    .list("--cache-to <list>", "Where the cache is left: type=registry,ref=NAME, type=local,dest=DIR, type=inline; mode=max for all stages")
    .value("--cgroup-parent <string>", "The cgroup that commands are under")
    .flag("--compress", "Send the context packed with gzip")
    .integer("--cpu-period <int>", "CFS period in microseconds")
    .integer("--cpu-quota <int>", "CFS quota in microseconds")
    .integer("-c, --cpu-shares <int>", "Share of processor time")
    .value("--cpuset-cpus <string>", "Only on these processors: 0-3, 0,1")
    .value("--cpuset-mems <string>", "Only memory of these nodes")
    .flag("--disable-content-trust", "Accepted; signatures are not checked", true)
    .value("-f, --file <string>", "The Dockerfile, - for standard input; PATH/Dockerfile unless told otherwise")
    .flag("--force-rm", "Remove containers of steps that failed, too")
    .value("--iidfile <string>", "Write the image's ID to this file")
    .list("--label <list>", "A label for the image, key=value")
    .parsed("-m, --memory <bytes>", "At most so much memory", parseBytes)
    .parsed("--memory-swap <bytes>", "Memory and swap together, -1 for no limit", unlimited(parseBytes))
    .value("--network <string>", "The network of commands")
    .flag("--no-cache", "Do every step again")
    .value("--platform <string>", "What it is for: os[/arch[/variant]]")
    .flag("--pull", "Look for newer base images")
    .flag("-q, --quiet", "Print nothing but the image's ID")
    .flag("--rm", "Remove containers of steps that succeeded", true)
    .list("--secret <list>", "A file that only commands see: id=NAME,src=FILE or id=NAME,env=VARIABLE")
    .list("--security-opt <list>", "A security option")
    .parsed("--shm-size <bytes>", "Size of /dev/shm", parseBytes)
    .flag("--squash", "Put the new layers together as one")
    .list("--ssh <list>", "An ssh agent for commands: default, or NAME=SOCKET")
    .list("-t, --tag <list>", "A name for the image: name[:tag]")
    .value("--target <string>", "The stage to build")
    .list("--ulimit <ulimit>", "A limit: name=soft[:hard]");
}

/** Flags as the daemon takes them. */
export function buildOptions(flags: BuildFlags, env: NodeJS.ProcessEnv): BuildOptions {
  return {
    tags: flags.tag, args: buildArgs(flags.buildArg, env), labels: keyValues(flags.label), target: flags.target, platform: flags.platform ?? (env["DOCKER_DEFAULT_PLATFORM"] || undefined),
    network: flags.network, noCache: flags.noCache, pull: flags.pull, quiet: flags.quiet, squash: flags.squash,
    remove: flags.rm, forceRemove: flags.forceRm, hosts: readHosts(flags.addHost), memory: flags.memory, memorySwap: flags.memorySwap, shmSize: flags.shmSize,
    cpuShares: flags.cpuShares, cpuPeriod: flags.cpuPeriod, cpuQuota: flags.cpuQuota, cpusetCpus: flags.cpusetCpus, cpusetMems: flags.cpusetMems, cgroupParent: flags.cgroupParent,
    ulimits: readUlimits(flags.ulimit), securityOptions: flags.securityOpt,
  };
}

/** A name alone takes its value from the environment here; the daemon is told of one without a value, too. */
function buildArgs(flags: readonly string[], env: NodeJS.ProcessEnv): Record<string, string | null> {
  return Object.fromEntries(flags.map((flag) => {
    const at = flag.indexOf("=");
    if (at === 0 || flag === "") throw new Error(`invalid argument ${JSON.stringify(flag)} for "--build-arg" flag: invalid environment variable: ${flag}`);
    return at < 0 ? [flag, env[flag] ?? null] : [flag.slice(0, at), flag.slice(at + 1)];
  }));
}
