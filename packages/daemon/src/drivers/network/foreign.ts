import type { Logger } from "../../core/index.js";
import type { RunResult } from "../../kernel/spawn.js";
import type { BridgeRules } from "./firewall.js";

export type RunTool = (program: string, args: readonly string[]) => Promise<RunResult>;
const MARK = "strata";

/**
 * Another program's iptables (dockerd's, a host firewall's) may drop what is forwarded. An accept in our own table
 * does not lift that, so our bridges get accepting rules in its FORWARD chain, and lose them when they go.
 */
export class Foreign {
  private readonly accepted = new Map<string, BridgeRules>();

  constructor(private readonly run: RunTool, private readonly logger: Logger) {}

  async accept(rules: BridgeRules): Promise<void> {
    for (const program of programs(rules)) {
      const chain = await this.chain(program);
      if (chain === undefined || !closed(chain)) continue;
      this.accepted.set(rules.bridge, rules);
      // A rule that drops on its own must come after ours; against a policy the end of the chain will do.
      const verb = chain.some((line) => / -j (DROP|REJECT)\b/.test(line)) ? "-I" : "-A";
      for (const rule of acceptRules(rules.bridge)) {
        if (!chain.includes(`-A FORWARD ${rule.join(" ")}`)) await this.apply(program, [verb, "FORWARD", ...rule]);
      }
    }
  }

  async forget(bridge: string): Promise<void> {
    const rules = this.accepted.get(bridge);
    this.accepted.delete(bridge);
    for (const program of rules ? programs(rules) : []) {
      for (const rule of acceptRules(bridge)) await this.apply(program, ["-D", "FORWARD", ...rule]);
    }
  }

  private async chain(program: string): Promise<string[] | undefined> {
    try {
      return (await this.run(program, ["-w", "-S", "FORWARD"])).stdout.split("\n");
    } catch {
      return undefined; // no such program, or no such table in this kernel: nothing drops there
    }
  }
  private async apply(program: string, args: readonly string[]): Promise<void> {
    try {
      await this.run(program, ["-w", ...args]);
    } catch (e) {
      this.logger.warn({ err: e, program, args }, "a rule of the FORWARD chain could not be changed");
    }
  }
}

function programs(rules: BridgeRules): string[] {
  return [...(rules.subnets.some((s) => !s.includes(":")) ? ["iptables"] : []), ...(rules.subnets.some((s) => s.includes(":")) ? ["ip6tables"] : [])];
}
/** Whether anything in a chain (as `iptables -S` prints it) may drop. */
function closed(chain: readonly string[]): boolean {
  return chain.some((line) => line === "-P FORWARD DROP" || / -j (DROP|REJECT)\b/.test(line));
}
/** What leaves a bridge, what answers it, and what was sent to a published port; as `iptables -S` prints them. */
function acceptRules(bridge: string): string[][] {
  const mark = ["-m", "comment", "--comment", MARK, "-j", "ACCEPT"];
  return [
    ["-i", bridge, ...mark],
    ["-o", bridge, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", ...mark],
    ["-o", bridge, "-m", "conntrack", "--ctstate", "DNAT", ...mark],
  ];
}
