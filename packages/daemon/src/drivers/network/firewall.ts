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
}
/** A host port that leads to a container. `hostIp` 0.0.0.0 and :: mean every local address. */
export interface Published {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly hostIp: string;
  readonly hostPort: number;
  readonly address: string;
  readonly port: number;
}

/** Idempotent: afterwards the rules hold, whoever made them. */
export interface Firewall {
  readonly name: string;
  ensure(rules: BridgeRules): Promise<void>;
  remove(bridge: string): Promise<void>;
  publish(ports: readonly Published[]): Promise<void>;
  unpublish(ports: readonly Published[]): Promise<void>;
}

/** `--iptables=false`: the administrator writes the rules. */
export const noFirewall: Firewall = {
  name: "none",
  ensure: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  publish: () => Promise.resolve(),
  unpublish: () => Promise.resolve(),
};
