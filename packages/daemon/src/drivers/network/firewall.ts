/** What a bridge needs of packet filtering and address translation, whichever tool does it. */
export interface BridgeRules {
  readonly bridge: string;
  /** CIDR, both families. */
  readonly subnets: readonly string[];
  /** Rewrite the sources of what leaves by other interfaces. */
  readonly masquerade: boolean;
  /** No traffic between the bridge and other interfaces. */
  readonly internal: boolean;
  /** Families whose every port others may reach (from our other bridges only published ones); else published ports are all. */
  readonly unprotected: readonly ("ip" | "ip6")[];
  /** Families whose addresses others know the way to: sources stay as they are, open ports and echo requests are let in. */
  readonly routed: readonly ("ip" | "ip6")[];
}
/** A container's port that is let in at its own address, as long as somebody who wanted that is there. */
export interface OpenPort {
  readonly owner: string;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly address: string;
  readonly port: number;
}
/** A host port that leads to a container. `hostIp` 0.0.0.0 and :: mean every local address. */
export interface Published {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly hostIp: string;
  readonly hostPort: number;
  readonly address: string;
  readonly port: number;
}

/** What is let in: the address of one who left may be another's already. */
export class OpenPorts {
  private readonly owners = new Map<string, { readonly port: OpenPort; readonly of: Set<string> }>();

  /** Those that were shut. */
  add(ports: readonly OpenPort[]): OpenPort[] {
    return ports.filter((port) => {
      const there = this.owners.get(keyOf(port));
      if (there) there.of.add(port.owner);
      else this.owners.set(keyOf(port), { port, of: new Set([port.owner]) });
      return !there;
    });
  }
  /** Those that nobody wants any more. */
  remove(ports: readonly OpenPort[]): OpenPort[] {
    return ports.filter((port) => {
      const there = this.owners.get(keyOf(port));
      return there?.of.delete(port.owner) === true && there.of.size === 0 && this.owners.delete(keyOf(port));
    });
  }
  values(): OpenPort[] { return [...this.owners.values()].map(({ port }) => port); }
}
const keyOf = ({ protocol, address, port }: OpenPort): string => `${protocol} ${address} ${port}`;

/** Idempotent: afterwards the rules hold, whoever made them. */
export interface Firewall {
  readonly name: string;
  ensure(rules: BridgeRules): Promise<void>;
  remove(bridge: string): Promise<void>;
  publish(ports: readonly Published[]): Promise<void>;
  unpublish(ports: readonly Published[]): Promise<void>;
  /** Lets ports of routed networks in. */
  open(ports: readonly OpenPort[]): Promise<void>;
  shut(ports: readonly OpenPort[]): Promise<void>;
}

/** `--iptables=false`: the administrator writes the rules. */
export const noFirewall: Firewall = {
  name: "none",
  ensure: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  publish: () => Promise.resolve(),
  unpublish: () => Promise.resolve(),
  open: () => Promise.resolve(),
  shut: () => Promise.resolve(),
};
