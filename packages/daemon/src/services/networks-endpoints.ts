import { randomBytes } from "node:crypto";
import {
  AlreadyExists, contains, formatIp, InvalidArgument, messageOf, newId, NotFound, parseCidr, parseIp, PermissionDenied, Unavailable,
  type Container, type Endpoint, type EndpointSpec, type IpamPool, type Network,
} from "../core/index.js";
import { AddressChooser, macFor, takenBefore } from "./networks-ipam.js";
import { checkEndpointOptions, interfaceNameFor, sysctlsOf } from "./networks-endpoint-options.js";
import { isDriven, PREDEFINED, type NetworkParts } from "./networks-parts.js";

/** After this the kernel has taken the interfaces of a namespace that nobody is in. */
const REAP_AFTER_MS = 500;

/** Joins containers to networks and takes them off again: address, ledger, kernel, event. */
export class Endpoints {
  private readonly chooser: AddressChooser;
  private readonly reaping = new Map<NodeJS.Timeout, () => Promise<void>>();
  /** Networks that are being removed. */
  private readonly closing = new Set<string>();

  constructor(private readonly parts: NetworkParts) {
    this.chooser = new AddressChooser(parts.clock);
  }

  /** Checks what was asked of a network; InvalidArgument. */
  validate(network: Network, spec: EndpointSpec): void {
    if (PREDEFINED.has(network.name) && (spec.Aliases ?? []).length > 0) throw new InvalidArgument("invalid endpoint settings:\nnetwork-scoped aliases are only supported for user-defined networks");
    if (network.configOnly === true) throw new PermissionDenied("cannot create endpoint on configuration-only network");
    checkEndpointOptions(spec);
    const mac = spec.MacAddress ?? "";
    if (mac !== "" && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new InvalidArgument(`invalid MAC address: ${mac}`);
    for (const [text, family] of [[spec.IPAMConfig?.IPv4Address, 4], [spec.IPAMConfig?.IPv6Address, 6]] as const) {
      if (!text) continue;
      if (network.name === "bridge") throw new InvalidArgument("invalid endpoint settings:\nuser specified IP address is supported on user defined networks only");
      const ip = parseIp(text);
      if (ip?.family !== family) throw new InvalidArgument(`invalid endpoint settings:\ninvalid IPv${family} address: ${text}`);
      if (!network.ipam.some((p) => { const range = parseCidr(p.subnet)?.range; return range && contains(range, ip); })) {
        throw new InvalidArgument(`invalid config for network ${network.name}: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address ${text}`);
      }
    }
  }

  /** Records an endpoint: addresses chosen, nothing in the kernel yet. */
  reserve(container: Container, network: Network, spec: EndpointSpec): Endpoint {
    if (this.closing.has(network.id)) throw new NotFound(`network ${network.name} not found`);
    this.validate(network, spec);
    const names = new Set(this.parts.store.endpoints({ container: container.id }).map((e) => e.interfaceName));
    const interfaceName = isDriven(network) ? interfaceNameFor(network, spec, names) : "";
    const linkLocal = spec.IPAMConfig?.LinkLocalIPs ?? [], sysctls = sysctlsOf(spec);
    for (;;) {
      const used = new Set(this.parts.store.endpoints({ network: network.id }).flatMap((e) => [e.ipv4, e.ipv6].filter((a) => a !== null)));
      const v4 = this.address(container, network, 4, spec.IPAMConfig?.IPv4Address, used);
      const v6 = this.address(container, network, 6, spec.IPAMConfig?.IPv6Address, used);
      const endpoint: Endpoint = {
        id: newId(), network: network.id, container: container.id, interfaceName,
        hostInterface: network.driver === "bridge" ? `veth${randomBytes(4).toString("hex").slice(0, 7)}` : "",
        mac: !isDriven(network) || network.driver === "ipvlan" ? "" : spec.MacAddress ? spec.MacAddress.toLowerCase() : macFor(v4?.address ?? formatIp({ family: 4, value: BigInt(`0x${randomBytes(4).toString("hex")}`) })),
        ipv4: v4?.address ?? null, prefix: v4?.prefix ?? 0, gateway: v4?.gateway ?? null,
        ipv6: v6?.address ?? null, prefix6: v6?.prefix ?? 0, gateway6: v6?.gateway ?? null,
        aliases: spec.Aliases ?? [], ...(linkLocal.length > 0 ? { linkLocal } : {}), ...(sysctls.length > 0 ? { sysctls } : {}), priority: spec.GwPriority ?? 0,
      };
      try {
        this.parts.store.addEndpoint(endpoint);
        return endpoint;
      } catch (e) {
        // Somebody took the address meanwhile: choose again. Nothing else is mended by that.
        const now = this.parts.store.endpoints({ network: network.id });
        const lost = now.some((o) => o.container !== container.id && ((v4 !== undefined && o.ipv4 === v4.address) || (v6 !== undefined && o.ipv6 === v6.address)));
        if (!(e instanceof AlreadyExists) || !lost || now.some((o) => o.container === container.id)) throw e;
      }
    }
  }

  /** Runs `work` while nobody can join the network. */
  async closed(network: Network, work: () => Promise<void>): Promise<void> {
    this.closing.add(network.id);
    try { await work(); } finally { this.closing.delete(network.id); }
  }

  /** Plugs a recorded endpoint in and tells the world. */
  async plug(container: Container, network: Network, endpoint: Endpoint, netns: string): Promise<void> {
    if (isDriven(network)) await this.parts.driver.connect(network, endpoint, netns);
    this.emit("connect", network, container.id);
  }

  /** Unplugs and forgets an endpoint. */
  async unplug(container: string, network: Network, endpoint: Endpoint): Promise<void> {
    if (isDriven(network)) await this.parts.driver.disconnect(network, endpoint, this.parts.namespaces.path(container));
    this.forget(container, network, endpoint);
  }

  /** Forgets an endpoint whose namespace is going. The kernel takes the interface with it; what it leaves is removed later. */
  abandon(container: string, network: Network, endpoint: Endpoint): void {
    this.forget(container, network, endpoint);
    // An interface with an end here only: one of the same name may be a next run's.
    if (endpoint.hostInterface === "") return;
    const reap = (): Promise<void> => undo(this.parts, "an interface", () => this.parts.driver.disconnect(network, endpoint, this.parts.namespaces.path(container)));
    const timer = setTimeout(() => {
      this.reaping.delete(timer);
      void reap();
    }, REAP_AFTER_MS);
    timer.unref();
    this.reaping.set(timer, reap);
  }
  /** Removes at once what was to be removed later. */
  async reapAll(): Promise<void> {
    const left = [...this.reaping];
    this.reaping.clear();
    for (const [timer, reap] of left) {
      clearTimeout(timer);
      await reap();
    }
  }

  /** Forgets an endpoint that never came to life: no event. */
  cancel(network: Network, endpoint: Endpoint): void {
    this.parts.store.removeEndpoint(network.id, endpoint.container);
  }

  private forget(container: string, network: Network, endpoint: Endpoint): void {
    this.parts.store.removeEndpoint(network.id, container);
    for (const address of [endpoint.ipv4, endpoint.ipv6]) if (address !== null) this.chooser.released(network.id, address, container);
    this.emit("disconnect", network, container);
  }

  private address(container: Container, network: Network, family: 4 | 6, wanted: string | undefined, used: ReadonlySet<string>): { address: string; prefix: number; gateway: string | null } | undefined {
    const pools = network.ipam.filter((p) => parseCidr(p.subnet)?.range.family === family);
    if (!isDriven(network) || pools.length === 0) return undefined;
    const found = wanted ? this.fixed(pools, wanted, used) : this.free(container, network, pools, used);
    if (!found) throw new Unavailable(`no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`);
    return { address: found.address, prefix: parseCidr(found.pool.subnet)?.range.prefix ?? 0, gateway: network.internal ? null : found.pool.gateway ?? null };
  }
  private free(container: Container, network: Network, pools: readonly IpamPool[], used: ReadonlySet<string>): { address: string; pool: IpamPool } | undefined {
    for (const pool of pools) {
      const address = this.chooser.choose(network.id, pool, used, container.id);
      if (address !== undefined) return { address, pool };
    }
    return undefined;
  }
  private fixed(pools: readonly IpamPool[], wanted: string, used: ReadonlySet<string>): { address: string; pool: IpamPool } | undefined {
    const ip = parseIp(wanted);
    const pool = pools.find((p) => { const range = parseCidr(p.subnet)?.range; return ip && range && contains(range, ip); });
    if (!ip || !pool) return undefined;
    const address = formatIp(ip);
    if (used.has(address) || takenBefore(pool).has(address)) throw new PermissionDenied("Address already in use");
    return { address, pool };
  }

  private emit(action: "connect" | "disconnect", network: Network, container: string): void {
    this.parts.events.emit({ type: "network", action, id: network.id, attributes: { container, name: network.name, type: network.driver } });
  }
}

/** Runs the undoing of something that failed; its own failure must not hide the reason. */
export async function undo(parts: NetworkParts, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (e) {
    parts.logger.warn({ reason: messageOf(e) }, `${what} could not be undone`);
  }
}
