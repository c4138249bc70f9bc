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
  /** Interfaces with the daemon's own note: what they are of, a network's ID or `port` for the end of a container's. */
  readonly noted: () => Promise<readonly { readonly name: string; readonly owner: string }[]>;
  /** Other rules that are the daemon's by their names: looks at the kernel, and says then what networks do not need. */
  readonly left: () => Promise<(networks: readonly Network[]) => readonly { readonly id: string; readonly detail: string; readonly remove: () => Promise<void> }[]>;
}

interface Stray { readonly kind: FindingKind; readonly id: string; readonly detail: string; readonly remove: () => Promise<void> }

/** As the ends of containers' interfaces on this machine are called; others may be plugged into our bridges as well. */
const OURS = /^veth[0-9a-f]{7}$/;
/** The kernel takes interfaces with their namespaces, and takes its time; rules go a little after their rows. */
const PATIENCE_MS = 3_000;
const LOOK_EVERY_MS = 250;

/** Interfaces of ours that are no network's or container's, ports that the firewall publishes for none, rules that no network needs. */
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
    const { networks, plugged, unplug, rules, drop, noted, left } = this.parts;
    const bridges = (): Network[] => [...networks.list()].filter(({ driver, configOnly }) => driver === "bridge" && configOnly !== true);
    const [there, inForce, own, others] = [await plugged(bridges()), await rules(), await noted(), await left()];
    const ids = new Set<string>([...networks.list()].map(({ id }) => id)), ends = new Set(networks.endpoints({}).map(({ hostInterface }) => hostInterface));
    const ports = new Set(networks.ports().map(({ protocol, hostPort }) => `${protocol} ${hostPort}`));
    const link = (id: string, detail: string): Stray => ({ kind: "interface", id, detail, remove: () => unplug(id) });
    const strays: Stray[] = [
      ...own.filter(({ name, owner }) => (owner === "port" ? !ends.has(name) : !ids.has(owner))).map(({ name, owner }) => link(name, owner === "port" ? "no container has its other end" : `it was made for the network ${owner}, which is no more`)),
      ...there.filter((name) => OURS.test(name) && !ends.has(name)).map((name) => link(name, "it is plugged into a network, and no container has its other end")),
      ...inForce.filter(({ protocol, hostPort }) => !ports.has(`${protocol} ${hostPort}`)).map((rule): Stray => (
        { kind: "rule", id: `${rule.family} ${rule.key}`, detail: "the firewall leads this port somewhere, and no container has published it", remove: () => drop(rule) })),
      ...others(bridges()).map((rule): Stray => ({ kind: "rule", ...rule })),
    ];
    return new Map(strays.map((stray) => [`${stray.kind} ${stray.id}`, stray]));
  }
}
