import {
  AlreadyExists, Conflict, NotFound, silentLogger, Unavailable,
  type Container, type ContainerId, type DnsTransport, type Endpoint, type EventBus, type NameAnswerer, type NameServerDriver, type Network, type NetworkDriver, type NetworkId, type NetworkStore, type PortBinding, type StrataEvent,
} from "../../core/index.js";
import { defaultNetworksConfig, type NetworkParts, type NetworksConfig } from "../networks-parts.js";

/** A NetworkStore without a disk. */
export class MemoryNetworkStore implements NetworkStore {
  private readonly networks = new Map<string, Network>();
  private joined: Endpoint[] = [];
  private bound: (PortBinding & { container: string })[] = [];

  create(network: Network): void { this.networks.set(network.id, network); }
  get(idOrName: string): Network {
    const found = this.networks.get(idOrName) ?? [...this.networks.values()].find((n) => n.name === idOrName);
    if (!found) throw new NotFound(`network ${idOrName} not found`);
    return found;
  }
  list(): Network[] { return [...this.networks.values()]; }
  remove(id: NetworkId): void {
    if (this.joined.some((e) => e.network === id)) throw new Conflict("network has endpoints");
    this.networks.delete(id);
  }
  addEndpoint(endpoint: Endpoint): void {
    const taken = this.joined.some((e) => e.network === endpoint.network && (e.container === endpoint.container || (e.ipv4 !== null && e.ipv4 === endpoint.ipv4)));
    if (taken) throw new AlreadyExists("address taken");
    this.joined.push(endpoint);
  }
  removeEndpoint(network: NetworkId, container: string): void { this.joined = this.joined.filter((e) => e.network !== network || e.container !== container); }
  endpoints(filter: { network?: NetworkId; container?: string }): Endpoint[] {
    return this.joined.filter((e) => (filter.network === undefined || e.network === filter.network) && (filter.container === undefined || e.container === filter.container));
  }
  setPorts(container: string, ports: readonly PortBinding[]): void {
    this.bound = [...this.bound.filter((p) => p.container !== container), ...ports.map((p) => ({ ...p, container }))];
  }
  ports(container?: string): (PortBinding & { container: string })[] { return this.bound.filter((p) => container === undefined || p.container === container); }
}

/** A driver that only remembers; `refuse` makes the next verb of that name fail. */
export class MemoryDriver implements NetworkDriver {
  readonly name = "bridge";
  readonly calls: string[] = [];
  readonly listening = new Set<number>();
  ranges: string[] = [];
  refuse: string | undefined;

  private done(verb: string, detail: string): Promise<void> {
    if (this.refuse === verb) {
      this.refuse = undefined;
      return Promise.reject(new Error(`${verb} refused`));
    }
    this.calls.push(`${verb} ${detail}`);
    return Promise.resolve();
  }
  ensure(n: Network): Promise<void> { return this.done("ensure", n.name); }
  remove(n: Network): Promise<void> { return this.done("remove", n.name); }
  connect(n: Network, e: Endpoint): Promise<void> { return this.done("connect", `${n.name} ${e.interfaceName} ${e.ipv4}`); }
  disconnect(n: Network, e: Endpoint): Promise<void> { return this.done("disconnect", `${n.name} ${e.interfaceName}`); }
  lead(e: Endpoint): Promise<void> { return this.done("lead", e.interfaceName); }
  publish(n: Network, _e: Endpoint, ports: readonly PortBinding[]): Promise<void> { return this.done("publish", `${n.name} ${describe(ports)}`); }
  unpublish(n: Network, _e: Endpoint, ports: readonly PortBinding[]): Promise<void> { return this.done("unpublish", `${n.name} ${describe(ports)}`); }
  occupied(): Promise<readonly string[]> { return Promise.resolve(this.ranges); }
  probe(ports: readonly PortBinding[]): Promise<void> {
    const busy = ports.find((p) => this.listening.has(p.hostPort));
    return busy ? Promise.reject(new Conflict(`Bind for ${busy.hostIp}:${busy.hostPort} failed: port is already allocated`)) : Promise.resolve();
  }
}
const describe = (ports: readonly PortBinding[]): string => ports.map((p) => `${p.hostIp}:${p.hostPort}->${p.containerPort}/${p.protocol}`).join(" ");

/** A carrier of DNS messages that only remembers; `servers` answer what others are asked, by address. */
export class MemoryNames implements NameServerDriver {
  readonly listening = new Map<string, NameAnswerer>();
  readonly asked: string[] = [];
  readonly servers = new Map<string, (query: Buffer) => Buffer>();

  listen(container: string, _netns: string, answer: NameAnswerer): Promise<void> { this.listening.set(container, answer); return Promise.resolve(); }
  close(container: string): void { this.listening.delete(container); }
  ask(query: Buffer, over: DnsTransport, server: string, _timeoutMs: number, netns?: string): Promise<Buffer> {
    this.asked.push(`${server} ${over}${netns === undefined ? "" : ` ${netns.slice(0, 10)}`}`);
    const answer = this.servers.get(server);
    return answer ? Promise.resolve(answer(query)) : Promise.reject(new Unavailable(`name server ${server}: no answer`));
  }
}

/** Containers by full ID or name. */
export class MemoryContainers {
  private readonly known = new Map<string, Container>();
  get(id: ContainerId): Container {
    const found = this.known.get(id);
    if (!found) throw new NotFound(`No such container: ${id}`);
    return found;
  }
  resolve(nameOrPrefix: string): ContainerId {
    const found = [...this.known.values()].find((c) => c.id.startsWith(nameOrPrefix) || c.name === nameOrPrefix);
    if (!found) throw new NotFound(`No such container: ${nameOrPrefix}`);
    return found.id;
  }
  update(container: Container): void { this.known.set(container.id, container); }
  list(): Container[] { return [...this.known.values()]; }
  /** No files. */
  directory(id: ContainerId): string { return `/nowhere/${id}`; }
}

/** A container of that name, its ID the name's characters in hexadecimal. */
export function containerNamed(name: string, change: { [K in "config" | "hostConfig" | "networks" | "state"]?: Partial<Container[K]> } = {}): Container {
  return {
    id: Buffer.from(name).toString("hex").padEnd(64, "0") as ContainerId, name, imageId: "sha256:0" as Container["imageId"], imageName: "x", createdAt: 0, path: "x", args: [],
    config: { ...change.config }, hostConfig: { ...change.hostConfig }, networks: { ...change.networks } as Container["networks"], mounts: [], driver: "vfs",
    state: { status: "running", pid: process.pid, exitCode: 0, error: "", oomKilled: false, restartCount: 0, ...change.state },
  };
}

/** Everything Networks needs, in memory; `events` collects what was emitted. */
export function memoryParts(config: Partial<NetworksConfig> = {}): NetworkParts & {
  readonly store: MemoryNetworkStore; readonly driver: MemoryDriver; readonly names: MemoryNames; readonly containers: MemoryContainers; readonly emitted: string[]; readonly spaces: Set<string>; readonly clock: { time: number; now(): number };
} {
  const emitted: string[] = [], spaces = new Set<string>(), listeners: ((e: StrataEvent) => void)[] = [];
  const events: EventBus = {
    emit: (e: Omit<StrataEvent, "time">) => { emitted.push(`${e.type} ${e.action} ${e.attributes["name"] ?? e.id}`); for (const listen of listeners) listen({ ...e, time: 0 }); },
    subscribe: () => { throw new Error("nobody listens here"); },
    on: (listener) => { listeners.push(listener); return () => undefined; },
  };
  const path = (id: string): string => `/ns/${id}`;
  const add = (id: string): Promise<string> => { spaces.add(id); return Promise.resolve(path(id)); };
  return {
    store: new MemoryNetworkStore(), driver: new MemoryDriver(), names: new MemoryNames(), containers: new MemoryContainers(), emitted, spaces, events, logger: silentLogger,
    namespaces: { create: add, adopt: add, path, remove: (id) => { spaces.delete(id); return Promise.resolve(); }, list: () => Promise.resolve([...spaces]) },
    clock: { time: 0, now() { return this.time; } }, config: { ...defaultNetworksConfig, ...config },
  };
}
