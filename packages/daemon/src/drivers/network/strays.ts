import { errnoOf, formatRange, parseCidr, parseIp, bitsOf, rangeOf, type Network } from "../../core/index.js";
import { run } from "../../kernel/spawn.js";
import { rulesOf } from "./bridge.js";
import type { BridgeRules } from "./firewall.js";

/** Packet rules that are ours by their names, and that no network needs. */
export interface LeftRule {
  readonly id: string;
  readonly detail: string;
  readonly remove: () => Promise<void>;
}

export interface StraysParts {
  /** Of this daemon's rules, see MachineFirewall. */
  readonly tag: string;
  /** What makes the rules now; undefined while that is not known. */
  readonly using: () => "nftables" | "iptables" | "none" | undefined;
  /** Has the rules made anew, with nothing besides. */
  readonly renew: () => Promise<void>;
  readonly interfaces: () => Promise<readonly string[]>;
}

type Family = "ip" | "ip6";
const FAMILIES: readonly Family[] = ["ip", "ip6"];
const IPTABLES = ["iptables", "ip6tables"] as const;
/** Chains of nft.ts that every table has, and how many rules are in them. */
const CHAINS: Readonly<Record<string, number>> = { loopback: 1, publish: 2, prerouting: 1, output: 1, postrouting: 3, forward: 2 };
const SETS = new Set(["addressed", "anywhere", "open", "subnets", "masqueraded", "bridges", "inward", "outward"]);

/** Looks at the kernel; what it found is to be held against the networks that there are afterwards. */
export async function listStrays(parts: StraysParts): Promise<(networks: readonly Network[]) => LeftRule[]> {
  const using = parts.using();
  const tables = using === undefined ? [] : await Promise.all(FAMILIES.map(async (family) => ({ family, text: await output("nft", ["-j", "list", "table", family, parts.tag]) })));
  const all = await saved();
  const chains = using === undefined || using === "iptables" ? [] : ourChains(parts.tag, all), accepts = deadAccepts(all, await parts.interfaces());
  return (networks) => {
    const rules = networks.map(rulesOf);
    return [...tables.flatMap(({ family, text }) => (text === undefined ? [] : inTable(parts, using === "nftables" ? rules : [], family, text))), ...chains, ...accepts];
  };
}

function inTable(parts: StraysParts, rules: readonly BridgeRules[], family: Family, text: string): LeftRule[] {
  const { tag, renew } = parts;
  if (rules.length === 0) {
    return [{ id: `${family} table ${tag}`, detail: "no network needs this table of rules", remove: async () => { await run("nft", ["delete", "table", family, tag]); } }];
  }
  return straysInTable(text, family, rules).map(({ what, detail }) => ({ id: `${family} ${tag} ${what}`, detail, remove: renew }));
}

interface Listed {
  readonly chain?: { readonly name: string };
  readonly rule?: { readonly chain: string };
  readonly set?: { readonly name: string; readonly elem?: readonly unknown[] };
  readonly map?: { readonly name: string; readonly elem?: readonly (readonly [unknown, unknown])[] };
}

/** Of `nft -j list table`: what these bridges do not need. */
export function straysInTable(text: string, family: Family, rules: readonly BridgeRules[]): { what: string; detail: string }[] {
  const { nftables } = JSON.parse(text) as { nftables: readonly Listed[] };
  const bridges = new Set(rules.map(({ bridge }) => bridge)), subnets = new Set(rules.flatMap((r) => r.subnets.map(canonical)));
  const wanted = new Map<string, number>([...Object.entries(CHAINS), ...rules.flatMap((r) => chainsOf(r, family))]);
  const strays: { what: string; detail: string }[] = [];
  const element = (name: string, key: string): void => { strays.push({ what: `${name} ${key}`, detail: `the ${name} of our rules name what is no network's` }); };
  for (const { chain, set, map } of nftables) {
    if (chain !== undefined) {
      const most = wanted.get(chain.name), found = nftables.filter(({ rule }) => rule?.chain === chain.name).length;
      if (most === undefined) strays.push({ what: `chain ${chain.name}`, detail: "no network has this chain" });
      else if (found > most) strays.push({ what: `chain ${chain.name}`, detail: `it has ${found} rules, of which ${most} are the daemon's` });
    }
    const held = set ?? map;
    if (held !== undefined && !SETS.has(held.name)) strays.push({ what: `set ${held.name}`, detail: "the daemon has made no such set" });
    if (set?.name === "bridges") for (const key of set.elem ?? []) if (!bridges.has(String(key))) element(set.name, String(key));
    if (set?.name === "subnets" || set?.name === "masqueraded") for (const key of (set.elem ?? []).map(rangeText)) if (key !== undefined && !subnets.has(key)) element(set.name, key);
    if (map?.name === "inward" || map?.name === "outward") for (const [key] of map.elem ?? []) if (!bridges.has(String(key))) element(map.name, String(key));
  }
  return strays;
}

/** As nft.ts makes them for a bridge: at most so many rules each. */
function chainsOf(rules: BridgeRules, family: Family): [string, number][] {
  const word = Buffer.from(rules.bridge).toString("hex");
  return [[`in_${word}`, rules.internal ? 1 : rules.routed.includes(family) ? 5 : 3], ...(rules.internal ? [[`out_${word}`, 1] as [string, number]] : [])];
}
function canonical(cidr: string): string {
  const parsed = parseCidr(cidr);
  return parsed ? formatRange(parsed.range) : cidr;
}
/** Undefined for what is no range with a prefix. */
function rangeText(element: unknown): string | undefined {
  if (typeof element === "string") {
    const ip = parseIp(element);
    return ip && formatRange(rangeOf(ip, bitsOf(ip.family)));
  }
  const { prefix } = element as { prefix?: { addr: string; len: number } };
  return prefix && canonical(`${prefix.addr}/${prefix.len}`);
}

interface Saved { readonly program: string; readonly table: string; readonly lines: readonly string[] }

/** The iptables of this machine, table by table; tables that nobody uses are not brought to life by it. */
async function saved(): Promise<Saved[]> {
  const found = await Promise.all(IPTABLES.map(async (program) => {
    const text = await output(`${program}-save`, []) ?? "";
    return text.split("\n*").slice(1).map((part): Saved => {
      const [table = "", ...lines] = part.split("\n");
      return { program, table, lines };
    });
  }));
  return found.flat();
}

/** Chains of a time when iptables made the rules. */
function ourChains(tag: string, all: readonly Saved[]): LeftRule[] {
  const prefix = `${tag.toUpperCase()}-`;
  return all.flatMap(({ program, table, lines }) => {
    const chains = lines.flatMap((line) => (line.startsWith(`:${prefix}`) ? [line.slice(1).split(" ")[0]!] : []));
    if (chains.length === 0) return [];
    const ways = lines.filter((line) => line.startsWith("-A ") && !line.startsWith(`-A ${prefix}`) && line.includes(` -j ${prefix}`));
    const change = async (...args: string[]): Promise<void> => { await run(program, ["-w", "-t", table, ...args]); };
    return [{
      id: `${program} ${table} ${chains.join(" ")}`, detail: "these chains are of a time when iptables made the rules",
      remove: async () => {
        for (const line of ways) await change("-D", ...line.split(" ").slice(1));
        for (const chain of chains) await change("-F", chain);
        for (const chain of chains) await change("-X", chain);
      },
    }];
  });
}

/** What foreign.ts put into somebody's FORWARD chain for a bridge that is not there any more. */
function deadAccepts(all: readonly Saved[], interfaces: readonly string[]): LeftRule[] {
  const there = new Set(interfaces);
  return all.filter(({ table }) => table === "filter").flatMap(({ program, lines }) => lines.flatMap((line) => {
    const [, bridge] = /^-A FORWARD -[io] (\S+) .*--comment strata -j ACCEPT$/.exec(line) ?? [];
    if (bridge === undefined || there.has(bridge)) return [];
    return [{ id: `${program} ${line.slice(3)}`, detail: "it lets a bridge through that is not there", remove: async () => { await run(program, ["-w", "-D", ...line.split(" ").slice(1)]); } }];
  }));
}

/** What a program writes that may not be there, or find nothing. */
async function output(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { code, stdout } = await run(program, args, { allow: [0, 1, 2, 3, 4] });
    return code === 0 ? stdout : undefined;
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return undefined;
    throw e;
  }
}
