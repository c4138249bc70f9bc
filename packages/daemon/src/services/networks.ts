import {
  Conflict, InvalidArgument, NotFound, PermissionDenied, systemClock,
  type Clock, type Container, type Endpoint, type EndpointSpec, type Network, type PortBinding,
} from "../core/index.js";
import { booleanFilter, labelsMatch, rejectUnknown, textMatches, untilOf } from "./filter-match.js";
import { AttachedNetworks } from "./networks-containers.js";
import { Endpoints } from "./networks-endpoints.js";
import { NetworkMaker } from "./networks-make.js";
import { isDriven, isRunning, modeOf, PREDEFINED, type NetworkParts } from "./networks-parts.js";
import { Publisher } from "./networks-publish.js";
import { PruneTurn } from "./prune-turn.js";
import type { ContainerNetworking, Filters, NetworkService, NetworkSpec, NetworkView } from "./types.js";

export type NetworksOptions = Omit<NetworkParts, "clock"> & { readonly clock?: Clock };

/** Networks for users, and what containers need of them. */
export class Networks implements NetworkService, ContainerNetworking {
  private readonly parts: NetworkParts;
  private readonly endpoints: Endpoints;
  private readonly maker: NetworkMaker;
  private readonly attached: AttachedNetworks;
  private readonly pruning = new PruneTurn();

  constructor(options: NetworksOptions) {
    this.parts = { ...options, clock: options.clock ?? systemClock };
    this.endpoints = new Endpoints(this.parts);
    this.maker = new NetworkMaker(this.parts);
    this.attached = new AttachedNetworks(this.parts, this.endpoints, new Publisher(this.parts));
  }

  /** Start-up: makes `bridge`, `host` and `none`. Call before `recover`. */
  ensureDefaults(): Promise<void> { return this.maker.defaults(); }

  /** Shutdown: takes down every bridge and rule, unless a container is still on one: then all stays for the next daemon. */
  async close(): Promise<void> {
    await this.endpoints.reapAll();
    if (this.parts.store.endpoints({}).length > 0) return;
    for (const network of this.parts.store.list()) if (isDriven(network)) await this.parts.driver.remove(network);
  }

  create(spec: NetworkSpec): Promise<Network> { return this.maker.make(spec); }

  inspect(name: string): NetworkView { return this.view(this.parts.store.get(name)); }

  list(filters: Filters): NetworkView[] {
    rejectUnknown(filters, ["dangling", "driver", "id", "label", "name", "scope", "type"]);
    const dangling = booleanFilter(filters, "dangling");
    for (const type of filters.get("type") ?? []) if (type !== "builtin" && type !== "custom") throw new InvalidArgument(`invalid filter 'type=${type}'`);
    const any = (key: string, match: (value: string) => boolean): boolean => !filters.has(key) || (filters.get(key) ?? []).some(match);
    return [...this.parts.store.list()].filter((n) =>
      any("driver", (v) => v === n.driver) && any("id", (v) => textMatches(v, n.id)) && any("name", (v) => textMatches(v, n.name)) &&
      any("scope", (v) => v === "local") && any("type", (v) => v === (PREDEFINED.has(n.name) ? "builtin" : "custom")) && labelsMatch(filters, n.labels),
    ).map((n) => this.view(n)).filter((v) => dangling === undefined || dangling === (!PREDEFINED.has(v.network.name) && v.endpoints.length === 0));
  }

  async remove(name: string): Promise<void> {
    const network = this.parts.store.get(name);
    if (PREDEFINED.has(network.name)) throw new PermissionDenied(`${network.name} is a pre-defined network and cannot be removed`);
    const dependent = network.configOnly === true ? [...this.parts.store.list()].find((n) => n.configFrom === network.name) : undefined;
    if (dependent) throw new PermissionDenied(`configuration network "${network.name}" is in use`);
    const active = this.view(network).endpoints;
    if (active.length > 0) {
      const who = active.map((e) => `name:"${e.containerName}" id:"${e.id.slice(0, 12)}"`).join(", ");
      throw new PermissionDenied(`error while removing network: network ${network.name} id ${network.id} has active endpoints (${who})`);
    }
    // The row goes last: a crash in between leaves a network that can be removed, not a bridge that nobody knows.
    await this.endpoints.closed(network, async () => {
      if (network.configOnly !== true) await this.parts.driver.remove(network);
      this.parts.store.remove(network.id);
    });
    this.emit("destroy", network);
  }

  async connect(name: string, container: string, spec: EndpointSpec): Promise<void> {
    const network = this.parts.store.get(name), target = this.container(container);
    const mode = modeOf(target);
    if (mode.kind === "host" || network.driver === "host") throw new PermissionDenied("container cannot be disconnected from host network or connected to host network");
    if (network.configOnly === true) throw new PermissionDenied("cannot create endpoint on configuration-only network");
    if (mode.kind === "none" || network.driver === "null") throw new PermissionDenied("container cannot be connected to multiple networks with one of the networks in private (none) mode");
    if (mode.kind === "container") throw new PermissionDenied("container sharing network namespace with another container or host cannot be connected to any other network");
    const there = isRunning(target) && this.parts.store.endpoints({ network: network.id, container: target.id }).length > 0;
    if (there) throw new PermissionDenied(`endpoint with name ${target.name} already exists in network ${network.name}`);
    this.endpoints.validate(network, spec);
    if (isRunning(target)) {
      await this.attached.join(target, network, spec);
    }
    this.record(target, (networks) => ({ ...networks, [network.name]: spec }));
  }

  async disconnect(name: string, container: string, force: boolean): Promise<void> {
    const network = this.parts.store.get(name);
    const target = force ? this.containerIfAny(container) : this.container(container);
    const id = target?.id ?? container;
    const [endpoint] = this.parts.store.endpoints({ network: network.id, container: id });
    const planned = target !== undefined && (network.name in target.networks || network.id in target.networks);
    if (!endpoint && !planned && !target) throw new NotFound(`endpoint ${container} not found`);
    if (target && network.driver === "host" && modeOf(target).kind === "host") throw new PermissionDenied("container cannot be disconnected from host network or connected to host network");
    if (!endpoint && !planned) throw new Conflict(`container ${id} is not connected to network ${network.name}`);
    // Noted first: what a crash cuts short is completed from there.
    if (target) this.record(target, ({ [network.name]: _gone, [network.id]: _too, ...rest }) => rest);
    try {
      if (endpoint) await this.attached.leave(id, network, endpoint, target);
    } catch (e) {
      if (target) this.record(target, () => target.networks);
      throw e;
    }
  }

  prune(filters: Filters): Promise<string[]> { return this.pruning.take(() => this.pruneNow(filters)); }
  private async pruneNow(filters: Filters): Promise<string[]> {
    rejectUnknown(filters, ["label", "label!", "until"]);
    const until = untilOf(filters, this.parts.clock.now());
    const unused = this.list(new Map()).filter(({ network, endpoints }) =>
      isDriven(network) && !PREDEFINED.has(network.name) && endpoints.length === 0 && network.createdAt <= until && labelsMatch(filters, network.labels));
    const wanted = new Set([...this.parts.containers.list()].flatMap((c) => Object.keys(c.networks)));
    const removed: string[] = [], items: { kind: "network"; key: string; name: string; bytes: number }[] = [];
    for (const { network } of unused) {
      if (wanted.has(network.name) || wanted.has(network.id)) continue;
      await this.remove(network.id);
      removed.push(network.name);
      items.push({ kind: "network", key: network.id, name: network.name, bytes: 0 });
    }
    this.parts.journal?.pruned("network", items);
    this.parts.events.emit({ type: "network", action: "prune", id: "", attributes: { reclaimed: "0" } });
    return removed;
  }

  validate(container: Container): void { this.attached.validate(container); }
  attach(container: Container): Promise<{ netns?: string; endpoints: readonly Endpoint[]; ports: readonly PortBinding[] }> { return this.attached.attach(container); }
  release(container: Container): Promise<void> { return this.attached.release(container); }
  relink(before: Container, after: Container): Promise<void> { return this.attached.relink(before, after); }
  files(container: Container): Promise<{ hosts: string; hostname: string; resolvConf: string }> { return this.attached.files(container); }
  environment(container: Container): readonly string[] { return this.attached.environment(container); }
  recover(running: readonly Container[]): Promise<void> { return this.attached.recover(running); }

  private view(network: Network): NetworkView {
    return { network, endpoints: this.parts.store.endpoints({ network: network.id }).map((e) => ({ ...e, containerName: this.containerIfAny(e.container)?.name ?? "" })) };
  }
  private container(name: string): Container { return this.parts.containers.get(this.parts.containers.resolve(name)); }
  private containerIfAny(name: string): Container | undefined {
    try {
      return this.container(name);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }
  /** Notes in the container's record which networks it is to join at its next start. Read again: much may have happened. */
  private record(container: Container, change: (networks: Container["networks"]) => Container["networks"]): void {
    const now = this.parts.containers.get(container.id);
    this.parts.containers.update({ ...now, networks: change(now.networks) });
  }
  private emit(action: string, network: Network): void {
    this.parts.events.emit({ type: "network", action, id: network.id, attributes: { name: network.name, type: network.driver } });
  }
}
