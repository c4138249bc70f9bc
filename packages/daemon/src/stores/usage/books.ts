import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type BuildCacheUsage, type BuildRecordOwner, type ContainerOwner, type DriverUsage, type Figure, type ImageOwner, type ImagesUsage, type KindUsage, type Owners, type Usage, type UsageBooks, type UsageKind, type VolumeOwner,
} from "../../core/index.js";
import type { Ledger } from "../../db/ledger.js";
import type { Meter } from "./meter.js";
import type { Place, Places } from "./places.js";

interface Sums extends Usage { readonly count: number; readonly reclaimable: number; readonly oldest: number | null; readonly unmeasured: number }

// Where an index is named the planner, which knows no counts, would read all of a kind.
const FIGURES = "coalesce(sum(bytes), 0) AS bytes, coalesce(sum(inodes), 0) AS inodes";
const LIVE = "container.status IN ('running', 'paused', 'restarting')";
const LAYERS = `SELECT (SELECT sum(layers) FROM layer_total) AS count, (SELECT sum(bytes) FROM layer_total) + coalesce(sum(bytes), 0) AS bytes, (SELECT sum(inodes) FROM layer_total) + coalesce(sum(inodes), 0) AS inodes, 0 AS reclaimable,
  (SELECT min(measured_at) FROM snapshot INDEXED BY snapshot_stale WHERE kind = 'layer' AND stale = 1) AS oldest, 0 AS unmeasured FROM snapshot INDEXED BY snapshot_replaced WHERE kind = 'layer' AND chain IS NULL`;
const CONTAINERS = `SELECT (SELECT count(*) FROM writable) AS count, ${FIGURES},
  coalesce(sum(bytes), 0) - (SELECT coalesce(sum(own.bytes + init.bytes), 0) FROM container JOIN writable ON owner = container.id JOIN snapshot own ON own.id = writable.snapshot JOIN snapshot init ON init.id = writable.init WHERE ${LIVE}) AS reclaimable,
  (SELECT min(measured_at) FROM snapshot INDEXED BY snapshot_stale WHERE kind IN ('writable', 'init') AND stale = 1) AS oldest,
  (SELECT count(*) FROM snapshot INDEXED BY snapshot_stale WHERE kind IN ('writable', 'init') AND stale = 1 AND measured_at IS NULL) AS unmeasured FROM snapshot WHERE kind IN ('writable', 'init')`;
const FILES = (bytes: string, inodes: string): string => `SELECT (SELECT count(*) FROM container) AS count, coalesce(sum(${bytes}), 0) AS bytes, coalesce(sum(${inodes}), 0) AS inodes,
  coalesce(sum(${bytes}), 0) - (SELECT coalesce(sum(used.${bytes}), 0) FROM container JOIN container_usage used ON used.container = container.id WHERE ${LIVE}) AS reclaimable,
  min(CASE WHEN stale = 1 THEN measured_at END) AS oldest, (SELECT count(*) FROM container) - count(*) AS unmeasured FROM container_usage`;
const VOLUMES = `SELECT count(*) AS count, ${FIGURES}, coalesce(sum(CASE WHEN NOT EXISTS (SELECT 1 FROM volume_use WHERE volume = name) THEN bytes END), 0) AS reclaimable,
  min(CASE WHEN stale = 1 THEN measured_at END) AS oldest, count(CASE WHEN measured_at IS NULL THEN 1 END) AS unmeasured FROM volume WHERE driver = 'local'`;
const BLOBS = "SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes, count(*) AS inodes, 0 AS reclaimable, NULL AS oldest, 0 AS unmeasured FROM blob";

const IMAGES = `SELECT (SELECT count(*) FROM image) AS count, (SELECT count(DISTINCT image) FROM container) AS active, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(CASE images WHEN 2 THEN bytes END), 0) AS shared,
    coalesce(sum(CASE WHEN used = 0 AND built = 0 THEN bytes END), 0) AS reclaimable FROM layer_total WHERE images > 0`;
const CACHE = "SELECT (SELECT count(*) FROM build_record) AS count, coalesce(sum(bytes), 0) AS bytes FROM layer_total WHERE images = 0 AND built = 1";
/** Layers that neither an image nor a record holds go with the next collection. */
const LOOSE = "SELECT sum(bytes) AS bytes FROM layer_total WHERE images = 0 AND built = 0";

/** The largest come first; the numbers are looked at before anything else of the rows is. */
const IMAGE_OWNERS = `WITH largest AS MATERIALIZED (SELECT id FROM image ORDER BY unique_bytes DESC, id LIMIT ?)
  SELECT image.id, coalesce((SELECT group_concat(name, ' ') FROM reference WHERE reference.image = image.id), '') AS names, disk_bytes AS bytes, unique_bytes AS uniqueBytes,
    (SELECT count(*) FROM container WHERE container.image = image.id) AS containers, last_used_at AS lastUsedAt FROM largest JOIN image ON image.id = largest.id`;
const CONTAINER_OWNERS = `WITH largest AS MATERIALIZED (SELECT id FROM snapshot WHERE kind = 'writable' ORDER BY bytes DESC, id LIMIT ?)
  SELECT container.id, name, status, own.bytes + init.bytes AS bytes, own.inodes + init.inodes AS inodes, own.measured_at AS measuredAt, max(own.stale, init.stale) AS stale,
    used.bytes AS fileBytes, used.inodes AS fileInodes, log_bytes AS logBytes, log_inodes AS logInodes, used.measured_at AS filesMeasuredAt, coalesce(used.stale, 1) AS filesStale
  FROM largest JOIN writable ON writable.snapshot = largest.id JOIN container ON container.id = owner JOIN snapshot own ON own.id = writable.snapshot JOIN snapshot init ON init.id = writable.init
    LEFT JOIN container_usage used ON used.container = container.id`;
const VOLUME_OWNERS = `WITH largest AS MATERIALIZED (SELECT name FROM volume ORDER BY bytes DESC, name LIMIT ?)
  SELECT name, driver, bytes, inodes, measured_at AS measuredAt, stale, (SELECT count(*) FROM volume_use WHERE volume = name) AS links, last_used_at AS lastUsedAt FROM largest JOIN volume USING (name)`;
const RECORD_OWNERS = `SELECT key, description, build_record.last_used_at AS lastUsedAt, coalesce(CASE image_count WHEN 0 THEN disk_bytes END, 0) AS bytes FROM build_record LEFT JOIN layer ON chain_id = top ORDER BY 4 DESC, 3 LIMIT ?`;

interface ImageRow extends Omit<ImageOwner, "names" | "unique"> { readonly names: string; readonly uniqueBytes: number }
interface ContainerRow {
  id: string; name: string; status: string; bytes: number | null; inodes: number | null; measuredAt: number | null; stale: number | null;
  fileBytes: number | null; fileInodes: number | null; logBytes: number | null; logInodes: number | null; filesMeasuredAt: number | null; filesStale: number;
}

/** What the data root occupies, kind by kind and owner by owner, as the ledger has it. */
export class LedgerUsage implements UsageBooks {
  constructor(private readonly ledger: Ledger, private readonly places: Places, private readonly meter: Meter, private readonly drivers: () => Promise<readonly DriverUsage[]>) {}

  async kinds(): Promise<KindUsage[]> {
    const [places, ledger, drivers, directories] = await Promise.all([Promise.all((["ingests", "tmp", "trash"] as const).map((place) => this.place(place))), this.places.ledgerFiles(), this.drivers(), this.places.directories()]);
    const sums = (kind: UsageKind, statement: string): KindUsage => {
      const { oldest, ...row } = this.ledger.sql<[], Sums>(statement).get()!;
      return { kind, ...row, oldest: oldest ?? undefined };
    };
    const loose = this.ledger.sql<[], { bytes: number }>(LOOSE).get()!.bytes;
    return [
      { ...sums("layers", LAYERS), reclaimable: loose }, sums("containers", CONTAINERS), sums("container-files", FILES("bytes", "inodes")), sums("logs", FILES("log_bytes", "log_inodes")),
      sums("volumes", VOLUMES), sums("blobs", BLOBS), ...places, whole("ledger", ledger), this.ownOf(drivers), whole("directories", directories),
    ];
  }

  images(): ImagesUsage { return this.ledger.sql<[], ImagesUsage>(IMAGES).get()!; }
  buildCache(): BuildCacheUsage { return this.ledger.sql<[], BuildCacheUsage>(CACHE).get()!; }

  async owners(limit = Infinity): Promise<Owners> {
    const images = this.largest<ImageRow, ImageOwner>("image", IMAGE_OWNERS, limit, ["image", "image_layer", "reference", "container rows", "snapshot"], ({ names, uniqueBytes, ...row }) => ({ ...row, unique: uniqueBytes, names: names === "" ? [] : names.split(" ").sort() }));
    await nextTurn();
    const containers = this.largest<ContainerRow, ContainerOwner>("container", CONTAINER_OWNERS, limit, ["container", "container_usage", "writable", "snapshot"], containerOf);
    await nextTurn();
    const volumes = this.largest<VolumeRow, VolumeOwner>("volume", VOLUME_OWNERS, limit, ["volume", "volume_use", "container rows"], ({ name, driver, links, lastUsedAt, ...row }) => ({ name, driver, links, lastUsedAt, figure: figureOf(row) }));
    await nextTurn();
    return { images, containers, volumes, buildCache: this.largest<BuildRecordOwner, BuildRecordOwner>("build record", RECORD_OWNERS, limit, ["build_record", "image_layer", "image rows", "snapshot"], (row) => row) };
  }
  /** Kept until the tables that they are made of (with what triggers and cascades write for these) change. */
  private largest<R, T>(kind: string, statement: string, limit: number, tables: readonly string[], make: (row: R) => T): readonly T[] {
    const read = (): { limit: number; rows: readonly T[] } => ({ limit, rows: this.ledger.sql<[number], R>(statement).all(limit === Infinity ? -1 : limit).map(make) });
    const kept = this.ledger.cached(`largest: ${kind}`, read, tables);
    return kept.limit === limit ? kept.rows : read().rows;
  }

  refresh(): Promise<void> { return this.meter.refresh(); }
  lookedAt(): void { this.meter.lookedAt(); }

  private async place(place: Place): Promise<KindUsage> {
    const { bytes, inodes, entries, measuredAt } = await this.places.read(place);
    return { kind: place, bytes, inodes, count: entries, reclaimable: 0, oldest: measuredAt, unmeasured: 0 };
  }

  /** What lies in a pool is counted with what it is; never less than nothing is left for the pool. */
  private ownOf(drivers: readonly DriverUsage[]): KindUsage {
    let bytes = 0, inodes = 0;
    for (const driver of drivers) {
      const inside = driver.holdsSnapshots ? this.ledger.sql<[string], { bytes: number }>("SELECT coalesce(sum(bytes), 0) AS bytes FROM snapshot WHERE driver = ?").get(driver.name)!.bytes : 0;
      bytes += Math.max(0, driver.bytes - inside);
      inodes += driver.inodes;
    }
    return { ...whole("drivers", { bytes, inodes }), count: drivers.length };
  }
}

const whole = (kind: UsageKind, { bytes, inodes }: Usage): KindUsage => ({ kind, bytes, inodes, count: inodes, reclaimable: 0, oldest: undefined, unmeasured: 0 });

interface VolumeRow extends Row, Omit<VolumeOwner, "figure"> {}
interface Row { readonly bytes: number | null; readonly inodes: number | null; readonly measuredAt: number | null; readonly stale: number | null }
const figureOf = ({ bytes, inodes, measuredAt, stale }: Row): Figure => ({ bytes: bytes ?? 0, inodes: inodes ?? 0, measuredAt, stale: stale !== 0 });

function containerOf(row: ContainerRow): ContainerOwner {
  const files = { measuredAt: row.filesMeasuredAt, stale: row.filesStale };
  return {
    id: row.id, name: row.name, status: row.status, layer: figureOf(row),
    files: figureOf({ ...files, bytes: row.fileBytes, inodes: row.fileInodes }), logs: figureOf({ ...files, bytes: row.logBytes, inodes: row.logInodes }),
  };
}
