import { parseIp } from "../core/index.js";

/** Name servers when the host names none that a container could reach. */
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];

/** resolv.conf(5), as far as it is copied. */
export interface Resolver {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolver(text: string): Resolver {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [key, ...values] = line.replace(/[#;].*/, "").trim().split(/\s+/);
    if (key === "nameserver") servers.push(...values.slice(0, 1));
    else if (key === "search" || key === "domain") search = values;
    else if (key === "options") options.push(...values);
  }
  return { servers, search, options };
}

/** Loopback, where only the host itself finds a server. */
export function isLocalServer(server: string): boolean {
  const ip = parseIp(server.replace(/%.*/, ""));
  return ip !== undefined && (ip.family === 4 ? ip.value >> 24n === 127n : ip.value === 1n);
}

export interface ResolverWishes {
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
  readonly ipv6: boolean;
}
/** A container's resolv.conf: the host's, without servers that the container cannot reach, overridden by what was asked for. */
export function renderResolver(host: Resolver, wishes: ResolverWishes): string {
  const reachable = host.servers.filter((s) => !isLocalServer(s) && (wishes.ipv6 || !s.includes(":")));
  const servers = wishes.dns.length > 0 ? wishes.dns : reachable.length > 0 ? reachable : PUBLIC_SERVERS;
  const search = wishes.search.length > 0 ? wishes.search : host.search;
  const options = wishes.options.length > 0 ? wishes.options : host.options;
  return [
    ...servers.map((s) => `nameserver ${s}`),
    // A lone dot asks for no search at all.
    ...(search.length > 0 && !(search.length === 1 && search[0] === ".") ? [`search ${search.join(" ")}`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ].map((line) => `${line}\n`).join("");
}

export interface HostsEntry { readonly address: string; readonly names: readonly string[] }
const LOCAL_HOSTS: readonly HostsEntry[] = [
  { address: "127.0.0.1", names: ["localhost"] },
  { address: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"] },
  { address: "fe00::", names: ["ip6-localnet"] },
  { address: "ff00::", names: ["ip6-mcastprefix"] },
  { address: "ff02::1", names: ["ip6-allnodes"] },
  { address: "ff02::2", names: ["ip6-allrouters"] },
];
/** hosts(5): this machine's own names, then the entries. */
export function renderHosts(entries: readonly HostsEntry[]): string {
  return [...LOCAL_HOSTS, ...entries].map(({ address, names }) => `${address}\t${names.join(" ")}\n`).join("");
}

/** `name:address` or `name=address`, the address perhaps in brackets; `host-gateway` stands for this machine. Undefined when it is neither. */
export function parseExtraHost(text: string, gateway: string): HostsEntry | undefined {
  const [, name, value] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) return undefined;
  const address = value === "host-gateway" ? gateway : value.replace(/^\[(.*)\]$/, "$1");
  return parseIp(address) ? { address, names: [name] } : undefined;
}
