import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, type ContainerStore, type Found, type FindingKind, type Inspection, type Inspector, type Mounter, type NamespaceManager, type Runtime } from "../../core/index.js";

/** A monitor process, and the container that it watches. */
export interface Monitor { readonly container: string; readonly pid: number }

export interface ExecRootParts {
  readonly execRoot: string;
  readonly containers: Pick<ContainerStore, "list">;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly namespaces: NamespaceManager;
  readonly mounter: Mounter;
  /** Monitors of this exec root's containers. */
  readonly monitors: () => Promise<readonly Monitor[]>;
}

/** A monitor ends a little after it has told of its container's end: so long does one of no container have to stay to be an orphan. */
const PATIENCE_MS = 4_000;
const LOOK_EVERY_MS = 250;

/** What is left of runs of containers that are no more: namespaces, bundles, the runtime's state with its cgroups, monitors. One finding for each container. */
export class ExecRootInspector implements Inspector {
  readonly about = "runs";

  constructor(private readonly parts: ExecRootParts) {}

  async *inspect({ signal }: Inspection): AsyncIterable<Found> {
    let strays = await this.strays();
    // What went together with its container between the two looks is gone at the second.
    if (strays.size > 0) strays = await this.still(strays);
    const mayEnd = (): boolean => [...strays.values()].some((left) => left.has("monitor"));
    for (let waited = 0; mayEnd() && waited < PATIENCE_MS; waited += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS, undefined, { signal });
      strays = await this.still(strays);
    }
    for (const [id, left] of strays) {
      yield {
        kind: left.keys().next().value!, id, problem: "orphan", detail: `left of a container that is no more: ${[...left.values()].join(", ")}`, images: [],
        mend: async () => {
          await removeRun(this.parts, id);
          return !(await this.strays()).has(id);
        },
      };
    }
  }

  private async still(strays: ReadonlyMap<string, unknown>): Promise<Map<string, Map<FindingKind, string>>> {
    return new Map([...await this.strays()].filter(([id]) => strays.has(id)));
  }

  /** By container, what there is: looked for first, and the containers afterwards. */
  private async strays(): Promise<Map<string, Map<FindingKind, string>>> {
    const { execRoot, runtimes, namespaces, containers, monitors } = this.parts;
    const found = new Map<string, Map<FindingKind, string>>();
    const note = (kind: FindingKind, id: string, what: string): void => { found.set(id, (found.get(id) ?? new Map<FindingKind, string>()).set(kind, what)); };
    for (const id of await namespaces.list()) note("namespace", id, "a network namespace");
    for (const id of await namesIn(join(execRoot, "containers"))) note("bundle", id, "a bundle");
    for (const name of runtimes.keys()) {
      // Some runtimes keep more than containers there.
      for (const id of (await namesIn(join(execRoot, "runtimes", name, "state"))).filter((entry) => /^[0-9a-f]{64}$/.test(entry))) note("runtime", id, `the state that ${name} keeps`);
    }
    for (const { container, pid } of await monitors()) note("monitor", container, `a monitor (${pid})`);
    for (const { id } of containers.list()) found.delete(id);
    return found;
  }
}

/** Ends and removes all that a run left in the exec root. */
export async function removeRun({ execRoot, runtimes, mounter, namespaces }: Pick<ExecRootParts, "execRoot" | "runtimes" | "mounter"> & Partial<Pick<ExecRootParts, "namespaces">>, id: string): Promise<void> {
  const bundle = join(execRoot, "containers", id);
  for (const runtime of runtimes.values()) await runtime.delete(id);
  for (const target of await mounter.under(bundle)) await mounter.unmount(target);
  await rm(bundle, { recursive: true, force: true });
  await namespaces?.remove(id);
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (e) {
    if (errnoOf(e) === "ENOENT") return [];
    throw e;
  }
}
