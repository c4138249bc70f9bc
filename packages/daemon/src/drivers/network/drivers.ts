import type { Endpoint, Network, NetworkDriver, PortBinding } from "../../core/index.js";

/** The driver for each network: bridges, and what lies directly on an interface of this machine. */
export class NetworkDrivers implements NetworkDriver {
  readonly name = "bridge, macvlan, ipvlan";

  constructor(private readonly bridge: NetworkDriver, private readonly lan: NetworkDriver) {}

  private of(network: Network): NetworkDriver { return network.driver === "bridge" ? this.bridge : this.lan; }
  ensure(network: Network): Promise<void> { return this.of(network).ensure(network); }
  remove(network: Network): Promise<void> { return this.of(network).remove(network); }
  connect(network: Network, endpoint: Endpoint, netns: string): Promise<void> { return this.of(network).connect(network, endpoint, netns); }
  disconnect(network: Network, endpoint: Endpoint, netns: string): Promise<void> { return this.of(network).disconnect(network, endpoint, netns); }
  lead(endpoint: Endpoint, netns: string): Promise<void> { return this.bridge.lead(endpoint, netns); }
  publish(network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void> { return this.of(network).publish(network, endpoint, ports); }
  unpublish(network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void> { return this.of(network).unpublish(network, endpoint, ports); }
  occupied(besides: readonly Network[]): Promise<readonly string[]> { return this.bridge.occupied(besides.filter((n) => n.driver === "bridge")); }
  probe(ports: readonly PortBinding[]): Promise<void> { return this.bridge.probe(ports); }
}
