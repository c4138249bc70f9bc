import { setTimeout as sleep } from "node:timers/promises";
import type { Found, Inspection, Inspector, Network, NetworkStore } from "../../core/index.js";

export interface InterfaceParts {
  readonly networks: Pick<NetworkStore, "list" | "endpoints">;
  /** Names of what is plugged into the networks' bridges. */
  readonly plugged: (networks: readonly Network[]) => Promise<readonly string[]>;
  readonly unplug: (name: string) => Promise<void>;
}

/** As the ends of containers' interfaces on this machine are called; others may be plugged into our bridges as well. */
const OURS = /^veth[0-9a-f]{7}$/;
/** The kernel takes interfaces with their namespaces, and takes its time. */
const PATIENCE_MS = 3_000;
const LOOK_EVERY_MS = 250;

/** Interfaces on our bridges that are no container's. */
export class InterfaceInspector implements Inspector {
  readonly about = "interfaces";

  constructor(private readonly parts: InterfaceParts) {}

  async *inspect({ signal }: Inspection): AsyncIterable<Found> {
    let strays = await this.strays();
    for (let waited = 0; strays.length > 0 && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
      const now = new Set(await this.strays());
      strays = strays.filter((name) => now.has(name));
    }
    for (const name of strays) {
      yield {
        kind: "interface", id: name, problem: "orphan", detail: "it is plugged into a network, and no container has its other end", images: [],
        mend: async () => { await this.parts.unplug(name); return !(await this.strays()).includes(name); },
      };
    }
  }

  private async strays(): Promise<string[]> {
    const { networks, plugged } = this.parts;
    const there = (await plugged([...networks.list()].filter(({ driver }) => driver === "bridge"))).filter((name) => OURS.test(name));
    const known = new Set(networks.endpoints({}).map(({ hostInterface }) => hostInterface));
    return there.filter((name) => !known.has(name));
  }
}
