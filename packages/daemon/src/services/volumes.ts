import { errnoOf, InvalidArgument, NotFound, type EventBus, type Logger, type PruneJournal, type Volume, type VolumeSpec, type VolumeStore } from "../core/index.js";
import { booleanFilter, labelsMatch, rejectUnknown, textMatches } from "./filter-match.js";
import { PruneTurn } from "./prune-turn.js";
import type { Filters, VolumeService, VolumeView } from "./types.js";

export interface VolumesOptions {
  readonly store: VolumeStore;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly journal?: PruneJournal;
}

/** Volumes for users. Containers hold and mount them through the store. */
export class Volumes implements VolumeService {
  private readonly store: VolumeStore;
  private readonly events: EventBus;
  private readonly logger: Logger;
  private readonly journal: PruneJournal | undefined;
  private readonly pruning = new PruneTurn();

  constructor(options: VolumesOptions) {
    this.store = options.store;
    this.events = options.events;
    this.logger = options.logger;
    this.journal = options.journal;
  }

  async create(spec: VolumeSpec): Promise<Volume> {
    const known = spec.name === undefined || spec.name === "" ? undefined : this.find(spec.name);
    const volume = await this.store.create(spec);
    if (known === undefined) this.emit("create", volume);
    else if (known.options.size !== volume.options.size) this.emit("update", volume);
    return volume;
  }

  /** Gives a volume another size. */
  async update(name: string, options: Readonly<Record<string, string>>): Promise<Volume> {
    const volume = await this.store.update(name, options);
    this.emit("update", volume);
    return volume;
  }

  async inspect(name: string): Promise<VolumeView> {
    const told = await this.store.told(name);
    for (const { refs, ...volume } of this.store.list()) if (volume.name === name) return { ...volume, refs: refs.length, ...told };
    throw new NotFound(`get ${name}: no such volume`);
  }

  async list(filters: Filters): Promise<VolumeView[]> {
    await this.store.discover();
    return this.known(filters);
  }

  private known(filters: Filters): VolumeView[] {
    rejectUnknown(filters, ["dangling", "driver", "label", "name"]);
    const dangling = booleanFilter(filters, "dangling");
    const any = (key: string, match: (value: string) => boolean): boolean => !filters.has(key) || (filters.get(key) ?? []).some(match);
    return [...this.store.list()].filter((v) =>
      any("name", (value) => textMatches(value, v.name)) && any("driver", (value) => v.driver === value) && labelsMatch(filters, labelsOf(v)) &&
      (dangling === undefined || dangling === (v.refs.length === 0)),
    ).map(({ refs, ...volume }) => ({ ...volume, refs: refs.length }));
  }

  /** `force`: an absent volume is removed already. */
  async remove(name: string, force: boolean): Promise<void> {
    let volume: Volume;
    try {
      volume = this.store.get(name);
    } catch (e) {
      if (force && e instanceof NotFound) return;
      throw e;
    }
    await this.store.remove(name, { force });
    this.emit("destroy", volume);
  }

  /** Removes what no container uses: anonymous volumes, with the filter `all` named ones too. */
  prune(filters: Filters): Promise<{ removed: string[]; bytes: number }> { return this.pruning.take(() => this.pruneNow(filters)); }
  private async pruneNow(filters: Filters): Promise<{ removed: string[]; bytes: number }> {
    rejectUnknown(filters, ["all", "label", "label!"]);
    const all = booleanFilter(filters, "all") ?? false;
    const removed: string[] = [], items: { kind: "volume"; key: string; name: string; bytes: number }[] = [];
    let bytes = 0;
    for (const volume of this.known(new Map())) {
      if (volume.refs > 0 || !(all || volume.anonymous) || !labelsMatch(filters, labelsOf(volume))) continue;
      const size = Math.max(0, await this.sizeOf(volume.name));
      try {
        await this.remove(volume.name, false);
      } catch (e) {
        this.logger.warn({ err: e, volume: volume.name }, "volume is kept"); // a container took it meanwhile
        continue;
      }
      removed.push(volume.name);
      items.push({ kind: "volume", key: volume.name, name: volume.name, bytes: size });
      bytes += size;
    }
    this.journal?.pruned("volume", items);
    this.events.emit({ type: "volume", action: "prune", id: "", attributes: { reclaimed: String(bytes) } });
    return { removed, bytes };
  }

  private async sizeOf(name: string): Promise<number> {
    try {
      return await this.store.usage(name);
    } catch (e) {
      if (e instanceof NotFound || errnoOf(e) === "ENOENT") return 0;
      throw e;
    }
  }
  private find(name: string): Volume | undefined {
    try {
      return this.store.get(name);
    } catch (e) {
      if (e instanceof NotFound || e instanceof InvalidArgument) return undefined;
      throw e;
    }
  }
  private emit(action: "create" | "update" | "destroy", volume: Volume): void {
    this.events.emit({ type: "volume", action, id: volume.name, attributes: { driver: volume.driver } });
  }
}

/** With the one that Docker gives to volumes without a name. */
function labelsOf({ anonymous, labels }: Volume): Readonly<Record<string, string>> {
  return anonymous ? { "com.docker.volume.anonymous": "", ...labels } : labels;
}
