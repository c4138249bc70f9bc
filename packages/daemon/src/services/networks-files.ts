import { readFile } from "node:fs/promises";
import { errnoOf, parseIp, type Container } from "../core/index.js";
import type { NetworksConfig } from "./networks-parts.js";

/** Name servers when the host names none that a container could reach. */
export const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];

/** Where a container finds the name server that knows its networks. */
const OWN_SERVER = "127.0.0.11";

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
  /** The container has a name server of ours: it asks the others. */
  readonly own: boolean;
}
/** A container's resolv.conf: the host's, without servers that the container cannot reach, overridden by what was asked for. */
export function renderResolver(host: Resolver, wishes: ResolverWishes): string {
  const reachable = host.servers.filter((s) => !isLocalServer(s) && (wishes.ipv6 || !s.includes(":")));
  const servers = wishes.own ? [OWN_SERVER] : wishes.dns.length > 0 ? wishes.dns : reachable.length > 0 ? reachable : PUBLIC_SERVERS;
  const search = wishes.search.length > 0 ? wishes.search : host.search;
  const given = wishes.options.length > 0 ? wishes.options : host.options;
  // Names without a dot are ours to know, and tried as they are first.
  const options = wishes.own && !given.some((o) => o.startsWith("ndots:")) ? [...given, "ndots:0"] : given;
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

/** A hosts(5) text that others may have written to: without the lines of some entries, with those of others at its end. */
export function editHosts(text: string, gone: readonly HostsEntry[], come: readonly HostsEntry[]): string {
  const line = ({ address, names }: HostsEntry): string => `${address}\t${names.join(" ")}`;
  const without = new Set(gone.map(line));
  const kept = text.split("\n").filter((l) => !without.has(l)).join("\n");
  return `${kept}${kept === "" || kept.endsWith("\n") ? "" : "\n"}${come.map((e) => `${line(e)}\n`).join("")}`;
}

/** Name servers that somebody named for a container: by its own options, or for all. */
export function serversOf({ hostConfig }: Container, config: NetworksConfig): readonly string[] {
  return hostConfig.Dns && hostConfig.Dns.length > 0 ? hostConfig.Dns : config.dns;
}

/** Empty when there is no such file. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return "";
    throw e;
  }
}

/** The host's resolver; behind a stub on loopback (systemd-resolved) the servers it asks, for whoever is not on the host's loopback. */
export async function hostResolver(onHost: boolean): Promise<Resolver> {
  const resolver = parseResolver(await readText("/etc/resolv.conf"));
  if (onHost || !resolver.servers.some(isLocalServer)) return resolver;
  const behind = await readText("/run/systemd/resolve/resolv.conf");
  return behind === "" ? resolver : parseResolver(behind);
}
