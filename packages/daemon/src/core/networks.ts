import type { NetworkId } from "./ids.js";

/** A network as it was asked for and made. */
export interface Network {
  readonly id: NetworkId;
  readonly name: string;
  readonly driver: string;
  readonly createdAt: number;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** Unless false. */
  readonly ipv4?: boolean;
  readonly ipv6: boolean;
  readonly ipam: readonly IpamPool[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Options of the address manager, as they were given. */
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** It only lends its settings to others, and nothing is made for it. */
  readonly configOnly?: boolean;
  /** Name of the network whose settings it took. */
  readonly configFrom?: string;
}
export interface IpamPool {
  readonly subnet: string;
  readonly gateway?: string;
  readonly range?: string;
  /** Addresses that others have, by their names: nobody gets them. */
  readonly reserved?: Readonly<Record<string, string>>;
}

/** A container's place on a network. */
export interface Endpoint {
  readonly id: string;
  readonly network: NetworkId;
  readonly container: string;
  readonly interfaceName: string;
  readonly hostInterface: string;
  readonly mac: string;
  readonly ipv4: string | null;
  readonly prefix: number;
  readonly gateway: string | null;
  readonly ipv6: string | null;
  readonly prefix6: number;
  readonly gateway6: string | null;
  readonly aliases: readonly string[];
  /** Further addresses that mean something on the link only. */
  readonly linkLocal?: readonly string[];
  /** Ports that others may reach at its own addresses, on a network that is routed. */
  readonly open?: readonly { readonly protocol: PortBinding["protocol"]; readonly port: number }[];
  /** Settings of the interface in its namespace, `net.ipv4.conf.IFNAME.forwarding=1`. */
  readonly sysctls?: readonly string[];
  /** Among a container's endpoints that of the highest gives the default route; 0 unless somebody said more. */
  readonly priority?: number;
}
export interface PortBinding {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly containerPort: number;
  readonly hostIp: string;
  readonly hostPort: number;
}

/** Durable facts about networks; addresses are handed out in one statement. */
export interface NetworkStore {
  create(network: Network): void;
  get(idOrName: string): Network;
  list(): Iterable<Network>;
  remove(id: NetworkId): void;
  /** Records an endpoint; AlreadyExists when the address is taken. */
  addEndpoint(endpoint: Endpoint): void;
  removeEndpoint(network: NetworkId, container: string): void;
  endpoints(filter: { network?: NetworkId; container?: string }): readonly Endpoint[];
  setPorts(container: string, ports: readonly PortBinding[]): void;
  ports(container?: string): readonly (PortBinding & { readonly container: string })[];
}

/** What touches the kernel. Every verb is idempotent: the state holds afterwards, whoever made it. */
export interface NetworkDriver {
  readonly name: string;
  /** Makes the bridge and its rules. AlreadyExists when an interface of that name is somebody else's. */
  ensure(network: Network): Promise<void>;
  remove(network: Network): Promise<void>;
  /** Plugs a network namespace in. */
  connect(network: Network, endpoint: Endpoint, netns: string): Promise<void>;
  disconnect(network: Network, endpoint: Endpoint, netns: string): Promise<void>;
  /** Makes an endpoint's gateways the namespace's default routes, in place of others. */
  lead(endpoint: Endpoint, netns: string): Promise<void>;
  publish(network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void>;
  unpublish(network: Network, endpoint: Endpoint, ports: readonly PortBinding[]): Promise<void>;
  /** Ranges (CIDR) that this machine's addresses and routes cover, those of `besides` aside: a new network must keep clear of them. */
  occupied(besides: readonly Network[]): Promise<readonly string[]>;
  /** Conflict when somebody on this machine holds the host's side of one of these, Unavailable when it has no such address. */
  probe(ports: readonly PortBinding[]): Promise<void>;
}

export type DnsTransport = "udp" | "tcp";
/** Gives the answer to a message of a container; undefined for what deserves none. */
export type NameAnswerer = (query: Buffer, over: DnsTransport) => Promise<Buffer | undefined>;
/** Carries DNS messages (RFC 1035): in from containers, out to other servers. What they say is for others. */
export interface NameServerDriver {
  /** Listens at 127.0.0.11 in a namespace, UDP and TCP, until `close`. Nothing to do when the container has one. */
  listen(container: string, netns: string, answer: NameAnswerer): Promise<void>;
  /** Absent is success. A server holds its namespace: close it before that is to go. */
  close(container: string): void;
  /** Asks another server (its IP address), out of a namespace or, without one, out of this machine's. Unavailable without an answer in time. */
  ask(query: Buffer, over: DnsTransport, server: string, timeoutMs: number, netns?: string): Promise<Buffer>;
}
/** Network namespaces, bind-mounted under the exec root so that they outlive the daemon. */
export interface NamespaceManager {
  /** Makes (or finds) the namespace with loopback up; returns its path. */
  create(id: string): Promise<string>;
  /** Names the namespace of a running process, for when the mount that named it is gone. */
  adopt(id: string, pid: number): Promise<string>;
  path(id: string): string;
  remove(id: string): Promise<void>;
  list(): Promise<string[]>;
}
