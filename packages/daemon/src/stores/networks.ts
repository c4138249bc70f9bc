import { AlreadyExists, Conflict, type Endpoint, InvalidArgument, type Network, type NetworkId, NotFound, type NetworkStore, type PortBinding } from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";
import { afterPrefix, parseFrozen } from "./rows.js";

type PortRow = PortBinding & { readonly container: string };

/** Networks, endpoints and published ports in the ledger. Unique indexes keep addresses and ports from being given twice. */
export class LedgerNetworks implements NetworkStore {
  constructor(private readonly ledger: Ledger) {}

  create(network: Network): void {
    try {
      this.ledger.sql<[string, string, number, string]>("INSERT INTO network (id, name, created_at, document) VALUES (?, ?, ?, ?)").run(network.id, network.name, network.createdAt, JSON.stringify(network));
    } catch (e) {
      if (violated(e) === "unique") throw new AlreadyExists(`network with name ${network.name} already exists`, { cause: e });
      throw e;
    }
  }

  /** Full ID, then name, then an unambiguous ID prefix. */
  get(idOrName: string): Network {
    const exact = this.ledger.sql<[string, string, string], { document: string }>("SELECT document FROM network WHERE id = ? OR name = ? ORDER BY id = ? DESC LIMIT 1").get(idOrName, idOrName, idOrName);
    if (exact !== undefined) return parseFrozen<Network>(exact.document);
    const found = /^[0-9a-f]{1,63}$/.test(idOrName)
      ? this.ledger.sql<[string, string], { document: string }>("SELECT document FROM network WHERE id >= ? AND id < ? LIMIT 2").all(idOrName, afterPrefix(idOrName)) : [];
    if (found.length > 1) throw new InvalidArgument(`network ${idOrName} is ambiguous (2 matches found based on ID prefix)`);
    if (found[0] === undefined) throw new NotFound(`network ${idOrName} not found`);
    return parseFrozen<Network>(found[0].document);
  }

  list(): Iterable<Network> {
    return this.ledger.cached("networks", () => this.ledger.sql<[], { document: string }>("SELECT document FROM network ORDER BY created_at, name").all().map((row) => parseFrozen<Network>(row.document)), ["network"]);
  }

  /** Conflict while containers are connected. Absent is success. */
  remove(id: NetworkId): void {
    try {
      this.ledger.sql<[string]>("DELETE FROM network WHERE id = ?").run(id);
    } catch (e) {
      if (violated(e) === "foreign-key") throw new Conflict(`network ${id} has active endpoints`, { cause: e });
      throw e;
    }
  }

  /** A power cut ends the container too, so endpoints and ports need not be on disk before the next durable write. */
  addEndpoint(endpoint: Endpoint): void {
    try {
      this.ledger.transaction(() => this.ledger.sql<[string, string, string, string | null, string | null, string]>("INSERT INTO endpoint (id, network, container, ipv4, ipv6, document) VALUES (?, ?, ?, ?, ?, ?)")
        .run(endpoint.id, endpoint.network, endpoint.container, endpoint.ipv4, endpoint.ipv6, JSON.stringify(endpoint)), { durable: false });
    } catch (e) {
      if (violated(e) === "foreign-key") throw new NotFound(`network ${endpoint.network} not found`, { cause: e });
      if (violated(e) === "unique") throw new AlreadyExists(this.taken(endpoint), { cause: e });
      throw e;
    }
  }
  private taken(endpoint: Endpoint): string {
    const own = this.ledger.sql<[string, string]>("SELECT 1 FROM endpoint WHERE network = ? AND container = ?").get(endpoint.network, endpoint.container);
    return own === undefined ? "Address already in use" : `endpoint for container ${endpoint.container} already exists in network ${endpoint.network}`;
  }

  /** Absent is success. */
  removeEndpoint(network: NetworkId, container: string): void {
    this.ledger.transaction(() => this.ledger.sql<[string, string]>("DELETE FROM endpoint WHERE network = ? AND container = ?").run(network, container), { durable: false });
  }

  endpoints(filter: { network?: NetworkId; container?: string }): readonly Endpoint[] {
    const { network, container } = filter;
    if (network === undefined && container === undefined) return this.ledger.cached("endpoints", () => this.ledger.sql<[], { document: string }>("SELECT document FROM endpoint").all().map((row) => parseFrozen<Endpoint>(row.document)), ["endpoint"]);
    const rows = network !== undefined && container !== undefined
      ? this.ledger.sql<[string, string], { document: string }>("SELECT document FROM endpoint WHERE network = ? AND container = ?").all(network, container)
      : network !== undefined
        ? this.ledger.sql<[string], { document: string }>("SELECT document FROM endpoint WHERE network = ?").all(network)
        : this.ledger.sql<[string], { document: string }>("SELECT document FROM endpoint WHERE container = ?").all(container!);
    return rows.map((row) => parseFrozen<Endpoint>(row.document));
  }

  /** Replaces what the container publishes; Conflict when another container has a port. */
  setPorts(container: string, ports: readonly PortBinding[]): void {
    this.ledger.transaction(() => {
      this.ledger.sql<[string]>("DELETE FROM port WHERE container = ?").run(container);
      for (const p of ports) {
        try {
          this.ledger.sql<[string, number, string, string, number]>("INSERT INTO port (protocol, host_port, host_ip, container, container_port) VALUES (?, ?, ?, ?, ?)").run(p.protocol, p.hostPort, p.hostIp, container, p.containerPort);
        } catch (e) {
          if (violated(e) === "unique") throw new Conflict(`Bind for ${p.hostIp}:${p.hostPort} failed: port is already allocated`, { cause: e });
          throw e;
        }
      }
    }, { durable: false });
  }

  ports(container?: string): readonly PortRow[] {
    const columns = "SELECT protocol, host_port AS hostPort, host_ip AS hostIp, container, container_port AS containerPort FROM port";
    const order = "ORDER BY container, container_port, protocol, host_ip, host_port";
    return container === undefined ? this.ledger.cached("ports", () => this.ledger.sql<[], PortRow>(`${columns} ${order}`).all(), ["port"]) : this.ledger.sql<[string], PortRow>(`${columns} WHERE container = ? ${order}`).all(container);
  }
}
