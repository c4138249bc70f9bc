import { isAbsolute, resolve } from "node:path";
import { validate } from "node-cron";
import type { GcSettings, UlimitSpec } from "./core/index.js";
import { NO_GC, parseCidr, parseGcSettings, parseIp, parseSize } from "./core/index.js";

/** Where the API is served. */
export type Host =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Sockets that systemd passes on. */
  | { readonly kind: "fd" };

/** Every setting once it is checked. Absent where the daemon finds out for itself. */
export interface Values {
  dataRoot: string;
  execRoot: string;
  hosts: readonly Host[];
  group: string;
  pidfile: string;
  storageDriver: string;
  storageOpts: readonly string[];
  registryMirrors: readonly string[];
  insecureRegistries: readonly string[];
  httpProxy: string;
  httpsProxy: string;
  noProxy: string;
  maxConcurrentDownloads: number;
  maxConcurrentUploads: number;
  keepPackedLayers: boolean;
  bip: string;
  addressPools: readonly { readonly base: string; readonly size: number }[];
  bridge: string;
  fixedCidr: string;
  mtu: number;
  icc: boolean;
  iptables: boolean;
  ipForward: boolean;
  ip: string;
  dns: readonly string[];
  dnsOpts: readonly string[];
  dnsSearch: readonly string[];
  hostGatewayIp: string;
  defaultRuntime: string;
  runtimes: Readonly<Record<string, string>>;
  logDriver: string;
  logOpts: Readonly<Record<string, string>>;
  liveRestore: boolean;
  debug: boolean;
  logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  labels: readonly string[];
  buildSourceLimit: number;
  experimental: boolean;
  init: boolean;
  defaultUlimits: readonly UlimitSpec[];
  shutdownTimeout: number;
  usernsRemap: string;
  metricsAddr: { readonly host: string; readonly port: number } | null;
  tls: boolean;
  tlsverify: boolean;
  tlscacert: string;
  tlscert: string;
  tlskey: string;
  gc: GcSettings;
  scrub: { readonly schedule: string; readonly rate: number; readonly deep: boolean } | null;
}
export type OptionKey = keyof Values;

interface OptionOf<T> {
  /** Name in the configuration file; the flag's is dockerd's. */
  readonly key: string;
  /** The first is shown in the help, the others are other names for it; none when only the file has it. */
  readonly flags: readonly string[];
  readonly kind: "boolean" | "integer" | "string" | "list" | "map";
  /** A list as a flag, another thing in the file. */
  readonly inFile?: "map" | "objects";
  readonly placeholder?: string;
  readonly text: string;
  readonly default: T;
  /** What the texts of a flag mean, where the file has another form. */
  readonly fromFlag?: (given: unknown) => unknown;
  /** Checks and converts; the message of what it throws follows the option's name. */
  readonly check?: (value: never) => T;
}
type Options = { readonly [K in OptionKey]: OptionOf<Values[K]> };

const path = (value: string): string => {
  if (value === "") throw new Error("the path is empty");
  return isAbsolute(value) ? value : resolve(value);
};
const positive = (value: number): number => {
  if (value < 1) throw new Error(`${value} is less than 1`);
  return value;
};
const oneOf = <T extends string>(...values: T[]) => (value: string): T => {
  if (!(values as string[]).includes(value)) throw new Error(`"${value}" is not one of ${values.filter((one) => one !== "").join(", ")}`);
  return value as T;
};
/** For features that dockerd has and this version has not: silence would be a lie. */
const notYet = (what: string) => (): never => {
  throw new Error(`${what} in this version of Strata`);
};
const offOnly = (what: string) => (value: boolean): boolean => {
  if (value) throw new Error(`${what} in this version of Strata`);
  return value;
};
const pairs = (given: unknown): Record<string, string> => Object.fromEntries((given as string[]).map((text) => {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`"${text}" is not of the form name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}));
const strings = (value: Record<string, unknown>): Record<string, string> => {
  for (const [k, v] of Object.entries(value)) if (typeof v !== "string") throw new Error(`${k} must be a string`);
  return value as Record<string, string>;
};
const address = (value: string): string => {
  if (parseIp(value) === undefined) throw new Error(`"${value}" is not an IP address`);
  return value;
};
const network = (value: string): string => {
  if (parseCidr(value) === undefined) throw new Error(`"${value}" is not an address with a prefix length`);
  return value;
};

/** `unix:///run/x.sock`, `tcp://127.0.0.1:2375`, `fd://`. */
export function parseHost(text: string): Host {
  const at = text.indexOf("://");
  const [scheme, rest] = at < 0 ? [isAbsolute(text) ? "unix" : "", text] : [text.slice(0, at), text.slice(at + 3)];
  if (scheme === "unix" && rest !== "") return { kind: "unix", path: path(rest) };
  if (scheme === "fd") return { kind: "fd" };
  if (scheme === "tcp") {
    const match = /^(\[[0-9a-fA-F:]+\]|[^:/]*)(?::(\d+))?$/.exec(rest);
    if (match !== null && Number(match[2] ?? 2375) < 65536) return { kind: "tcp", host: (match[1] ?? "").replace(/^\[|\]$/g, "") || "127.0.0.1", port: Number(match[2] ?? 2375) };
  }
  throw new Error(`"${text}" is not unix://PATH, tcp://HOST:PORT or fd://`);
}

/** As in dockerd, no host stands for every address of the machine. */
function metricsAddress(text: string): Values["metricsAddr"] {
  if (text === "") return null;
  const match = /^(\[[0-9a-fA-F:]+\]|[^:/[\]]*):(\d+)$/.exec(text);
  if (match === null || Number(match[2]) > 65535) throw new Error(`"${text}" is not an address with a port, such as 127.0.0.1:9323`);
  return { host: match[1]!.replace(/^\[|\]$/g, ""), port: Number(match[2]) };
}

const LOG_DRIVERS = ["json-file", "local", "syslog", "journald", "none"];
const STORAGE_DRIVERS = ["erofs", "overlay2", "overlay", "aufs", "devicemapper", "btrfs", "zfs", "fuse-overlayfs", "vfs"];

function poolsFromFlag(given: unknown): { base: string; size: number }[] {
  return (given as string[]).map((text) => {
    const { base = "", size = "" } = pairs(text.split(","));
    return { base, size: Number(size === "" ? NaN : size) };
  });
}
/** IPv4 only: networks of IPv6 get a prefix of their own each. */
function pools(value: { base?: unknown; size?: unknown }[]): { base: string; size: number }[] {
  return value.map(({ base, size }) => {
    const cidr = typeof base === "string" ? parseCidr(base) : undefined;
    if (cidr?.range.family !== 4 || cidr.address.value !== cidr.range.base) throw new Error(`base: ${JSON.stringify(base)} is not a range of IPv4 addresses`);
    if (typeof size !== "number" || !Number.isInteger(size) || size < cidr.range.prefix || size > 29) throw new Error(`size: ${JSON.stringify(size)} is not a prefix length between ${cidr.range.prefix} and 29`);
    return { base: base as string, size };
  });
}

function ulimitsFromFlag(given: unknown): Record<string, unknown> {
  return Object.fromEntries((given as string[]).map((text) => {
    const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
    if (match === null) throw new Error(`"${text}" is not of the form name=soft[:hard]`);
    const soft = Number(match[2]);
    return [match[1]!, { Name: match[1]!, Soft: soft, Hard: match[3] === undefined ? soft : Number(match[3]) }];
  }));
}
function ulimits(value: Record<string, unknown>): UlimitSpec[] {
  return Object.entries(value).map(([name, limit]) => {
    const { Soft, Hard } = (limit ?? {}) as Partial<UlimitSpec>;
    if (!Number.isInteger(Soft) || !Number.isInteger(Hard)) throw new Error(`${name} needs integers Soft and Hard`);
    if (Hard! >= 0 && (Soft! > Hard! || Soft! < 0)) throw new Error(`${name}: the soft limit ${Soft} is above the hard limit ${Hard}`);
    return { Name: name, Soft: Soft!, Hard: Hard! };
  });
}
function runtimes(value: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.entries(value).map(([name, given]) => {
    const at = typeof given === "string" ? given : (given as { path?: unknown } | null)?.path;
    if (typeof at !== "string" || at === "") throw new Error(`${name} needs a path`);
    return [name, at];
  }));
}
function scrub({ schedule, rate = 0, deep = true, ...rest }: Record<string, unknown>): { schedule: string; rate: number; deep: boolean } {
  for (const key of Object.keys(rest)) throw new Error(`${key} is not one of schedule, rate, deep`);
  if (typeof schedule !== "string" || !validate(schedule)) throw new Error(`schedule: ${JSON.stringify(schedule)} is not a cron expression`);
  if (typeof deep !== "boolean") throw new Error(`deep: ${JSON.stringify(deep)} is neither true nor false`);
  if (typeof rate === "string") return { schedule, deep, rate: parseSize("rate", rate) };
  if (typeof rate !== "number" || !Number.isInteger(rate) || rate < 0) throw new Error(`rate: ${JSON.stringify(rate)} is not a number of bytes per second`);
  return { schedule, deep, rate };
}
const label = (values: string[]): string[] => {
  for (const v of values) if (!/^[^=]+=/.test(v)) throw new Error(`"${v}" is not of the form key=value`);
  return values;
};

/** Every option of the daemon, by dockerd's names. */
export const OPTIONS: Options = {
  dataRoot: { key: "data-root", flags: ["-g, --data-root", "--graph"], kind: "string", placeholder: "dir", text: "everything the daemon keeps", default: "/var/lib/strata", check: path },
  execRoot: { key: "exec-root", flags: ["--exec-root"], kind: "string", placeholder: "dir", text: "state of this boot", default: "/run/strata", check: path },
  hosts: { key: "hosts", flags: ["-H, --host"], kind: "list", placeholder: "url", text: "where to serve: unix://PATH, tcp://HOST:PORT, fd:// (repeatable)", default: [{ kind: "unix", path: "/run/strata/strata.sock" }], check: (v: string[]) => v.map(parseHost) },
  group: { key: "group", flags: ["-G, --group"], kind: "string", placeholder: "name", text: "group of the socket, by name or number", default: "" },
  pidfile: { key: "pidfile", flags: ["-p, --pidfile"], kind: "string", placeholder: "file", text: "where to write the process ID", default: "", check: path },
  storageDriver: { key: "storage-driver", flags: ["-s, --storage-driver"], kind: "string", placeholder: "name", text: `${STORAGE_DRIVERS.slice(0, -1).join(", ")} or ${STORAGE_DRIVERS.at(-1)!}; the best that works when not given`, default: "", check: oneOf("", ...STORAGE_DRIVERS) },
  storageOpts: { key: "storage-opts", flags: ["--storage-opt"], kind: "list", placeholder: "k=v", text: "option of the storage driver (repeatable)", default: [] },
  registryMirrors: { key: "registry-mirrors", flags: ["--registry-mirror"], kind: "list", placeholder: "url", text: "asked before docker.io, or as REGISTRY=URL before another registry (repeatable)", default: [] },
  insecureRegistries: { key: "insecure-registries", flags: ["--insecure-registry"], kind: "list", placeholder: "host", text: "may be spoken to without TLS (repeatable)", default: [] },
  httpProxy: { key: "http-proxy", flags: ["--http-proxy"], kind: "string", placeholder: "url", text: "proxy to registries without TLS (in the file, these three are members of proxies)", default: "" },
  httpsProxy: { key: "https-proxy", flags: ["--https-proxy"], kind: "string", placeholder: "url", text: "proxy to registries with TLS", default: "" },
  noProxy: { key: "no-proxy", flags: ["--no-proxy"], kind: "string", placeholder: "hosts", text: "hosts that are reached without a proxy", default: "" },
  maxConcurrentDownloads: { key: "max-concurrent-downloads", flags: ["--max-concurrent-downloads"], kind: "integer", text: "layers fetched at once", default: 3, check: positive },
  maxConcurrentUploads: { key: "max-concurrent-uploads", flags: ["--max-concurrent-uploads"], kind: "integer", text: "layers pushed at once", default: 5, check: positive },
  keepPackedLayers: { key: "keep-packed-layers", flags: ["--keep-packed-layers"], kind: "boolean", text: "keep what is pulled also as it was packed: pushes send the same bytes to any registry", default: false },
  bip: { key: "bip", flags: ["--bip"], kind: "string", placeholder: "cidr", text: "address of the default bridge", default: "", check: network },
  addressPools: { key: "default-address-pools", flags: ["--default-address-pool"], kind: "list", inFile: "objects", placeholder: "base=cidr,size=n", text: "where networks get their ranges (repeatable)", default: [], fromFlag: poolsFromFlag, check: pools },
  bridge: { key: "bridge", flags: ["-b, --bridge"], kind: "string", placeholder: "name", text: "a bridge to use instead of our own; none for no default network", default: "" },
  fixedCidr: { key: "fixed-cidr", flags: ["--fixed-cidr"], kind: "string", placeholder: "cidr", text: "part of the default network to hand out", default: "", check: network },
  mtu: { key: "mtu", flags: ["--mtu"], kind: "integer", text: "MTU of container networks", default: 1500, check: positive },
  icc: { key: "icc", flags: ["--icc"], kind: "boolean", text: "containers of the default network reach each other", default: true },
  iptables: { key: "iptables", flags: ["--iptables"], kind: "boolean", text: "make firewall rules", default: true },
  ipForward: { key: "ip-forward", flags: ["--ip-forward"], kind: "boolean", text: "turn on forwarding", default: true },
  ip: { key: "ip", flags: ["--ip"], kind: "string", placeholder: "address", text: "where ports are published by default", default: "0.0.0.0", check: address },
  dns: { key: "dns", flags: ["--dns"], kind: "list", placeholder: "address", text: "DNS server of containers (repeatable)", default: [], check: (v: string[]) => v.map(address) },
  dnsOpts: { key: "dns-opts", flags: ["--dns-opt"], kind: "list", text: "resolver option of containers (repeatable)", default: [] },
  dnsSearch: { key: "dns-search", flags: ["--dns-search"], kind: "list", text: "search domain of containers (repeatable)", default: [] },
  hostGatewayIp: { key: "host-gateway-ip", flags: ["--host-gateway-ip"], kind: "string", placeholder: "address", text: "what host-gateway stands for", default: "", check: address },
  defaultRuntime: { key: "default-runtime", flags: ["--default-runtime"], kind: "string", placeholder: "name", text: "OCI runtime for containers that name none", default: "" },
  runtimes: { key: "runtimes", flags: ["--add-runtime"], kind: "list", inFile: "map", placeholder: "name=path", text: "another OCI runtime (repeatable)", default: {}, fromFlag: pairs, check: runtimes },
  logDriver: { key: "log-driver", flags: ["--log-driver"], kind: "string", placeholder: "name", text: `where output of containers goes: ${LOG_DRIVERS.slice(0, -1).join(", ")} or ${LOG_DRIVERS.at(-1)!}`, default: "json-file", check: oneOf(...LOG_DRIVERS) },
  logOpts: { key: "log-opts", flags: ["--log-opt"], kind: "list", inFile: "map", placeholder: "k=v", text: "option of the log driver (repeatable)", default: {}, fromFlag: pairs, check: strings },
  liveRestore: { key: "live-restore", flags: ["--live-restore"], kind: "boolean", text: "containers go on while the daemon is down", default: true },
  debug: { key: "debug", flags: ["-D, --debug"], kind: "boolean", text: "log everything", default: false },
  logLevel: { key: "log-level", flags: ["-l, --log-level"], kind: "string", placeholder: "level", text: "debug, info, warn, error or fatal", default: "info", check: oneOf("debug", "info", "warn", "error", "fatal") },
  labels: { key: "labels", flags: ["--label"], kind: "list", placeholder: "k=v", text: "label of the daemon (repeatable)", default: [], check: label },
  buildSourceLimit: { key: "build-source-limit", flags: ["--build-source-limit"], kind: "string", placeholder: "size", text: "bytes that a build context, a download or an archive of a build may have when unpacked (10g); nine tenths of the free disk when not given", default: 0, check: (v: string) => parseSize("the limit", v) },
  experimental: { key: "experimental", flags: ["--experimental"], kind: "boolean", text: "tell clients that they may use what docker calls experimental: docker build --squash", default: false },
  init: { key: "init", flags: ["--init"], kind: "boolean", text: "run an init in containers", default: false },
  defaultUlimits: { key: "default-ulimits", flags: ["--default-ulimit"], kind: "list", inFile: "map", placeholder: "n=soft[:hard]", text: "limit of containers that set none (repeatable)", default: [], fromFlag: ulimitsFromFlag, check: ulimits },
  shutdownTimeout: { key: "shutdown-timeout", flags: ["--shutdown-timeout"], kind: "integer", placeholder: "seconds", text: "how long containers may take to stop when the daemon does (without --live-restore)", default: 15 },
  usernsRemap: { key: "userns-remap", flags: ["--userns-remap"], kind: "string", text: "map users of containers", default: "", check: notYet("users are not mapped") },
  metricsAddr: { key: "metrics-addr", flags: ["--metrics-addr"], kind: "string", placeholder: "host:port", text: "where to serve /metrics for Prometheus, without TLS and to whoever reaches it; nowhere unless given", default: null, check: metricsAddress },
  tls: { key: "tls", flags: ["--tls"], kind: "boolean", text: "TLS on tcp hosts", default: false, check: offOnly("there is no TLS") },
  tlsverify: { key: "tlsverify", flags: ["--tlsverify"], kind: "boolean", text: "TLS with client certificates on tcp hosts", default: false, check: offOnly("there is no TLS") },
  tlscacert: { key: "tlscacert", flags: ["--tlscacert"], kind: "string", placeholder: "file", text: "CA of client certificates", default: "", check: notYet("there is no TLS") },
  tlscert: { key: "tlscert", flags: ["--tlscert"], kind: "string", placeholder: "file", text: "certificate of the daemon", default: "", check: notYet("there is no TLS") },
  tlskey: { key: "tlskey", flags: ["--tlskey"], kind: "string", placeholder: "file", text: "key of the certificate", default: "", check: notYet("there is no TLS") },
  gc: { key: "gc", flags: [], kind: "map", text: "collection policies", default: NO_GC, check: parseGcSettings },
  scrub: { key: "scrub", flags: [], kind: "map", text: "scheduled checks", default: null, check: scrub },
};
