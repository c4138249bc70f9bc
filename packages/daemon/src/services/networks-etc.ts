import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Container, Endpoint } from "../core/index.js";
import { editHosts, hostResolver, parseExtraHost, readText, renderHosts, renderResolver, serversOf, type HostsEntry, type Resolver } from "./networks-files.js";
import type { Links } from "./networks-links.js";
import { isNamed, modeOf, type NetworkParts } from "./networks-parts.js";

const first = (...lists: (readonly string[] | null | undefined)[]): readonly string[] => lists.find((l) => l && l.length > 0) ?? [];

/** What is mounted over a container's /etc: hosts, hostname, resolv.conf; at its start and while it runs. */
export class EtcFiles {
  constructor(private readonly parts: NetworkParts, private readonly links: Links) {}

  async files(container: Container): Promise<{ hosts: string; hostname: string; resolvConf: string }> {
    const mode = modeOf(container);
    if (mode.kind === "container") return this.files(this.parts.containers.get(this.parts.containers.resolve(mode.container)));
    const short = container.config.Hostname || (mode.kind === "host" ? hostname() : container.id.slice(0, 12));
    const extra = (container.hostConfig.ExtraHosts ?? []).flatMap((text) => parseExtraHost(text, this.hostGateway()) ?? []);
    if (mode.kind === "host") {
      const own = extra.map((e) => `${e.address}\t${e.names.join(" ")}\n`).join("");
      return { hostname: `${short}\n`, hosts: await readText("/etc/hosts") + own, resolvConf: this.resolver(container, await hostResolver(true), []) };
    }
    const joined = this.parts.store.endpoints({ container: container.id });
    const own = joined.flatMap((e) => entriesOf(container, e));
    return { hostname: `${short}\n`, hosts: renderHosts([...extra, ...this.links.hosts(container), ...own]), resolvConf: this.resolver(container, await hostResolver(false), joined) };
  }

  /** A running container has come to a network, or left it: its files follow, what it wrote there itself stays. */
  async follow(container: Container, { come = [], gone = [] }: { readonly come?: readonly Endpoint[]; readonly gone?: readonly Endpoint[] }): Promise<void> {
    await this.editHosts(container, gone.flatMap((e) => entriesOf(container, e)), come.flatMap((e) => entriesOf(container, e)));
    const now = this.parts.store.endpoints({ container: container.id });
    const before = now.filter((e) => !come.some((c) => c.id === e.id));
    const host = await hostResolver(false);
    const [was, is] = [this.resolver(container, host, before), this.resolver(container, host, now)];
    const path = this.path(container, "resolv.conf");
    // Once it has a name server of ours, that stays; and a file that somebody else wrote is theirs.
    if (come.length > 0 && was !== is && await readText(path) === was) await writeFile(path, is);
  }
  /** Written in place: the file is mounted. */
  async editHosts(container: Container, gone: readonly HostsEntry[], come: readonly HostsEntry[]): Promise<void> {
    const path = this.path(container, "hosts"), text = await readText(path);
    if (text !== "") await writeFile(path, editHosts(text, gone, come));
  }
  private path(container: Container, name: string): string { return join(this.parts.containers.directory(container.id), name); }

  private resolver(container: Container, host: Resolver, joined: readonly Endpoint[]): string {
    const { hostConfig } = container, { config, store } = this.parts;
    const onHost = modeOf(container).kind === "host";
    const wishes = {
      dns: serversOf(container, config), search: first(hostConfig.DnsSearch, config.dnsSearch), options: first(hostConfig.DnsOptions, config.dnsOptions),
      ipv6: onHost || joined.some((e) => e.ipv6 !== null), own: joined.some((e) => isNamed(store.get(e.network))),
    };
    // In the host's namespace its loopback servers answer.
    return onHost && wishes.dns.length === 0 ? renderResolver(host, { ...wishes, dns: host.servers }) : renderResolver(host, wishes);
  }
  private hostGateway(): string {
    if (this.parts.config.hostGateway) return this.parts.config.hostGateway;
    for (const network of this.parts.store.list()) if (network.name === "bridge") return network.ipam.find((p) => p.gateway)?.gateway ?? "127.0.0.1";
    return "127.0.0.1";
  }
}

/** A container's own lines: its name with the domain, then the first part alone. */
function entriesOf({ id, config }: Container, { ipv4, ipv6 }: Endpoint): HostsEntry[] {
  const host = config.Hostname || id.slice(0, 12), full = config.Domainname ? `${host}.${config.Domainname}` : host;
  const names = [...new Set([full, full.split(".", 1)[0]!])];
  return [ipv4, ipv6].filter((a) => a !== null).map((address) => ({ address, names }));
}
