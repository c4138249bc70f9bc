import type { BridgeRules, Firewall, Published } from "./firewall.js";

type Family = "ip" | "ip6";
/** Ours, by table. */
const CHAINS = { raw: ["LOOPBACK"], nat: ["PUBLISH", "SOURCES"], filter: ["FORWARD", "APART"] } as const;
const FAMILIES: readonly Family[] = ["ip", "ip6"];
/** Built-in chains that lead into ours, by table. */
const HOOKS = [
  ["raw", "PREROUTING", "LOOPBACK", ""],
  ["nat", "PREROUTING", "PUBLISH", "-m addrtype --dst-type LOCAL"],
  ["nat", "OUTPUT", "PUBLISH", "-m addrtype --dst-type LOCAL"],
  ["nat", "POSTROUTING", "SOURCES", ""],
  ["filter", "FORWARD", "FORWARD", ""],
] as const;

export interface IptablesOptions {
  /** What the names of our chains begin with: at most 16 characters. */
  readonly prefix: string;
  /** Runs `iptables` (`ip6tables`) with these arguments; the exit status. */
  readonly rule: (family: Family, args: readonly string[]) => Promise<number>;
  /** Runs `iptables-restore --noflush` (`ip6tables-restore`) with this script. */
  readonly restore: (family: Family, script: string) => Promise<void>;
}

/**
 * For machines without nftables: chains of our own, written whole in one iptables-restore for each change. The means
 * are those of NftFirewall.
 */
export class IptablesFirewall implements Firewall {
  readonly name = "iptables";
  private readonly bridges = new Map<string, BridgeRules>();
  private readonly ports = new Map<string, Published>();
  private readonly hooked = new Set<Family>();
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly options: IptablesOptions) {}

  ensure(rules: BridgeRules): Promise<void> {
    this.bridges.set(rules.bridge, rules);
    return this.write(FAMILIES.filter((f) => subnetsOf(rules, f).length > 0));
  }
  remove(bridge: string): Promise<void> {
    const rules = this.bridges.get(bridge);
    this.bridges.delete(bridge);
    if (this.bridges.size === 0 && this.ports.size === 0) return this.enqueue(() => this.clear());
    return rules ? this.write(FAMILIES.filter((f) => subnetsOf(rules, f).length > 0)) : Promise.resolve();
  }
  publish(ports: readonly Published[]): Promise<void> {
    for (const p of ports) this.ports.set(JSON.stringify(p), p);
    return this.write(familiesOf(ports));
  }
  unpublish(ports: readonly Published[]): Promise<void> {
    for (const p of ports) this.ports.delete(JSON.stringify(p));
    return this.write(familiesOf(ports));
  }

  private write(families: readonly Family[]): Promise<void> {
    return this.enqueue(async () => {
      for (const family of families) {
        await this.options.restore(family, renderIptables(this.options.prefix, family, [...this.bridges.values()], [...this.ports.values()]));
        if (!this.hooked.has(family)) await this.hook(family);
        this.hooked.add(family);
      }
    });
  }
  private enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.queue.then(work);
    this.queue = done.catch(() => undefined);
    return done;
  }
  private async hook(family: Family): Promise<void> {
    for (const [table, ...rule] of this.rules(family)) {
      if (await this.options.rule(family, ["-w", "-t", table, "-C", ...rule]) !== 0) await this.options.rule(family, ["-w", "-t", table, "-I", ...rule]);
    }
  }
  /** Removes our chains and what leads into them. */
  private async clear(): Promise<void> {
    for (const family of this.hooked) {
      for (const [table, ...rule] of this.rules(family)) await this.options.rule(family, ["-w", "-t", table, "-D", ...rule]);
      await this.options.restore(family, Object.entries(CHAINS).map(([table, names]) => {
        const chains = names.map((n) => `${this.options.prefix}-${n}`);
        return `*${table}\n${[...chains.map((c) => `-F ${c}`), ...chains.map((c) => `-X ${c}`)].join("\n")}\nCOMMIT\n`;
      }).join(""));
    }
    this.hooked.clear();
  }
  /** Table and rule of each way into our chains. */
  private rules(family: Family): (readonly [string, ...string[]])[] {
    return HOOKS.map(([table, chain, ours, match]) => {
      // The kernel never lets packets from ::1 out: refused there, clients of `localhost` go on to 127.0.0.1.
      const besides = family === "ip6" && chain === "OUTPUT" ? ["!", "-d", "::1"] : [];
      return [table, chain, ...besides, ...match.split(" ").filter((w) => w !== ""), "-j", `${this.options.prefix}-${ours}`];
    });
  }
}

const familyOf = (address: string): Family => (address.includes(":") ? "ip6" : "ip");
const familiesOf = (ports: readonly Published[]): Family[] => FAMILIES.filter((f) => ports.some((p) => familyOf(p.address) === f));
const subnetsOf = (rules: BridgeRules, family: Family): string[] => rules.subnets.filter((s) => familyOf(s) === family);

/** The script that makes our chains hold exactly these rules. */
export function renderIptables(prefix: string, family: Family, bridges: readonly BridgeRules[], ports: readonly Published[]): string {
  const loopback = family === "ip" ? "127.0.0.0/8" : "::1/128";
  const ours = bridges.filter((b) => subnetsOf(b, family).length > 0);
  const tables = {
    raw: [`:${prefix}-LOOPBACK - [0:0]`, ...ours.map((b) => `-A ${prefix}-LOOPBACK -i ${b.bridge} -d ${loopback} -j DROP`)],
    nat: [
      `:${prefix}-PUBLISH - [0:0]`, `:${prefix}-SOURCES - [0:0]`,
      // The most exact address first.
      ...ports.filter((p) => familyOf(p.address) === family).sort((a, b) => Number(anywhere(a)) - Number(anywhere(b))).map((p) =>
        `-A ${prefix}-PUBLISH ${anywhere(p) ? "" : `-d ${p.hostIp} `}-p ${p.protocol} --dport ${p.hostPort} -j DNAT --to-destination ${family === "ip6" ? `[${p.address}]` : p.address}:${p.port}`),
      ...ours.flatMap((b) => [
        `-A ${prefix}-SOURCES -s ${loopback} -o ${b.bridge} -j MASQUERADE`,
        ...subnetsOf(b, family).flatMap((s) => [
          ...(b.masquerade && !b.internal ? [`-A ${prefix}-SOURCES -s ${s} ! -o ${b.bridge} -j MASQUERADE`] : []),
          `-A ${prefix}-SOURCES -s ${s} -o ${b.bridge} -m conntrack --ctstate DNAT -j MASQUERADE`,
        ]),
      ]),
    ],
    filter: [
      `:${prefix}-FORWARD - [0:0]`, `:${prefix}-APART - [0:0]`,
      ...ours.filter((b) => b.internal).flatMap((b) => [
        `-A ${prefix}-FORWARD -i ${b.bridge} ! -o ${b.bridge} -j DROP`, `-A ${prefix}-FORWARD -o ${b.bridge} ! -i ${b.bridge} -j DROP`,
      ]),
      // Networks keep apart, but a port that is published is for everybody.
      ...ours.map((b) => `-A ${prefix}-FORWARD -o ${b.bridge} ! -i ${b.bridge} -j ${prefix}-APART`),
      `-A ${prefix}-APART -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN`, `-A ${prefix}-APART -m conntrack --ctstate DNAT -j RETURN`,
      ...ours.flatMap((b) => (b.unprotected.includes(family) ? ours.filter((o) => o !== b).map((o) => `-A ${prefix}-APART -i ${o.bridge} -o ${b.bridge} -j DROP`) : [`-A ${prefix}-APART -o ${b.bridge} -j DROP`])),
    ],
  };
  return Object.entries(tables).map(([table, lines]) => `*${table}\n${lines.join("\n")}\nCOMMIT\n`).join("");
}
const anywhere = (p: Published): boolean => p.hostIp === "0.0.0.0" || p.hostIp === "::";
