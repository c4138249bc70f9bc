import { Readable } from "node:stream";
import { type ChainId, type DiffId, chainIdOf } from "@strata/oci";
import {
  type Change, type Clock, type Collectable, type Layer, type LayerStore, type Lease, type LeaseStore, type Mounted, newId, NotFound, noUsage, type PackedFile, type SnapshotId, type TreeUsage, type Usage, type WritableOptions,
} from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import type { Snapshots } from "./snapshots.js";
import { HashedFile, HashedStream } from "./layer-source.js";
import { verified } from "./verified.js";
import type { Writables } from "./writables.js";

interface Row {
  chain_id: ChainId; diff_id: DiffId; parent: ChainId | null; size: number; tar_size: number; created_at: number; last_used_at: number;
  driver: string; snapshot: SnapshotId; bytes: number; inodes: number;
}

/**
 * Layers in the ledger, their trees with the storage drivers. A chain may lie on several drivers; the default driver's
 * copy is preferred, and what is new goes where its parent lies.
 */
export class LedgerLayers implements LayerStore {
  readonly collectables: readonly Collectable[];

  constructor(
    private readonly ledger: Ledger, private readonly leases: LeaseStore, private readonly snapshots: Snapshots, private readonly writables: Writables,
    private readonly drivers: readonly string[], private readonly clock: Clock,
  ) {
    this.collectables = [
      { kind: "snapshot", forget: (keys) => this.snapshots.forget(keys), sweep: () => this.sweep() },
      // A layer is on disk as its snapshots.
      { kind: "layer", forget: (keys) => this.forget(keys), sweep: async () => noUsage },
    ];
  }

  async register(tar: Readable | PackedFile, parent: ChainId | null, lease: Lease): Promise<Layer> {
    const id = newId<SnapshotId>();
    const driver = this.snapshots.driver(this.driverOf(parent));
    const below = this.snapshots.stack(parent, driver.name);
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
        if (this.snapshotOn(chainId, driver.name) !== undefined) return false;
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
    const row = this.rows("WHERE layer.chain_id = ?", id)[0];
    if (row === undefined) throw missing(id);
    return row;
  }
  has(id: ChainId): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM layer WHERE chain_id = ?").get(id) !== undefined;
  }
  list(): Iterable<Layer> {
    return this.rows("");
  }

  async createWritable(owner: string, parent: ChainId | null, lease: Lease, options: WritableOptions = {}): Promise<void> {
    await this.writables.create(owner, parent, this.driverOf(parent), lease, options);
  }
  mount(owner: string): Promise<Mounted> { return this.writables.mount(owner); }
  changes(owner: string): AsyncIterable<Change> { return this.writables.changes(owner); }
  usage(owner: string): Promise<TreeUsage> { return this.writables.usage(owner); }
  release(owner: string): Promise<void> { return this.writables.release(owner); }

  async tar(source: ChainId | { readonly owner: string }): Promise<Readable> {
    if (typeof source !== "string") {
      const { driver, snapshot, parents } = this.writables.get(source.owner);
      return driver.diff(snapshot, parents);
    }
    const layer = this.get(source);
    const bytes = await this.snapshots.driver(layer.driver).tar(layer.snapshot, this.snapshots.stack(layer.parent, layer.driver));
    return verified(bytes, layer.diffId, `layer ${layer.chainId}`);
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

  private rows(where: "" | "WHERE layer.chain_id = ?", ...keys: string[]): Layer[] {
    // Columns beside max() are of the row that has the maximum: the default driver's copy, if there is one.
    return this.ledger.sql<string[], Row & { rank: number }>(`
      SELECT layer.*, snapshot.id AS snapshot, driver, bytes, inodes, max(driver = ?) AS rank FROM layer JOIN snapshot ON snapshot.chain = layer.chain_id ${where} GROUP BY layer.chain_id`,
    ).all(this.snapshots.defaultDriver, ...keys).map((row) => ({
      chainId: row.chain_id, diffId: row.diff_id, parent: row.parent, driver: row.driver, snapshot: row.snapshot, size: row.size, tarSize: row.tar_size,
      usage: { bytes: row.bytes, inodes: row.inodes }, createdAt: row.created_at, lastUsedAt: row.last_used_at,
    }));
  }

  private forget(keys: readonly string[]): void {
    for (const chainId of keys) this.ledger.sql<[string]>("DELETE FROM layer WHERE chain_id = ?").run(chainId);
  }
  private async sweep(): Promise<Usage> {
    const freed = await this.snapshots.sweep();
    await this.writables.sweepMountIds(this.drivers);
    return freed;
  }
}

const missing = (id: ChainId): NotFound => new NotFound(`layer ${id} does not exist`);
