import { messageOf, Unavailable, type Logger } from "../../core/index.js";
import type { NetworkThread } from "../../kernel/network-thread.js";
import { run } from "../../kernel/spawn.js";
import { noFirewall, type BridgeRules, type Firewall, type OpenPort, type Published } from "./firewall.js";
import { Foreign } from "./foreign.js";
import { IptablesFirewall } from "./iptables.js";
import { NftFirewall } from "./nft.js";

/**
 * The firewall of this machine: nftables where `nft` works, else iptables. Which of them is known once the first rules
 * have been accepted. Bridges are let through a FORWARD chain that somebody else closed.
 */
export class MachineFirewall implements Firewall {
  private chosen: Promise<Firewall> | undefined;
  private readonly foreign: Foreign;

  private readonly thread: NetworkThread;
  private readonly logger: Logger;
  private readonly tag: string;

  /** `tag` keeps the rules of daemons on one machine apart: a word of at most 16 letters, digits and `_`. */
  constructor(options: { thread: NetworkThread; logger: Logger; tag?: string }) {
    this.thread = options.thread;
    this.logger = options.logger;
    this.tag = options.tag ?? "strata";
    this.foreign = new Foreign(run, options.logger);
  }

  private working: string | undefined;

  /** Of the one that works here, once that is known. */
  get name(): string { return this.working ?? "nftables or iptables"; }

  async ensure(rules: BridgeRules): Promise<void> {
    const first = this.chosen === undefined;
    const firewall = await (this.chosen ??= this.choose(rules));
    if (!first) await firewall.ensure(rules);
    if (firewall !== noFirewall && !rules.internal) await this.foreign.accept(rules);
  }
  async remove(bridge: string): Promise<void> {
    await (await this.chosen)?.remove(bridge);
    await this.foreign.forget(bridge);
  }
  async publish(ports: readonly Published[]): Promise<void> {
    const firewall = await this.chosen;
    if (!firewall || firewall === noFirewall) throw new Unavailable("ports cannot be published: this machine has neither a working nft nor iptables");
    await firewall.publish(ports);
  }
  async unpublish(ports: readonly Published[]): Promise<void> {
    await (await this.chosen)?.unpublish(ports);
  }
  async open(ports: readonly OpenPort[]): Promise<void> {
    await (await this.chosen)?.open(ports);
  }
  async shut(ports: readonly OpenPort[]): Promise<void> {
    await (await this.chosen)?.shut(ports);
  }

  /** What makes the rules; undefined before the first. */
  get using(): "nftables" | "iptables" | "none" | undefined { return this.working as "nftables" | "iptables" | "none" | undefined; }
  /** Makes nftables' tables anew, without what others put into them. */
  async renew(): Promise<void> {
    const firewall = await this.chosen;
    if (firewall instanceof NftFirewall) await firewall.renew();
  }

  private async choose(rules: BridgeRules): Promise<Firewall> {
    const candidates = [
      new NftFirewall({
        table: this.tag,
        apply: async (script) => { await run("nft", ["-f", "-"], { input: script }); },
        change: (changes) => this.thread.call("changeElements", changes), logger: this.logger,
      }),
      new IptablesFirewall({
        prefix: this.tag.toUpperCase(),
        rule: (family, args) => status(`${family}tables`, args),
        restore: async (family, script) => { await run(`${family}tables-restore`, ["--noflush", "-w"], { input: script }); },
      }),
    ];
    for (const firewall of candidates) {
      try {
        await firewall.ensure(rules);
        this.working = firewall.name;
        return firewall;
      } catch (e) {
        this.logger.info({ firewall: firewall.name, reason: messageOf(e) }, "firewall does not work here");
      }
    }
    this.working = noFirewall.name;
    this.logger.warn({}, "neither nft nor iptables works: ports cannot be published and containers do not reach other machines");
    return noFirewall;
  }
}

/** Exit status; 127 when there is no such program. */
async function status(program: string, args: readonly string[]): Promise<number> {
  try {
    return (await run(program, args, { allow: [0, 1, 2, 3, 4] })).code;
  } catch {
    return 127;
  }
}
