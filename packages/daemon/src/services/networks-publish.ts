import { randomInt } from "node:crypto";
import { messageOf, StrataError, Unavailable, type Container, type Endpoint, type Network, type PortBinding } from "../core/index.js";
import type { NetworkParts } from "./networks-parts.js";
import { clash, portRequests, type PortRequest } from "./networks-ports.js";
import { OPTION } from "./networks-spec.js";

/** Linux's default range for ephemeral ports (ip_local_port_range). */
const EPHEMERAL = { from: 32_768, to: 60_999 };

/** Docker has no better status for this than a failure of the server. */
class ConnectivityFailure extends Error {}

/** Chooses host ports and publishes them. Nobody else writes the ledger's ports. */
export class Publisher {
  /** What is published or about to be, by protocol and host port. */
  private held: Map<string, PortBinding[]> | undefined;

  constructor(private readonly parts: NetworkParts) {}

  /** Publishes what the container asks for, all or nothing, and records it. */
  async publish(container: Container, network: Network, endpoint: Endpoint): Promise<PortBinding[]> {
    const requests = portRequests(container.config, container.hostConfig);
    if (requests.length === 0 || network.driver !== "bridge") return [];
    const chosen: PortBinding[] = [];
    try {
      for (const request of requests) chosen.push(...await this.choose(request, network, endpoint));
      this.parts.store.setPorts(container.id, chosen);
      await this.parts.driver.publish(network, endpoint, chosen);
      return chosen;
    } catch (e) {
      this.parts.store.setPorts(container.id, []);
      this.free(chosen);
      throw new ConnectivityFailure(`driver failed programming external connectivity on endpoint ${container.name} (${endpoint.id}): ${messageOf(e)}`, { cause: e });
    }
  }

  /** Takes back what is published. */
  async unpublish(container: string, network: Network | undefined, endpoint: Endpoint | undefined): Promise<void> {
    const ports = this.parts.store.ports(container);
    if (ports.length === 0) return;
    // Free at once: the rules of a next holder wait behind ours in the driver.
    this.parts.store.setPorts(container, []);
    this.free(ports);
    if (network && endpoint) await this.parts.driver.unpublish(network, endpoint, ports);
  }

  /** The same ports, from now on of another endpoint. */
  async move(container: string, from: { readonly network: Network; readonly endpoint: Endpoint }, to: { readonly network: Network; readonly endpoint: Endpoint }): Promise<void> {
    const ports = this.parts.store.ports(container);
    if (ports.length === 0) return;
    await this.parts.driver.unpublish(from.network, from.endpoint, ports);
    await this.parts.driver.publish(to.network, to.endpoint, ports);
  }

  /** Takes the first of the host ports asked for that nobody has. */
  private async choose(request: PortRequest, network: Network, endpoint: Endpoint): Promise<PortBinding[]> {
    const hostIps = this.hostIps(request, network, endpoint);
    let refusal: unknown;
    for (const hostPort of candidates(request)) {
      const bindings = hostIps.map((hostIp) => ({ protocol: request.protocol, containerPort: request.containerPort, hostIp, hostPort }));
      const taken = bindings.find((b) => this.holders(b).some((h) => clash(b, h)));
      if (taken) {
        refusal = new Error(`Bind for ${where(taken)} failed: port is already allocated`);
        continue;
      }
      for (const b of bindings) this.holders(b).push(b);
      try {
        await this.parts.driver.probe(bindings);
        return bindings;
      } catch (e) {
        this.free(bindings);
        if (!(e instanceof StrataError) || e.code !== "Conflict") throw e;
        refusal = e;
      }
    }
    throw refusal;
  }
  /** Of the families that the container has: nothing here translates between them. */
  private hostIps(request: PortRequest, network: Network, endpoint: Endpoint): string[] {
    const reaches = (ip: string): boolean => (ip.includes(":") ? endpoint.ipv6 : endpoint.ipv4) !== null;
    if (request.hostIp !== "") {
      if (!reaches(request.hostIp)) throw new Unavailable(`cannot publish on ${request.hostIp}: the container has no ${request.hostIp.includes(":") ? "IPv6" : "IPv4"} address on network ${network.name}`);
      return [request.hostIp];
    }
    const all = network.options[OPTION.binding] || this.parts.config.defaultHostIp, all6 = network.options[OPTION.binding6] || (all === "0.0.0.0" ? "::" : "");
    const found = [all, ...(all6 === "" ? [] : [all6])].filter(reaches);
    if (found.length === 0) throw new Unavailable(`cannot publish on ${all}: the container has no address of that family on network ${network.name}`);
    return found;
  }

  private holders(binding: PortBinding): PortBinding[] {
    if (!this.held) {
      this.held = new Map();
      for (const p of this.parts.store.ports()) this.holders(p).push(p);
    }
    const key = `${binding.protocol} ${binding.hostPort}`;
    let holders = this.held.get(key);
    if (!holders) this.held.set(key, holders = []);
    return holders;
  }
  private free(bindings: readonly PortBinding[]): void {
    for (const b of bindings) {
      const holders = this.holders(b), at = holders.findIndex((h) => h.hostIp === b.hostIp);
      if (at >= 0) holders.splice(at, 1);
      if (holders.length === 0) this.held?.delete(`${b.protocol} ${b.hostPort}`);
    }
  }
}

const where = (b: PortBinding): string => `${b.hostIp.includes(":") ? `[${b.hostIp}]` : b.hostIp}:${b.hostPort}`;

/** The host ports to try, in order. An ephemeral search starts anywhere, so that a port is not soon given again. */
function* candidates(request: PortRequest): Iterable<number> {
  const { from, to } = request.hostPorts ?? EPHEMERAL;
  const count = to - from + 1;
  const start = request.hostPorts ? 0 : randomInt(count);
  for (let i = 0; i < count; i++) yield from + ((start + i) % count);
}
