import {
  Conflict, InvalidArgument, messageOf, NotFound, parseIp, type Container, type ContainerId, type Endpoint, type EndpointSpec, type Network, type PortBinding,
} from "../core/index.js";
import { type Endpoints, undo } from "./networks-endpoints.js";
import { EtcFiles } from "./networks-etc.js";
import { parseExtraHost } from "./networks-files.js";
import { Links } from "./networks-links.js";
import { NameService } from "./networks-names.js";
import { isDriven, isNamed, isRunning, modeOf, type NetworkParts } from "./networks-parts.js";
import { portRequests } from "./networks-ports.js";
import type { Publisher } from "./networks-publish.js";
import type { ContainerNetworking } from "./types.js";

interface Wish { readonly network: Network; readonly spec: EndpointSpec }
interface Joined { readonly network: Network; readonly endpoint: Endpoint }
const numberOf = (j: Joined): number => Number(/\d+$/.exec(j.endpoint.interfaceName)?.[0] ?? 0);
const byInterface = (a: Joined, b: Joined): number => numberOf(a) - numberOf(b);
const priorityOf = (j: Joined): number => j.endpoint.priority ?? 0;
/** The one that leads out and has the published ports: of the highest priority, then the first by its network's name. */
const outwardOf = (joined: readonly Joined[]): Joined | undefined => joined.filter((j) => isDriven(j.network) && !j.network.internal)
  .sort((a, b) => priorityOf(b) - priorityOf(a) || (a.network.name < b.network.name ? -1 : 1))[0];
/** The one that leads out first: the first default route stays. */
const inOrder = (joined: readonly Joined[]): Joined[] => { const outward = outwardOf(joined); return [...joined].sort((a, b) => Number(b === outward) - Number(a === outward) || byInterface(a, b)); };

/** Whether a container's record has it on a network: by name or ID; without any, on the one of its mode. */
function isMeant(container: Container, network: Network): boolean {
  const names = Object.keys(container.networks), mode = modeOf(container);
  const primary = mode.kind === "network" && (mode.name === network.name || network.id.startsWith(mode.name));
  return names.includes(network.name) || names.includes(network.id) || ((primary || mode.kind === network.name) && (names.length === 0 || names.includes("default")));
}

/** Gives containers their namespaces, endpoints, ports and /etc files. */
export class AttachedNetworks implements ContainerNetworking {
  private readonly names: NameService;
  private readonly links: Links;
  private readonly etc: EtcFiles;

  constructor(private readonly parts: NetworkParts, private readonly endpoints: Endpoints, private readonly publisher: Publisher) {
    this.names = new NameService(parts);
    this.links = new Links(parts);
    this.etc = new EtcFiles(parts, this.links);
  }

  validate(container: Container): void {
    const mode = modeOf(container), host = container.hostConfig;
    portRequests(container.config, host);
    for (const text of host.ExtraHosts ?? []) {
      if (!parseExtraHost(text, "127.0.0.1")) throw new InvalidArgument(`bad format for add-host: "${text}"`);
    }
    for (const server of host.Dns ?? []) if (!parseIp(server)) throw new InvalidArgument(`invalid IP address: ${server}`);
    if (mode.kind === "container") {
      if (mode.container === "") throw new InvalidArgument("invalid container format container:<name|id>");
      const published = Object.values(host.PortBindings ?? {}).some((b) => (b ?? []).length > 0);
      if (published || host.PublishAllPorts) throw new InvalidArgument("conflicting options: port publishing and the container type network mode");
      this.links.validate(container);
      if ((host.Dns ?? []).length > 0) throw new InvalidArgument("conflicting options: dns and the network mode");
      if ((host.ExtraHosts ?? []).length > 0) throw new InvalidArgument("conflicting options: custom host-to-IP mapping and the network mode");
      return;
    }
    this.links.validate(container);
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
    this.links.hold(container);
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
      for (const { network, endpoint } of inOrder(made)) await this.endpoints.plug(container, network, endpoint, netns);
      if (made.some((m) => isNamed(m.network))) await this.names.serve(container.id);
      const outward = outwardOf(made);
      const ports = outward ? await this.publisher.publish(container, outward.network, outward.endpoint) : [];
      for (const { holder, entries } of this.links.holders(container)) await this.etc.editHosts(holder, [], entries);
      return { netns, endpoints: made.map((m) => m.endpoint), ports };
    } catch (e) {
      await undo(this.parts, "a failed attach", async () => {
        await creating.catch(() => undefined);
        this.links.release(container.id);
        this.names.stop(container.id);
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
    const told = this.links.holders(container);
    await this.drop(container.id);
    for (const { holder, entries } of told) await this.etc.editHosts(holder, entries, []);
    if (mode.kind !== "host") await this.parts.namespaces.remove(container.id);
    // A connect that came meanwhile may have opened one.
    this.names.stop(container.id);
  }

  /** Takes a running container off one network. Another network takes over its ports and the default route. */
  async leave(id: string, network: Network, endpoint: Endpoint, container: Container | undefined): Promise<void> {
    const joined = this.joinedBy(id), outward = outwardOf(joined), next = outwardOf(joined.filter((j) => j.endpoint.id !== endpoint.id));
    const led = outward?.endpoint.id === endpoint.id;
    if (led && next) await this.publisher.move(id, outward, next);
    else if (led) await this.publisher.unpublish(id, network, endpoint);
    await this.endpoints.unplug(id, network, endpoint);
    if (led && next) await this.parts.driver.lead(next.endpoint, this.parts.namespaces.path(id));
    if (container) await this.etc.follow(container, { gone: [endpoint] });
  }
  /** Puts a running container on one more network. */
  async join(container: Container, network: Network, spec: EndpointSpec): Promise<void> {
    const before = this.outward(container.id), netns = this.parts.namespaces.path(container.id);
    const endpoint = this.endpoints.reserve(container, network, spec);
    try {
      await this.endpoints.plug(container, network, endpoint, netns);
      if (isNamed(network)) await this.names.serve(container.id);
      if (this.outward(container.id)?.endpoint.id === endpoint.id) await this.takeOver(container, before, { network, endpoint }, netns);
    } catch (e) {
      await undo(this.parts, "a failed connect", async () => { await this.parts.driver.disconnect(network, endpoint, netns); });
      this.endpoints.cancel(network, endpoint);
      throw e;
    }
    await this.etc.follow(container, { come: [endpoint] });
  }

  /** The way out, and what is published, moves to another endpoint. */
  private async takeOver(container: Container, from: Joined | undefined, to: Joined, netns: string): Promise<void> {
    await this.parts.driver.lead(to.endpoint, netns);
    if (from) await this.publisher.move(container.id, from, to);
    else await this.publisher.publish(container, to.network, to.endpoint);
  }
  private joinedBy(id: string): Joined[] {
    return this.parts.store.endpoints({ container: id }).map((endpoint) => ({ endpoint, network: this.parts.store.get(endpoint.network) }));
  }
  private outward(id: string): Joined | undefined {
    return outwardOf(this.joinedBy(id));
  }

  /** Takes a container off everything; the namespace is the caller's affair. */
  private async drop(id: ContainerId): Promise<void> {
    this.links.release(id);
    this.names.stop(id);
    const joined = this.joinedBy(id), outward = outwardOf(joined);
    const unpublished = this.publisher.unpublish(id, outward?.network, outward?.endpoint);
    for (const { network, endpoint } of joined) this.endpoints.abandon(id, network, endpoint);
    await unpublished.catch((e: unknown) => this.parts.logger.warn({ err: e, container: id }, "published ports could not be taken back"));
  }

  files(container: Container): Promise<{ hosts: string; hostname: string; resolvConf: string }> { return this.etc.files(container); }

  async relink(before: Container, after: Container): Promise<void> {
    const kept = new Set(this.links.hosts(after).flatMap((e) => e.names));
    await this.etc.editHosts(after, this.links.hosts(before).filter((e) => !e.names.every((name) => kept.has(name))), []);
    if (isRunning(after)) this.links.remember(after);
  }

  /** Variables that its links bring to a container's processes. */
  environment(container: Container): string[] { return this.links.environment(container); }

  async recover(running: readonly Container[]): Promise<void> {
    const alive = new Map<string, Container>(running.filter((c) => modeOf(c).kind !== "container").map((c) => [c.id, c]));
    await this.attempt("stale endpoints", async () => {
      const gone = new Set([...this.parts.store.endpoints({}).map((e) => e.container), ...this.parts.store.ports().map((p) => p.container)].filter((id) => !alive.has(id)));
      for (const id of gone) await this.drop(id as ContainerId);
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
    // A connect that a crash cut short is undone, a disconnect completed.
    for (const { network, endpoint } of this.joinedBy(container.id)) if (!isMeant(container, network)) await this.endpoints.unplug(container.id, network, endpoint);
    const joined = this.joinedBy(container.id).filter((j) => isDriven(j.network));
    for (const { network, endpoint } of inOrder(joined)) await this.parts.driver.connect(network, endpoint, netns);
    if (joined.some((j) => isNamed(j.network))) await this.names.serve(container.id);
    this.links.remember(container);
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

  /** The networks a container is to be on, the one of its mode first, unless it was taken off that. */
  private wishes(container: Container): Wish[] {
    const mode = modeOf(container);
    const primary = this.parts.store.get(mode.kind === "network" ? mode.name : mode.kind);
    const wishes = new Map<string, Wish>(isMeant(container, primary) ? [[primary.id, { network: primary, spec: {} }]] : []);
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
