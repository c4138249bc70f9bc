import type { NetworkCreateRequest } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { keyValues } from "../key-values.js";

interface Flags {
  attachable?: boolean; auxAddress: string[]; driver?: string; gateway: string[]; internal?: boolean; ipRange: string[];
  configFrom?: string; configOnly?: boolean; ingress?: boolean; scope?: string;
  ipamDriver?: string; ipamOpt: string[]; ipv4?: boolean; ipv6?: boolean; label: string[]; opt: string[]; subnet: string[];
}

export const command = defineCommand<Flags>({
  usage: "[OPTIONS] NETWORK",
  args: [1, 1],
  options: (options) => options
    .flag("--attachable", "Containers may be put on it by hand")
    .list("--aux-address <list>", "Addresses that are taken: name=address")
    .value("--config-from <string>", "The network whose settings it takes")
    .flag("--config-only", "It only has settings for others")
    .value("-d, --driver <string>", "What makes it (bridge)")
    .list("--gateway <list>", "The gateway of a subnet")
    .flag("--ingress", "A swarm's routing mesh (refused)")
    .flag("--internal", "No way out of it")
    .list("--ip-range <list>", "Give containers addresses of this part of a subnet")
    .value("--ipam-driver <string>", "What gives addresses")
    .list("--ipam-opt <list>", "An option of that, key=value")
    .flag("--ipv4", "IPv4 addresses (the default)")
    .flag("--ipv6", "IPv6 addresses")
    .list("--label <list>", "A label, key=value")
    .list("-o, --opt <list>", "An option of the driver, key=value")
    .value("--scope <string>", "How far it reaches (local)")
    .list("--subnet <list>", "A subnet as address/bits"),
  async run(cli, [name], flags) {
    const spec: NetworkCreateRequest = {
      Name: name!, Driver: flags.driver ?? "bridge", Internal: flags.internal ?? false, Attachable: flags.attachable ?? false, EnableIPv4: flags.ipv4, EnableIPv6: flags.ipv6,
      Scope: flags.scope, Ingress: flags.ingress, ConfigOnly: flags.configOnly, ...(flags.configFrom === undefined ? {} : { ConfigFrom: { Network: flags.configFrom } }),
      IPAM: { Driver: flags.ipamDriver ?? "default", Options: keyValues(flags.ipamOpt), Config: ipamConfig(flags) },
      Options: keyValues(flags.opt), Labels: keyValues(flags.label),
    };
    const { Id, Warning } = await cli.client.networks.create(spec);
    if (Warning !== "") cli.warn(`WARNING: ${Warning}`);
    cli.print(Id);
  },
});

type Pool = NonNullable<NonNullable<NonNullable<NetworkCreateRequest["IPAM"]>["Config"]>[number]>;

/** Pools by subnet; each range, gateway and address goes to the subnet that it lies in. */
export function ipamConfig({ subnet, ipRange, gateway, auxAddress }: Pick<Flags, "subnet" | "ipRange" | "gateway" | "auxAddress">): Pool[] {
  const pools = subnet.map((Subnet): Pool => ({ Subnet }));
  const poolOf = (address: string, what: string): Pool => {
    const pool = pools.find((one) => contains(one.Subnet!, address));
    if (!pool) throw new CliError(subnet.length === 0 ? `every ${what} must have a corresponding subnet` : `no matching subnet for ${what} ${address}`);
    return pool;
  };
  for (const range of ipRange) poolOf(range.split("/")[0]!, "ip-range").IPRange = range;
  for (const address of gateway) poolOf(address, "gateway").Gateway = address;
  for (const [host, address] of Object.entries(keyValues(auxAddress))) (poolOf(address, "aux-address").AuxiliaryAddresses ??= {})[host] = address;
  return pools;
}

function contains(subnet: string, address: string): boolean {
  const [base = "", bits = ""] = subnet.split("/");
  const network = addressBits(base);
  const member = addressBits(address);
  return network !== undefined && member?.length === network.length && member.startsWith(network.slice(0, Number(bits)));
}

/** An address as a string of binary digits; undefined when it is none. */
function addressBits(address: string): string | undefined {
  if (/^\d+(\.\d+){3}$/.test(address)) return address.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  if (!address.includes(":")) return undefined;
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const missing = 8 - groups(head).length - groups(tail ?? "").length;
  const all = [...groups(head), ...Array<string>(tail === undefined ? 0 : Math.max(0, missing)).fill("0"), ...groups(tail ?? "")];
  return all.length === 8 ? all.map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("") : undefined;
}
