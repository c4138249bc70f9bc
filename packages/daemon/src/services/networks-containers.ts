import { hostname } from "node:os";
import { readFile } from "node:fs/promises";
import {
  Conflict, errnoOf, InvalidArgument, messageOf, NotFound, parseIp, type Container, type Endpoint, type EndpointSpec, type Network, type PortBinding,
} from "../core/index.js";
import { type Endpoints, undo } from "./networks-endpoints.js";
import { isLocalServer, parseExtraHost, parseResolver, renderHosts, renderResolver, type HostsEntry, type Resolver } from "./networks-files.js";
import { isDriven, isRunning, modeOf, type NetworkParts } from "./networks-parts.js";
import { portRequests } from "./networks-ports.js";
import type { Publisher } from "./networks-publish.js";
import type { ContainerNetworking } from "./types.js";

interface Wish { readonly network: Network; readonly spec: EndpointSpec }
interface Joined { readonly network: Network; readonly endpoint: Endpoint }
const byInterface = (a: Joined, b: Joined): number => Number(a.endpoint.interfaceName.slice(3)) - Number(b.endpoint.interfaceName.slice(3));
const outwardOf = (joined: readonly Joined[]): Joined | undefined => joined.filter((j) => isDriven(j.network) && !j.network.internal).sort(byInterface)[0];

/** Gives containers their namespaces, endpoints, ports and /etc files. */
export class AttachedNetworks implements ContainerNetworking {
  constructor(private readonly parts: NetworkParts, private readonly endpoints: Endpoints, private readonly publisher: Publisher) {}

  validate(container: Container): void {
    const mode = modeOf(container), host = container.hostConfig;
    portRequests(container.config, host);
    for (const text of host.ExtraHosts ?? []) {
      if (!parseExtraHost(text, "127.0.0.1")) throw new InvalidArgument(`bad format for add-host: "${text}"`);
    }
    for (const server of host.Dns ?? []) if (!parseIp(server)) throw new InvalidArgument(`invalid IP address: ${server}`);
    if (mode.kind === "container") {
      const published = Object.values(host.PortBindings ?? {}).some((b) => (b ?? []).length > 0);
      if (published || host.PublishAllPorts) throw new InvalidArgument("conflicting options: port publishing and the container type network mode");
      if ((host.Dns ?? []).length > 0) throw new InvalidArgument("conflicting options: dns and the network mode");
      if ((host.ExtraHosts ?? []).length > 0) throw new InvalidArgument("conflicting options: custom host-to-IP mapping and the network mode");
      return;
    }
    if (mode.kind !== "network") return;
    let wishes: Wish[];
    try {
      wishes = this.wishes(container);
    } catch (e) {
      // What is not there is told at the start, as Docker does: it may come to be, and clients take a create's "not found" for a missing image.
      if (e instanceof NotFound) return;
      throw e;
    }
    for (const { network, spec } of wishes) this.endpoints.validate(network, spec);
  }

  async attach(container: Container): Promise<{ netns?: string; endpoints: readonly Endpoint[]; ports: readonly PortBinding[] }> {
    const mode = modeOf(container);
    if (mode.kind === "container") return { netns: this.joined(mode.container), endpoints: [], ports: [] };
    // A start that a crash cut short may have left something.
    if (this.parts.store.endpoints({ container: container.id }).length > 0) await this.release(container);
    const wishes = this.wishes(container);
    if (mode.kind === "host") {
      const endpoints = wishes.map(({ network, spec }) => this.endpoints.reserve(container, network, spec));
      for (const [i, { network }] of wishes.entries()) await this.endpoints.plug(container, network, endpoints[i]!, "");
      return { endpoints, ports: [] };
    }

    const creating = this.parts.namespaces.create(container.id);
    // The ledger is written while the kernel works; should that fail, the namespace must not linger.
    creating.catch(() => undefined);
    const made: Joined[] = [];
    try {
      for (const { network, spec } of wishes) made.push({ network, endpoint: this.endpoints.reserve(container, network, spec) });
      const netns = await creating;
      for (const { network, endpoint } of made) await this.endpoints.plug(container, network, endpoint, netns);
      const outward = outwardOf(made);
      const ports = outward ? await this.publisher.publish(container, outward.network, outward.endpoint) : [];
      return { netns, endpoints: made.map((m) => m.endpoint), ports };
    } catch (e) {
      await undo(this.parts, "a failed attach", async () => {
        await creating.catch(() => undefined);
        for (const { network, endpoint } of made) {
          if (isDriven(network)) await this.parts.driver.disconnect(network, endpoint, this.parts.namespaces.path(container.id));
          this.endpoints.cancel(network, endpoint);
        }
        await this.parts.namespaces.remove(container.id);
      });
      throw e;
    }
  }

  async release(container: Container): Promise<void> {
    const mode = modeOf(container);
    if (mode.kind === "container") return;
    await this.drop(container.id);
    if (mode.kind !== "host") await this.parts.namespaces.remove(container.id);
  }

  /** Takes a running container off one network. Its ports go with the network they were published on; another network takes over the default route. */
  async leave(id: string, network: Network, endpoint: Endpoint): Promise<void> {
    if (this.outward(id)?.endpoint.id === endpoint.id) await this.publisher.unpublish(id, network, endpoint);
    await this.endpoints.unplug(id, network, endpoint);
    const next = this.outward(id);
    if (next) await this.parts.driver.connect(next.network, next.endpoint, this.parts.namespaces.path(id));
  }

  private joinedBy(id: string): Joined[] {
    return this.parts.store.endpoints({ container: id }).map((endpoint) => ({ endpoint, network: this.parts.store.get(endpoint.network) }));
  }
  /** The endpoint that leads out and has the published ports: the first interface on a network that is not internal. */
  private outward(id: string): Joined | undefined {
    return outwardOf(this.joinedBy(id));
  }

  /** Takes a container off everything; the namespace is the caller's affair. */
  private async drop(id: string): Promise<void> {
    const joined = this.joinedBy(id), outward = outwardOf(joined);
    const unpublished = this.publisher.unpublish(id, outward?.network, outward?.endpoint);
    for (const { network, endpoint } of joined) this.endpoints.abandon(id, network, endpoint);
    await unpublished.catch((e: unknown) => this.parts.logger.warn({ err: e, container: id }, "published ports could not be taken back"));
  }

  async files(container: Container): Promise<{ hosts: string; hostname: string; resolvConf: string }> {
    const mode = modeOf(container);
    if (mode.kind === "container") return this.files(this.parts.containers.get(this.parts.containers.resolve(mode.container)));
    const { config, hostConfig } = container;
    const short = config.Hostname || (mode.kind === "host" ? hostname() : container.id.slice(0, 12));
    const full = config.Domainname ? `${short}.${config.Domainname}` : short;
    const extra = (hostConfig.ExtraHosts ?? []).flatMap((text) => parseExtraHost(text, this.hostGateway()) ?? []);
    if (mode.kind === "host") {
      const own = extra.map((e) => `${e.address}\t${e.names.join(" ")}\n`).join("");
      return { hostname: `${full}\n`, hosts: await readText("/etc/hosts") + own, resolvConf: this.resolver(container, await hostResolver(true), true) };
    }
    const joined = this.parts.store.endpoints({ container: container.id });
    const names = [...new Set([full, short, container.name])];
    const own: HostsEntry[] = joined.flatMap((e) => [e.ipv4, e.ipv6].filter((a) => a !== null).map((address) => ({ address, names })));
    const ipv6 = joined.some((e) => e.ipv6 !== null);
    return { hostname: `${full}\n`, hosts: renderHosts([...extra, ...own]), resolvConf: this.resolver(container, await hostResolver(false), ipv6) };
  }

  private resolver(container: Container, host: Resolver, ipv6: boolean): string {
    const { hostConfig } = container, { config } = this.parts;
    const first = (...lists: (readonly string[] | null | undefined)[]): readonly string[] => lists.find((l) => l && l.length > 0) ?? [];
    const wishes = { dns: first(hostConfig.Dns, config.dns), search: first(hostConfig.DnsSearch, config.dnsSearch), options: first(hostConfig.DnsOptions, config.dnsOptions), ipv6 };
    // In the host's namespace its loopback servers answer.
    return modeOf(container).kind === "host" && wishes.dns.length === 0 ? renderResolver(host, { ...wishes, dns: host.servers }) : renderResolver(host, wishes);
  }
  private hostGateway(): string {
    if (this.parts.config.hostGateway) return this.parts.config.hostGateway;
    for (const network of this.parts.store.list()) if (network.name === "bridge") return network.ipam.find((p) => p.gateway)?.gateway ?? "127.0.0.1";
    return "127.0.0.1";
  }

  async recover(running: readonly Container[]): Promise<void> {
    const alive = new Map<string, Container>(running.filter((c) => modeOf(c).kind !== "container").map((c) => [c.id, c]));
    await this.attempt("stale endpoints", async () => {
      const gone = new Set([...this.parts.store.endpoints({}).map((e) => e.container), ...this.parts.store.ports().map((p) => p.container)].filter((id) => !alive.has(id)));
      for (const id of gone) await this.drop(id);
    });
    await Promise.all([...this.parts.store.list()].filter(isDriven).map((n) => this.attempt(`network ${n.name}`, () => this.parts.driver.ensure(n))));
    await Promise.all([...alive.values()].map((c) => this.attempt(`networks of container ${c.id}`, () => this.restore(c))));
    await this.attempt("stale namespaces", async () => {
      for (const id of await this.parts.namespaces.list()) if (!alive.has(id)) await this.parts.namespaces.remove(id);
    });
  }
  /** Makes true again what the ledger says of a running container. */
  private async restore(container: Container): Promise<void> {
    if (modeOf(container).kind === "host") return;
    const netns = await this.parts.namespaces.adopt(container.id, container.state.pid);
    const joined = this.joinedBy(container.id).filter((j) => isDriven(j.network)).sort(byInterface);
    for (const { network, endpoint } of joined) await this.parts.driver.connect(network, endpoint, netns);
    const outward = outwardOf(joined);
    const ports = this.parts.store.ports(container.id);
    if (outward && ports.length > 0) await this.parts.driver.publish(outward.network, outward.endpoint, ports);
  }
  /** One broken network must not keep the daemon from starting. */
  private async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (e) {
      this.parts.logger.error({ reason: messageOf(e) }, `${what} could not be restored`);
    }
  }

  /** The networks a container is to be on, the one of its mode first: it gives the default route. */
  private wishes(container: Container): Wish[] {
    const mode = modeOf(container);
    const primary = this.parts.store.get(mode.kind === "network" ? mode.name : mode.kind);
    const wishes = new Map<string, Wish>([[primary.id, { network: primary, spec: {} }]]);
    for (const [name, spec] of Object.entries(container.networks).sort(([a], [b]) => (a < b ? -1 : 1))) {
      const network = name === "default" ? primary : this.parts.store.get(name);
      wishes.set(network.id, { network, spec });
    }
    return [...wishes.values()];
  }
  private joined(name: string): string | undefined {
    const target = this.parts.containers.get(this.parts.containers.resolve(name));
    if (!isRunning(target)) throw new Conflict(`cannot join network of a non running container: ${target.id}`);
    const mode = modeOf(target);
    if (mode.kind === "container") return this.joined(mode.container);
    return mode.kind === "host" ? undefined : this.parts.namespaces.path(target.id);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return "";
    throw e;
  }
}
/** The host's resolver; behind a stub on loopback (systemd-resolved) the servers it asks, for whoever is not on the host's loopback. */
async function hostResolver(onHost: boolean): Promise<Resolver> {
  const resolver = parseResolver(await readText("/etc/resolv.conf"));
  if (onHost || !resolver.servers.some(isLocalServer)) return resolver;
  const behind = await readText("/run/systemd/resolve/resolv.conf");
  return behind === "" ? resolver : parseResolver(behind);
}

