import { setTimeout as sleep } from "node:timers/promises";
import type { Found, Inspection, Inspector, NetworkStore } from "../../core/index.js";

/** A host port that the firewall leads to a container. */
export interface Rule { readonly family: string; readonly map: string; readonly protocol: string; readonly hostPort: number; readonly key: string }

export interface RuleParts<R extends Rule> {
  readonly networks: Pick<NetworkStore, "ports">;
  readonly rules: () => Promise<readonly R[]>;
  readonly drop: (rule: R) => Promise<void>;
}

/** Rules go a little after their rows. */
const PATIENCE_MS = 3_000;
const LOOK_EVERY_MS = 250;

/** Ports that the firewall publishes for no container. */
export class RuleInspector<R extends Rule> implements Inspector {
  readonly about = "firewall";

  constructor(private readonly parts: RuleParts<R>) {}

  async *inspect({ signal }: Inspection): AsyncIterable<Found> {
    let strays = await this.strays();
    for (let waited = 0; strays.size > 0 && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
      const now = await this.strays();
      strays = new Map([...strays].filter(([name]) => now.has(name)));
    }
    for (const [name, rule] of strays) {
      yield {
        kind: "rule", id: name, problem: "orphan", detail: "the firewall leads this port somewhere, and no container has published it", images: [],
        mend: async () => { await this.parts.drop(rule); return !(await this.strays()).has(name); },
      };
    }
  }

  private async strays(): Promise<Map<string, R>> {
    const rules = await this.parts.rules();
    const known = new Set(this.parts.networks.ports().map(({ protocol, hostPort }) => `${protocol} ${hostPort}`));
    return new Map(rules.filter(({ protocol, hostPort }) => !known.has(`${protocol} ${hostPort}`)).map((rule) => [`${rule.family} ${rule.key}`, rule]));
  }
}
