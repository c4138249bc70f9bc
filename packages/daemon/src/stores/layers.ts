import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { type ChainId, type DiffId, type ImageId, chainIdOf } from "@strata/oci";
import {
  type Change, type Clock, type Collectable, type ComingParent, type Layer, type LayerCopy, type LayerStore, type LayerSummary, type Lease, type LeaseStore, type Logger, type Mounted, newId, NotFound, noUsage, type PackedFile, type SnapshotId, type TreeUsage,
  type Usage, type WritableOptions,
} from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { afterPrefix } from "./rows.js";
import type { Snapshots } from "./snapshots.js";
import { Damage } from "./damage.js";
import { HashedFile, HashedStream } from "./layer-source.js";
import { verified } from "./verified.js";
import type { Writables } from "./writables.js";

interface Row {
  chain_id: ChainId; diff_id: DiffId; parent: ChainId | null; size: number; tar_size: number; created_at: number; last_used_at: number;
  driver: string; snapshot: SnapshotId; bytes: number; inodes: number;
}
interface SummaryRow extends Row { copies: string; images: string | null; tops: string | null; containers: number; used_at: number }

const COLUMNS = "layer.chain_id, diff_id, layer.parent, layer.size, tar_size, layer.created_at, layer.last_used_at, snapshot.id AS snapshot, driver, bytes, inodes";
/** The default driver's copy before any other, one that can be used before one that cannot; @default and @working are the drivers' names. */
const RANK = "max((driver = @default) * 2 + (driver IN (SELECT value FROM json_each(@working)))) AS rank";
// Columns beside max() are of the row that has the maximum.
const GET = `SELECT ${COLUMNS}, ${RANK} FROM layer JOIN snapshot ON snapshot.chain = layer.chain_id WHERE layer.chain_id = @chain GROUP BY layer.chain_id`;
const LIST = `WITH
    used AS (SELECT image, count(*) AS n FROM container GROUP BY image),
    held AS (
      SELECT chain, group_concat(image.id, ' ') AS images, group_concat(CASE WHEN image.top = chain THEN image.id END, ' ') AS tops, max(image.last_used_at) AS used_at, coalesce(sum(used.n), 0) AS containers
      FROM image_layer JOIN image ON image.id = image_layer.image LEFT JOIN used ON used.image = image.id WHERE chain >= @from AND chain < @to GROUP BY chain),
    built AS (SELECT top, max(last_used_at) AS used_at FROM build_record GROUP BY top)
  SELECT ${COLUMNS}, ${RANK}, group_concat(snapshot.id || ' ' || driver || ' ' || bytes || ' ' || inodes, '/') AS copies, images, tops, coalesce(containers, 0) AS containers,
    max(layer.last_used_at, coalesce(held.used_at, 0), coalesce(built.used_at, 0)) AS used_at
  FROM layer JOIN snapshot ON snapshot.chain = layer.chain_id LEFT JOIN held ON held.chain = layer.chain_id LEFT JOIN built ON built.top = layer.chain_id WHERE layer.chain_id >= @from AND layer.chain_id < @to GROUP BY layer.chain_id`;

/**
 * Layers in the ledger, their trees with the storage drivers. A chain may lie on several drivers; the default driver's
 * copy is preferred, and what is new goes where its parent lies.
 */
export class LedgerLayers implements LayerStore {
  readonly collectables: readonly Collectable[];

  private readonly damage: Damage;
  private readonly drivers: { readonly default: string; readonly working: string };

  constructor(
    private readonly ledger: Ledger, private readonly leases: LeaseStore, private readonly snapshots: Snapshots, private readonly writables: Writables, private readonly clock: Clock, logger: Logger,
  ) {
    this.damage = new Damage(ledger, clock, logger);
    this.drivers = { default: snapshots.defaultDriver, working: JSON.stringify(snapshots.working) };
    this.collectables = [
      { kind: "snapshot", forget: (keys) => this.snapshots.forget(keys), sweep: () => this.sweep() },
      // A layer is on disk as its snapshots.
      { kind: "layer", forget: (keys) => this.forget(keys), sweep: async () => noUsage },
    ];
  }

  async register(tar: Readable | PackedFile, parent: ChainId | null, lease: Lease, coming?: ComingParent): Promise<Layer> {
    const id = newId<SnapshotId>();
    const driver = this.snapshots.driver(this.driverOf(coming === undefined ? parent : coming.on));
    const below = coming === undefined ? this.snapshots.stack(parent, driver.name) : coming.registered.then(() => this.snapshots.stack(parent, driver.name));
    // The driver asks for it when it needs it, if it comes to that.
    if (below instanceof Promise) below.catch(() => undefined);
    this.ledger.transaction(() => {
      if (parent !== null) this.leases.hold(lease, "layer", parent);
      this.snapshots.prepare(id, driver.name, "layer", lease);
    }, { durable: false });
    const source = tar instanceof Readable ? new HashedStream(tar) : new HashedFile(tar);
    try {
      const applied = await driver.apply(id, below, source.bytes);
      const { diffId, length } = await source.end();
      const chainId = chainIdOf(parent, diffId);
      const isNew = this.ledger.transaction(() => {
        this.leases.hold(lease, "layer", chainId);
        const present = this.snapshotOn(chainId, driver.name);
        if (present !== undefined && !this.damage.give(present)) return false;
        this.ledger.sql<[string, string, string | null, number, number, number, number]>(
          "INSERT INTO layer (chain_id, diff_id, parent, size, tar_size, created_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        ).run(chainId, diffId, parent, applied.size, length, this.clock.now(), this.clock.now());
        this.snapshots.commit(id, applied, chainId);
        return true;
      }, { durable: false });
      if (!isNew) await this.snapshots.discard([id], false);
      return this.get(chainId);
    } catch (e) {
      source.bytes.destroy();
      await this.snapshots.discard([id], false);
      throw await source.cause(e);
    }
  }

  get(id: ChainId): Layer {
    const row = this.ledger.sql<object, Row>(GET).get({ ...this.drivers, chain: id });
    if (row === undefined) throw missing(id);
    return layerOf(row);
  }
  has(id: ChainId): boolean {
    return this.ledger.sql<[string, string]>("SELECT 1 FROM snapshot WHERE chain = ? AND driver IN (SELECT value FROM json_each(?)) AND id NOT IN (SELECT snapshot FROM damage)").get(id, this.drivers.working) !== undefined;
  }
  async check(id: ChainId): Promise<void> {
    await finished((await this.tar(id)).resume());
  }
  list({ prefix = "" }: { prefix?: string } = {}): Iterable<LayerSummary> {
    return this.ledger.sql<object, SummaryRow>(LIST).all({ ...this.drivers, from: prefix, to: prefix === "" ? "z" : afterPrefix(prefix) }).map(summaryOf);
  }
  totalSize(): number {
    return this.ledger.sql<[], { size: number }>("SELECT sum(size) AS size FROM layer_total").get()!.size;
  }

  async createWritable(owner: string, parent: ChainId | null, lease: Lease, options: WritableOptions = {}): Promise<void> {
    await this.writables.create(owner, parent, this.driverOf(parent), lease, options);
  }
  mount(owner: string): Promise<Mounted> { return this.writables.mount(owner); }
  changes(owner: string): AsyncIterable<Change> { return this.writables.changes(owner); }
  usage(owner: string): Promise<TreeUsage> { return this.writables.usage(owner); }
  settledSizes(): ReadonlyMap<string, number> { return this.writables.settledSizes(); }
  release(owner: string): Promise<void> { return this.writables.release(owner); }

  async tar(source: ChainId | { readonly owner: string }): Promise<Readable> {
    if (typeof source !== "string") {
      const { driver, snapshot, parents } = this.writables.get(source.owner);
      return driver.diff(snapshot, parents);
    }
    const layer = this.get(source);
    try {
      const bytes = await this.snapshots.driver(layer.driver).tar(layer.snapshot, this.snapshots.stack(layer.parent, layer.driver));
      return verified(bytes, layer.diffId, `layer ${layer.chainId}`).once("error", (e) => this.damage.note(layer, e));
    } catch (e) {
      this.damage.note(layer, e);
      throw e;
    }
  }

  describe(source: ChainId | { readonly owner: string }): { name: string; data: Readonly<Record<string, string>> } {
    if (typeof source !== "string") {
      const { driver, snapshot, parents } = this.writables.get(source.owner);
      return { name: driver.name, data: driver.describe(snapshot, parents) };
    }
    const layer = this.get(source);
    return { name: layer.driver, data: this.snapshots.driver(layer.driver).describe(layer.snapshot, this.snapshots.stack(layer.parent, layer.driver)) };
  }

  /** Where something on top of `parent` goes. */
  private driverOf(parent: ChainId | null): string {
    return parent === null ? this.snapshots.defaultDriver : this.get(parent).driver;
  }

  private snapshotOn(chainId: ChainId, driver: string): SnapshotId | undefined {
    return this.ledger.sql<[string, string], { id: SnapshotId }>("SELECT id FROM snapshot WHERE chain = ? AND driver = ?").get(chainId, driver)?.id;
  }

  private forget(keys: readonly string[]): void {
    for (const chainId of keys) this.ledger.sql<[string]>("DELETE FROM layer WHERE chain_id = ?").run(chainId);
  }
  private async sweep(): Promise<Usage> {
    const freed = await this.snapshots.sweep();
    await this.writables.sweepMountIds();
    return freed;
  }
}

function layerOf(row: Row): Layer {
  return {
    chainId: row.chain_id, diffId: row.diff_id, parent: row.parent, driver: row.driver, snapshot: row.snapshot, size: row.size, tarSize: row.tar_size,
    usage: { bytes: row.bytes, inodes: row.inodes }, createdAt: row.created_at,
  };
}

function summaryOf(row: SummaryRow): LayerSummary {
  const layer = layerOf(row);
  const preferred: LayerCopy = { driver: layer.driver, snapshot: layer.snapshot, usage: layer.usage };
  const others = row.copies.split("/").map((text) => text.split(" ") as [SnapshotId, string, string, string]).filter(([snapshot]) => snapshot !== layer.snapshot);
  return {
    ...layer, lastUsedAt: row.used_at, containers: row.containers, images: idsOf(row.images), topOf: idsOf(row.tops),
    copies: [preferred, ...others.map(([snapshot, driver, bytes, inodes]): LayerCopy => ({ driver, snapshot, usage: { bytes: Number(bytes), inodes: Number(inodes) } }))],
  };
}

/** Of a list in the order of the index; IDs have no spaces. */
const idsOf = (text: string | null): ImageId[] => (text === null ? [] : (text.split(" ") as ImageId[]));
const missing = (id: ChainId): NotFound => new NotFound(`layer ${id} does not exist`);
