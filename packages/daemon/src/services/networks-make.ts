import {
  AlreadyExists, Conflict, formatIp, formatRange, InvalidArgument, messageOf, newId, overlap, parseCidr, PermissionDenied, StrataError,
  type IpamPool, type IpRange, type Network, type NetworkId,
} from "../core/index.js";
import { completePool, defaultPools, firstFree, uniqueLocal } from "./networks-ipam.js";
import { isDriven, type NetworkParts } from "./networks-parts.js";
import { checkSpec, driverOf, INTERFACE_NAME, OPTION } from "./networks-spec.js";
import { undo } from "./networks-endpoints.js";
import type { NetworkSpec } from "./types.js";

/** Interfaces of the default network, in order of preference: each daemon on a machine needs one of its own. */
const OUR_BRIDGES = Array.from({ length: 10 }, (_, i) => `strata${i}`);

/** Makes networks: ranges chosen, ledger, kernel. */
export class NetworkMaker {
  constructor(private readonly parts: NetworkParts) {}

  /** A network for a user. */
  async make(asked: NetworkSpec): Promise<Network> {
    checkSpec(asked);
    const spec = asked.configFrom === undefined ? asked : this.lent(asked, asked.configFrom);
    const id = newId<NetworkId>();
    const pools = (spec.ipam ?? []).filter((p) => p.subnet !== "").map(completePool);
    const occupied = await this.occupied();
    // From here to the ledger nothing waits: two requests cannot choose the same range.
    if (this.named(spec.name)) throw new Conflict(`network with name ${spec.name} already exists`);
    const ipv4 = spec.ipv4 ?? true, configOnly = spec.configOnly ?? false;
    const network: Network = {
      id, name: spec.name, driver: driverOf(spec), createdAt: this.parts.clock.now(), internal: spec.internal ?? false, attachable: spec.attachable ?? false,
      ...(ipv4 ? {} : { ipv4 }), ipv6: spec.ipv6 ?? false, ipam: configOnly ? spec.ipam ?? [] : this.ranges(id, pools, { ipv4, ipv6: spec.ipv6 ?? false }, occupied),
      options: spec.options ?? {}, labels: spec.labels ?? {}, ...(spec.ipamOptions ? { ipamOptions: spec.ipamOptions } : {}),
      ...(configOnly ? { configOnly } : {}), ...(spec.configFrom === undefined ? {} : { configFrom: spec.configFrom }),
    };
    this.ownBridge(network);
    await this.establish(network);
    this.parts.events.emit({ type: "network", action: "create", id, attributes: { name: network.name, type: network.driver } });
    return network;
  }
  /** With the settings of a network that is there for that. */
  private lent(spec: NetworkSpec, name: string): NetworkSpec {
    const from = this.named(name);
    if (from?.configOnly !== true) throw new PermissionDenied(from ? `network ${name} is not a configuration network` : `configuration network "${name}" does not exist`);
    const lent: NetworkSpec = { ...spec, ipv6: from.ipv6, ipam: from.ipam, options: from.options, labels: from.labels, ...(from.ipamOptions ? { ipamOptions: from.ipamOptions } : {}) };
    const { configFrom: _, ...whole } = lent;
    checkSpec(whole);
    return lent;
  }
  private ownBridge({ options, driver }: Network): void {
    const name = driver === "bridge" ? options[OPTION.name] : undefined;
    const other = name === undefined ? undefined : [...this.parts.store.list()].find((n) => n.driver === "bridge" && n.options[OPTION.name] === name);
    if (other) throw new PermissionDenied(`cannot create network (${name}): conflicts with network ${other.id} (${other.name}): networks have same bridge name`);
  }

  /** Makes `bridge`, `host` and `none` unless they are there. */
  async defaults(): Promise<void> {
    for (const [name, driver] of [["host", "host"], ["none", "null"]] as const) {
      if (!this.named(name)) this.parts.store.create(this.plain(name, driver));
    }
    const { config } = this.parts;
    if (config.bridge === "none") return;
    if (config.bridge !== undefined && !INTERFACE_NAME.test(config.bridge)) throw new InvalidArgument(`invalid bridge name: ${config.bridge}`);
    const had = this.named("bridge")?.options[OPTION.name];
    const names = config.bridge !== undefined ? [config.bridge] : [...new Set([...OUR_BRIDGES.filter((n) => n === had), ...OUR_BRIDGES])];
    const occupied = await this.occupied();
    for (const [i, name] of names.entries()) {
      try {
        await this.defaultNetwork(name, occupied);
        return;
      } catch (e) {
        // Another daemon on this machine has that interface.
        if (!(e instanceof AlreadyExists) || i === names.length - 1) throw e;
      }
    }
  }
  private async defaultNetwork(bridge: string, occupied: readonly IpRange[]): Promise<void> {
    const { config } = this.parts;
    const network = this.named("bridge");
    const wanted = { ...this.plain("bridge", "bridge"), options: this.bridgeOptions(bridge) };
    const inUse = network !== undefined && this.parts.store.endpoints({ network: network.id }).length > 0;
    if (network && (inUse || this.suits(network, wanted.options, occupied))) {
      await this.driven(network);
      return;
    }
    if (network) {
      await this.parts.driver.remove(network);
      this.parts.store.remove(network.id);
    }
    const pools = config.bip === undefined ? this.ranges(wanted.id, [], { ipv4: true, ipv6: false }, occupied) : [bipPool(config.bip)];
    await this.establish({ ...wanted, ipam: pools.map((p) => completePool(config.fixedCidr === undefined ? p : { ...p, range: config.fixedCidr })) });
  }

  private async establish(network: Network): Promise<void> {
    this.parts.store.create(network);
    if (network.configOnly === true) return;
    try {
      await this.driven(network);
    } catch (e) {
      await undo(this.parts, "a failed network", async () => { await this.parts.driver.remove(network); });
      this.parts.store.remove(network.id);
      throw e;
    }
  }
  private async driven(network: Network): Promise<void> {
    try {
      await this.parts.driver.ensure(network);
    } catch (e) {
      if (e instanceof StrataError) throw e;
      throw new Error(`network ${network.name} could not be made: ${messageOf(e)}`, { cause: e });
    }
  }

  private named(name: string): Network | undefined {
    for (const network of this.parts.store.list()) if (network.name === name) return network;
    return undefined;
  }
  private plain(name: string, driver: string): Network {
    return { id: newId(), name, driver, createdAt: this.parts.clock.now(), internal: false, attachable: false, ipv6: false, ipam: [], options: {}, labels: {} };
  }
  private bridgeOptions(bridge: string): Record<string, string> {
    const { icc, defaultHostIp, mtu } = this.parts.config;
    return {
      "com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.enable_icc": String(icc),
      "com.docker.network.bridge.enable_ip_masquerade": "true", "com.docker.network.bridge.host_binding_ipv4": defaultHostIp,
      [OPTION.name]: bridge, [OPTION.mtu]: String(mtu),
    };
  }
  /** Whether the default network is as the configuration wants it and still clear of the machine's own ranges. */
  private suits(network: Network, options: Network["options"], occupied: readonly IpRange[]): boolean {
    const { bip, fixedCidr } = this.parts.config;
    const pool = network.ipam[0];
    const range = pool && parseCidr(pool.subnet)?.range;
    if (!range || JSON.stringify(network.options) !== JSON.stringify(options) || pool.range !== fixedCidr) return false;
    if (bip !== undefined) return pool.gateway === bip.split("/")[0] && pool.subnet === bipPool(bip).subnet;
    return !occupied.some((o) => overlap(o, range));
  }

  /** What was asked for, kept clear of our other networks; else a pool that is clear of the machine's ranges too. */
  private ranges(id: string, asked: readonly IpamPool[], { ipv4, ipv6 }: { ipv4: boolean; ipv6: boolean }, occupied: readonly IpRange[]): IpamPool[] {
    const ours = [...this.parts.store.list()].filter((n) => isDriven(n)).flatMap((n) => n.ipam.flatMap((p) => parseCidr(p.subnet)?.range ?? []));
    const ranges = asked.flatMap((p) => parseCidr(p.subnet)?.range ?? []);
    for (const [i, range] of ranges.entries()) {
      if ([...ours, ...ranges.slice(0, i)].some((o) => overlap(o, range))) throw new PermissionDenied("invalid pool request: Pool overlaps with other one on this address space");
    }
    const pools = [...asked];
    if (ipv4 && !ranges.some((r) => r.family === 4)) {
      const free = firstFree(defaultPools(this.parts.config.addressPools), [...ours, ...occupied]);
      if (!free) throw new InvalidArgument("all predefined address pools have been fully subnetted");
      pools.unshift(completePool({ subnet: formatRange(free) }));
    }
    if (ipv6 && !ranges.some((r) => r.family === 6)) pools.push(completePool({ subnet: formatRange(uniqueLocal(id)) }));
    return pools;
  }
  private async occupied(): Promise<IpRange[]> {
    return (await this.parts.driver.occupied([...this.parts.store.list()].filter(isDriven))).flatMap((text) => parseCidr(text)?.range ?? []);
  }
}

function bipPool(bip: string): IpamPool {
  const cidr = parseCidr(bip);
  if (!cidr) throw new InvalidArgument(`invalid bridge address: ${bip}`);
  return { subnet: formatRange(cidr.range), gateway: formatIp(cidr.address) };
}
