import { setTimeout as sleep } from "node:timers/promises";
import type { Found, FindingKind, Inspection, Inspector, Network, NetworkStore } from "../../core/index.js";

/** A host port that the firewall leads to a container. */
export interface Rule { readonly family: string; readonly protocol: string; readonly hostPort: number; /** Names it among its family's. */ readonly key: string }

export interface NetworkParts<R extends Rule> {
  readonly networks: Pick<NetworkStore, "list" | "endpoints" | "ports">;
  /** Names of what is plugged into the networks' bridges. */
  readonly plugged: (networks: readonly Network[]) => Promise<readonly string[]>;
  readonly unplug: (name: string) => Promise<void>;
  readonly rules: () => Promise<readonly R[]>;
  readonly drop: (rule: R) => Promise<void>;
}

interface Stray { readonly kind: FindingKind; readonly id: string; readonly detail: string; readonly remove: () => Promise<void> }

/** As the ends of containers' interfaces on this machine are called; others may be plugged into our bridges as well. */
const OURS = /^veth[0-9a-f]{7}$/;
/** The kernel takes interfaces with their namespaces, and takes its time; rules go a little after their rows. */
const PATIENCE_MS = 3_000;
const LOOK_EVERY_MS = 250;

/** Interfaces on our bridges that are no container's, and ports that the firewall publishes for none. */
export class NetworkInspector<R extends Rule> implements Inspector {
  readonly about = "networking";

  constructor(private readonly parts: NetworkParts<R>) {}

  async *inspect({ signal }: Inspection): AsyncIterable<Found> {
    let strays = await this.strays();
    for (let waited = 0; strays.size > 0 && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
      const now = await this.strays();
      strays = new Map([...strays].filter(([name]) => now.has(name)));
    }
    for (const [name, { kind, id, detail, remove }] of strays) {
      yield { kind, id, problem: "orphan", detail, images: [], mend: async () => { await remove(); return !(await this.strays()).has(name); } };
    }
  }

  private async strays(): Promise<Map<string, Stray>> {
    const { networks, plugged, unplug, rules, drop } = this.parts;
    const there = await plugged([...networks.list()].filter(({ driver }) => driver === "bridge")), inForce = await rules();
    const ends = new Set(networks.endpoints({}).map(({ hostInterface }) => hostInterface));
    const ports = new Set(networks.ports().map(({ protocol, hostPort }) => `${protocol} ${hostPort}`));
    const strays: Stray[] = [
      ...there.filter((name) => OURS.test(name) && !ends.has(name)).map((id): Stray => ({ kind: "interface", id, detail: "it is plugged into a network, and no container has its other end", remove: () => unplug(id) })),
      ...inForce.filter(({ protocol, hostPort }) => !ports.has(`${protocol} ${hostPort}`)).map((rule): Stray => (
        { kind: "rule", id: `${rule.family} ${rule.key}`, detail: "the firewall leads this port somewhere, and no container has published it", remove: () => drop(rule) })),
    ];
    return new Map(strays.map((stray) => [`${stray.kind} ${stray.id}`, stray]));
  }
}
