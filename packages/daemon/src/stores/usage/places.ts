import { join } from "node:path";
import type { WorkerPool } from "../../archive/workers/pool.js";
import { type Clock, type DataRoot, noUsage, type Usage } from "../../core/index.js";
import type { Ledger } from "../../db/ledger.js";
import { allocatedTo } from "../../kernel/usage.js";
import { namesIn } from "../names.js";

export type Place = "ingests" | "tmp" | "trash";
export interface PlaceUsage extends Usage { readonly entries: number; readonly measuredAt: number | undefined }

/**
 * Directories of the data root whose content comes and goes, and what is there once. An empty directory needs no
 * figure; the ledger's files and the directories themselves are looked at when they are asked for, a fixed number.
 */
export class Places {
  constructor(private readonly ledger: Ledger, private readonly root: DataRoot, private readonly workers: WorkerPool, private readonly clock: Clock) {}

  /** Measures what is not empty. */
  async measure(): Promise<void> {
    for (const place of ["ingests", "tmp", "trash"] as const) await this.measureOne(place);
  }

  /** What lies in it; the directory itself is among the `directories`. */
  async read(place: Place): Promise<PlaceUsage> {
    const names = await namesIn(this.root[place]);
    if (names.length === 0) return { ...noUsage, entries: 0, measuredAt: undefined };
    return this.stored(place) ?? this.measureOne(place);
  }

  ledgerFiles(): Promise<Usage> {
    return allocatedTo(["", "-wal", "-shm", "-journal"].map((end) => `${this.root.ledger}${end}`));
  }

  async directories(): Promise<Usage> {
    const { root } = this;
    const drivers = await namesIn(root.images);
    return allocatedTo([
      root.root, root.lock, join(root.root, "engine-id"), join(root.root, "content"), join(root.root, "content", "blobs"), root.blobs, root.ingests, root.containers, root.volumes, root.tmp, root.trash,
      root.images, ...drivers.flatMap((driver) => [join(root.images, driver), join(root.images, driver, "layerdb"), root.layerdbMounts(driver)]),
    ]);
  }

  private stored(place: Place): PlaceUsage | undefined {
    return this.ledger.sql<[string], PlaceUsage>("SELECT bytes, inodes, entries, measured_at AS measuredAt FROM place_usage WHERE place = ?").get(place);
  }

  private async measureOne(place: Place): Promise<PlaceUsage> {
    const entries = Object.values(await this.workers.run("usageOfEntries", { path: this.root[place] }));
    const now = this.clock.now();
    const found = { bytes: 0, inodes: 0, entries: entries.length };
    for (const { bytes, inodes } of entries) { found.bytes += bytes; found.inodes += inodes; }
    if (entries.length > 0 || this.stored(place) !== undefined) this.write(place, found, now);
    return { ...found, measuredAt: entries.length === 0 ? undefined : now };
  }
  private write(place: Place, { bytes, inodes, entries }: Omit<PlaceUsage, "measuredAt">, now: number): void {
    this.ledger.transaction(() => {
      if (entries === 0) this.ledger.sql<[string]>("DELETE FROM place_usage WHERE place = ?").run(place);
      else this.ledger.sql<[string, number, number, number, number]>("INSERT OR REPLACE INTO place_usage (place, bytes, inodes, entries, measured_at) VALUES (?, ?, ?, ?, ?)").run(place, bytes, inodes, entries, now);
    }, { durable: false });
  }
}
