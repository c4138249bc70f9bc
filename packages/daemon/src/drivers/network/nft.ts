import { bitsOf, parseIp, type Logger } from "../../core/index.js";
import type { ElementChange } from "../../kernel/nft-elements.js";
import { OpenPorts, type BridgeRules, type Firewall, type OpenPort, type Published } from "./firewall.js";

type Ip = "ip" | "ip6";
const FAMILIES: readonly Ip[] = ["ip", "ip6"];

export interface NftOptions {
  /** Name of our table. */
  readonly table: string;
  /** Runs `nft -f -` with this script; rejects with nft's words. */
  readonly apply: (script: string) => Promise<void>;
  /** Changes elements at once, by netlink: what takes `nft` a process of its own for each container. */
  readonly change: (changes: readonly ElementChange[]) => Promise<void>;
  readonly logger: Logger;
}

interface Step {
  readonly ports: readonly Published[];
  readonly verb: "add" | "delete";
  /** For whatever is more than elements of the port maps. */
  readonly script: string;
  /** The tables are made anew. */
  readonly renews?: true;
}

/**
 * nftables, in a table of our own in each family. Published ports are elements of maps, bridges elements of sets, so
 * each change is a few elements. Changes that wait while nft runs go together in its next transaction. The tables are
 * made anew with the first transaction of the daemon's life, and whenever somebody has flushed them.
 */
export class NftFirewall implements Firewall {
  readonly name = "nftables";
  private readonly bridges = new Map<string, BridgeRules>();
  private readonly ports = new Map<string, Published>();
  private readonly opened = new OpenPorts();
  private pending: { step: Step; resolve(): void; reject(e: unknown): void }[] = [];
  private running = false;
  /** Families whose table holds what the maps here say; none before the first transaction. */
  private built = new Set<Ip>();

  constructor(private readonly options: NftOptions) {}

  async ensure(rules: BridgeRules): Promise<void> {
    const before = this.bridges.get(rules.bridge);
    if (before && JSON.stringify(before) === JSON.stringify(rules) && this.built.size > 0) return;
    this.bridges.set(rules.bridge, rules);
    try {
      await this.change({ ports: [], verb: "add", script: (before ? removeBridge(this.options.table, before) : "") + addBridge(this.options.table, rules) });
    } catch (e) {
      // What was refused must not spoil the next transaction.
      if (before) this.bridges.set(rules.bridge, before);
      else this.bridges.delete(rules.bridge);
      throw e;
    }
  }
  async remove(bridge: string): Promise<void> {
    const rules = this.bridges.get(bridge);
    if (!rules) return;
    this.bridges.delete(bridge);
    await this.change({ ports: [], verb: "delete", script: removeBridge(this.options.table, rules) });
  }
  async publish(ports: readonly Published[]): Promise<void> {
    const fresh = ports.filter((p) => !this.ports.has(keyOf(p)));
    if (fresh.length === 0) return;
    for (const p of fresh) this.ports.set(keyOf(p), p);
    try {
      await this.change({ ports: fresh, verb: "add", script: "" });
    } catch (e) {
      for (const p of fresh) this.ports.delete(keyOf(p));
      throw e;
    }
  }
  async unpublish(ports: readonly Published[]): Promise<void> {
    const known = ports.filter((p) => this.ports.has(keyOf(p)));
    if (known.length === 0) return;
    for (const p of known) this.ports.delete(keyOf(p));
    await this.change({ ports: known, verb: "delete", script: "" });
  }

  async open(ports: readonly OpenPort[]): Promise<void> {
    const fresh = this.opened.add(ports);
    if (fresh.length > 0) await this.change({ ports: [], verb: "add", script: fresh.map((p) => `add ${openElement(this.options.table, p)}\n`).join("") });
  }
  async shut(ports: readonly OpenPort[]): Promise<void> {
    const gone = this.opened.remove(ports);
    if (gone.length > 0) await this.change({ ports: [], verb: "delete", script: gone.map((p) => `delete ${openElement(this.options.table, p)}\n`).join("") });
  }

  /** Makes the tables anew, without what others put into them. */
  renew(): Promise<void> { return this.change({ ports: [], verb: "add", script: "", renews: true }); }

  private change(step: Step): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ step, resolve, reject });
      if (!this.running) {
        this.running = true;
        // What is asked for in the same turn goes in the same transaction.
        queueMicrotask(() => void this.drain());
      }
    });
  }
  private async drain(): Promise<void> {
    while (this.pending.length > 0) {
      const batch = this.pending;
      this.pending = [];
      try {
        await this.commit(batch.map((b) => b.step));
        for (const b of batch) b.resolve();
      } catch (e) {
        for (const b of batch) b.reject(e);
      }
    }
    this.running = false;
  }
  private async commit(steps: readonly Step[]): Promise<void> {
    if (this.bridges.size === 0 && this.ports.size === 0) {
      // Nothing of ours is needed: the machine is left as it was found.
      const gone = [...this.built];
      this.built = new Set();
      if (gone.length > 0) await this.options.apply(gone.map((f) => `delete table ${f} ${this.options.table}\n`).join(""));
      return;
    }
    const families = this.families();
    if (families.every((f) => this.built.has(f)) && !steps.some(({ renews }) => renews)) {
      try {
        if (steps.every((s) => s.script === "")) await this.options.change(steps.flatMap((s) => s.ports.map((p) => changeOf(this.options.table, s.verb, p))));
        else await this.options.apply(steps.map((s) => s.script + s.ports.map((p) => `${s.verb} ${elementOf(this.options.table, p)}\n`).join("")).join(""));
        return;
      } catch (e) {
        this.options.logger.warn({ err: e }, "nftables refused a change; making the tables anew");
      }
    }
    this.built = new Set();
    await this.options.apply(this.whole(families));
    this.built = new Set(families);
  }
  private families(): Ip[] {
    const bridges = [...this.bridges.values()].flatMap(familiesOf), ports = [...this.ports.values()].map((p) => familyOf(p.address));
    return FAMILIES.filter((f) => f === "ip" || bridges.includes(f) || ports.includes(f));
  }
  /** The tables from nothing, in one transaction: nobody sees them half made. */
  private whole(families: readonly Ip[]): string {
    const { table } = this.options;
    return [
      ...families.map((f) => tableOf(f, table)), ...[...this.bridges.values()].map((b) => addBridge(table, b)), ...[...this.ports.values()].map((p) => `add ${elementOf(table, p)}\n`),
      ...this.opened.values().filter((p) => families.includes(familyOf(p.address))).map((p) => `add ${openElement(table, p)}\n`),
    ].join("");
  }
}

/**
 * loopback: nobody on a bridge reaches this machine's loopback, although route_localnet lets answers through.
 * publish: the host's address and port, or the port on every local address, give the container's. Not on ::1, whose
 * packets the kernel never lets out: refused there, clients of `localhost` go on to 127.0.0.1.
 * postrouting: loopback sources, and containers that reached their neighbour by a published port, take the bridge's
 * address, so that answers come back this way; what leaves our bridges takes the address of its way out.
 * forward: what a bridge lets in from, and out to, other interfaces.
 */
function tableOf(family: Ip, table: string): string {
  const address = family === "ip" ? "ipv4_addr" : "ipv6_addr", loopback = family === "ip" ? "127.0.0.0/8" : "::1";
  return `add table ${family} ${table}
delete table ${family} ${table}
table ${family} ${table} {
  map addressed { type inet_proto . ${address} . inet_service : ${address} . inet_service ; }
  map anywhere { type inet_proto . inet_service : ${address} . inet_service ; }
  set open { type inet_proto . ${address} . inet_service ; }
  set subnets { type ${address} ; flags interval ; }
  set masqueraded { type ${address} ; flags interval ; }
  set bridges { type ifname ; }
  map inward { type ifname : verdict ; }
  map outward { type ifname : verdict ; }
  chain loopback { type filter hook prerouting priority -300 ; iifname @bridges ${family} daddr ${loopback} drop ; }
  chain publish {
    dnat ${family} to meta l4proto . ${family} daddr . th dport map @addressed
    dnat ${family} to meta l4proto . th dport map @anywhere
  }
  chain prerouting { type nat hook prerouting priority -100 ; fib daddr type local jump publish ; }
  chain output { type nat hook output priority -100 ; ${family === "ip6" ? "ip6 daddr != ::1 " : ""}fib daddr type local jump publish ; }
  chain postrouting {
    type nat hook postrouting priority 100 ;
    ${family} saddr ${loopback} oifname @bridges masquerade
    ${family} saddr @subnets oifname @bridges ct status dnat masquerade
    ${family} saddr @masqueraded oifname != @bridges masquerade
  }
  chain forward {
    type filter hook forward priority 0 ; policy accept ;
    iifname vmap @outward
    oifname vmap @inward
  }
}
`;
}

/** Of an address or a range. */
const familyOf = (text: string): Ip => (text.includes(":") ? "ip6" : "ip");
const familiesOf = (rules: BridgeRules): Ip[] => FAMILIES.filter((f) => rules.subnets.some((s) => familyOf(s) === f));
const chains = (bridge: string): { in: string; out: string } => {
  // Chain names are words; interface names need not be.
  const word = Buffer.from(bridge).toString("hex");
  return { in: `in_${word}`, out: `out_${word}` };
};
/** The elements that stand for a bridge in one family's table. */
function elementsOf(table: string, rules: BridgeRules, family: Ip): string[] {
  const { bridge } = rules, name = chains(bridge), subnets = rules.subnets.filter((s) => familyOf(s) === family).join(", ");
  return [
    `bridges { "${bridge}" }`, `subnets { ${subnets} }`,
    ...(rules.masquerade && !rules.internal && !rules.routed.includes(family) ? [`masqueraded { ${subnets} }`] : []),
    `inward { "${bridge}" : jump ${name.in} }`,
    ...(rules.internal ? [`outward { "${bridge}" : jump ${name.out} }`] : []),
  ].map((element) => `element ${family} ${table} ${element}`);
}

function addBridge(table: string, rules: BridgeRules): string {
  const { bridge } = rules, name = chains(bridge);
  return familiesOf(rules).flatMap((f) => {
    const t = `${f} ${table}`;
    return [
      `add chain ${t} ${name.in}`,
      ...(rules.internal
        ? [`add rule ${t} ${name.in} iifname != "${bridge}" drop`, `add chain ${t} ${name.out}`, `add rule ${t} ${name.out} oifname != "${bridge}" drop`]
        // Networks keep apart, but a port that is published is for everybody.
        : [`ct state established,related return`, `ct status dnat return`, ...(rules.routed.includes(f) ? [`meta l4proto ${f === "ip" ? "icmp" : "ipv6-icmp"} return`, `meta l4proto . ${f} daddr . th dport @open return`] : []), `iifname != "${bridge}" ${rules.unprotected.includes(f) ? "iifname @bridges " : ""}drop`].map((rule) => `add rule ${t} ${name.in} ${rule}`)),
      ...elementsOf(table, rules, f).map((e) => `add ${e}`),
    ];
  }).map((line) => `${line}\n`).join("");
}
function removeBridge(table: string, rules: BridgeRules): string {
  const name = chains(rules.bridge);
  return familiesOf(rules).flatMap((f) => [
    ...elementsOf(table, rules, f).map((e) => `delete ${e}`),
    ...[name.in, ...(rules.internal ? [name.out] : [])].flatMap((c) => [`flush chain ${f} ${table} ${c}`, `delete chain ${f} ${table} ${c}`]),
  ]).map((line) => `${line}\n`).join("");
}

const openElement = (table: string, p: OpenPort): string => `element ${familyOf(p.address)} ${table} open { ${p.protocol} . ${p.address} . ${p.port} }`;
const keyOf = (p: Published): string => `${p.protocol} ${p.hostIp} ${p.hostPort} ${p.address} ${p.port}`;
const isAnywhere = (p: Published): boolean => p.hostIp === "0.0.0.0" || p.hostIp === "::";
const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;

/** A port as an element of a map: the registers that `elementOf` writes as text. */
export function changeOf(table: string, verb: "add" | "delete", p: Published): ElementChange {
  const address = (text: string): Buffer => {
    const ip = parseIp(text);
    return ip ? Buffer.from(ip.value.toString(16).padStart(bitsOf(ip.family) / 4, "0"), "hex") : Buffer.alloc(0);
  };
  const port = (n: number): Buffer => Buffer.from([n >> 8, n & 0xff, 0, 0]);
  const protocol = Buffer.from([PROTOCOL[p.protocol], 0, 0, 0]);
  const key = isAnywhere(p) ? [protocol, port(p.hostPort)] : [protocol, address(p.hostIp), port(p.hostPort)];
  return {
    verb, family: familyOf(p.address), table, set: isAnywhere(p) ? "anywhere" : "addressed",
    key: Buffer.concat(key), data: Buffer.concat([address(p.address), port(p.port)]),
  };
}
function elementOf(table: string, p: Published): string {
  const family = familyOf(p.address), anywhere = isAnywhere(p);
  const key = anywhere ? `${p.protocol} . ${p.hostPort}` : `${p.protocol} . ${p.hostIp} . ${p.hostPort}`;
  return `element ${family} ${table} ${anywhere ? "anywhere" : "addressed"} { ${key} : ${p.address} . ${p.port} }`;
}
