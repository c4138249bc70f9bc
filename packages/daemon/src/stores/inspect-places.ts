import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, type DataRoot, errnoOf, type Found, type Inspection, type Inspector } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import type { LedgerContainers } from "./containers.js";
import { namesIn } from "./names.js";
import type { Trash } from "./trash.js";
import type { LedgerVolumes } from "./volumes.js";
import type { Writables } from "./writables.js";

/** Scratch files of work under way have no rows. What nobody wrote to for so long, while no work was under way, is left over. */
const SCRATCH_LIFE = 3_600_000;
/** How long what is being removed from the trash is waited for. */
const TRASH_PATIENCE = 60_000;

export interface Places {
  readonly ledger: Ledger;
  readonly root: DataRoot;
  readonly containers: LedgerContainers;
  readonly volumes: LedgerVolumes;
  readonly writables: Writables;
  readonly trash: Trash;
  readonly clock: Clock;
  /** Resolves when what storage drivers have put into the trash is gone. */
  readonly driversTrash: () => Promise<unknown>;
}

/** Directories of containers and volumes, what is written for other tools, what lies in trash/ and tmp/. */
export class PlaceInspector implements Inspector {
  readonly about = "directories";

  constructor(private readonly places: Places) {}

  async *inspect(how: Inspection): AsyncIterable<Found> {
    yield* this.containers();
    yield* this.volumes();
    for (const { driver, owner } of await this.places.writables.strayMountIds()) {
      yield { kind: "file", id: `image/${driver}/layerdb/mounts/${owner}`, problem: "orphan", detail: "it is about a layer of no container", images: [], mend: async () => (this.places.writables.removeStrayMountId(driver, owner), true) };
    }
    yield* this.trash(how);
    yield* this.scratch();
  }

  private async *containers(): AsyncIterable<Found> {
    const { containers } = this.places;
    for (const id of await containers.strays()) yield { kind: "container", id, problem: "orphan", detail: `containers/${id} belongs to no container`, images: [], mend: async () => (await containers.removeStray(id), true) };
    for (const id of await containers.bereft()) {
      yield {
        kind: "container", id, problem: "missing", detail: `containers/${id}, with its log, is gone from the disk`, images: [],
        mend: async () => { await containers.makeDirectory(id); await containers.mirror(containers.get(id)); return true; },
      };
    }
  }

  private async *volumes(): AsyncIterable<Found> {
    const { volumes } = this.places;
    for (const name of await volumes.strays()) yield { kind: "volume", id: name, problem: "orphan", detail: `volumes/${name} belongs to no volume`, images: [], mend: async () => (await volumes.removeStray(name), true) };
    for (const name of volumes.bereft()) yield { kind: "volume", id: name, problem: "missing", detail: `volumes/${name}/_data, with all that was in it, is gone from the disk`, images: [] };
  }

  private async *trash({ note, signal }: Inspection): AsyncIterable<Found> {
    const { trash, driversTrash } = this.places;
    const over = new AbortController(), end = (): void => over.abort();
    signal.addEventListener("abort", end, { once: true });
    const patience = sleep(TRASH_PATIENCE, undefined, { signal: over.signal });
    patience.catch(() => undefined);
    const left = await Promise.race([trash.left(driversTrash), patience]);
    end();
    signal.removeEventListener("abort", end);
    if (left === undefined) note("trash: what is in it is still being removed");
    for (const name of left ?? []) yield { kind: "file", id: `trash/${name}`, problem: "orphan", detail: "nobody is removing it", images: [], mend: () => trash.removeLeft(name) };
  }

  private async *scratch(): AsyncIterable<Found> {
    const { root, ledger, clock, trash } = this.places;
    for (const name of await namesIn(root.tmp)) {
      const path = join(root.tmp, name);
      const changed = await stat(path).then(({ mtimeMs }) => mtimeMs, (e: unknown) => { if (errnoOf(e) !== "ENOENT") throw e; return Infinity; });
      if (changed > clock.now() - SCRATCH_LIFE || ledger.sql("SELECT 1 FROM lease").get() !== undefined) continue;
      yield {
        kind: "file", id: `tmp/${name}`, problem: "orphan", detail: `nobody has written to it since ${new Date(changed).toISOString()}`, images: [],
        mend: async () => (await trash.discard(path), true),
      };
    }
  }
}
