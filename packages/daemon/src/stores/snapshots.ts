import { setImmediate as nextTurn } from "node:timers/promises";
import type { ChainId } from "@strata/oci";
import { type AuditedDriver, type Clock, type Lease, type LeaseStore, type Logger, NotFound, noUsage, type SnapshotId, type StorageDriver, type TreeUsage, Unavailable, type Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { KeyedLock } from "./keyed-lock.js";

export type SnapshotKind = "layer" | "init" | "writable";
export interface SnapshotRow { readonly id: SnapshotId; readonly driver: string; readonly state: "preparing" | "committed" }

/** Names of the drivers that a ledger has snapshots of. */
export function driversInUse(ledger: Ledger): string[] {
  return ledger.sql<[], { driver: string }>("SELECT DISTINCT driver FROM snapshot").all().map((row) => row.driver);
}

export interface SnapshotDrivers {
  readonly working: ReadonlyMap<string, AuditedDriver>;
  /** Those that hold something and do not work now: each says why when it is asked for anything. */
  readonly absent: ReadonlyMap<string, StorageDriver>;
  /** The working one that takes what is new. */
  readonly defaultDriver: string;
}

/** Snapshots of one driver that are removed at a time: much of it is waiting for the kernel. */
const REMOVERS = 4;
/** Names that are looked up at a time, before others get their turn. */
const LOOKED_UP = 1000;

/**
 * Rows and directories of snapshots, in the order that makes a crash harmless: the row is there before the driver is
 * asked for a directory, and gone before the driver is asked to remove it.
 */
export class Snapshots {
  /** What forgotten snapshots took, until they are swept: nobody needs to walk them. */
  private readonly forgotten = new Map<SnapshotId, Usage>();
  /** Their rows are gone, and the driver is being asked to remove them. */
  private readonly leaving = new Set<SnapshotId>();
  /** Those that could not be removed. */
  private readonly stuck = new Set<SnapshotId>();
  private readonly removing = new KeyedLock();

  constructor(
    private readonly ledger: Ledger, private readonly leases: LeaseStore, private readonly drivers: SnapshotDrivers,
    private readonly clock: Clock, private readonly logger: Logger,
  ) {
    if (!drivers.working.has(drivers.defaultDriver)) throw notAvailable(drivers.defaultDriver);
  }

  get defaultDriver(): string { return this.drivers.defaultDriver; }
  /** Names of the drivers that work. */
  get working(): readonly string[] { return [...this.drivers.working.keys()]; }

  get all(): SnapshotDrivers { return this.drivers; }

  driver(name: string): StorageDriver {
    const driver = this.drivers.working.get(name) ?? this.drivers.absent.get(name);
    if (driver === undefined) throw notAvailable(name);
    return driver;
  }

  /** Within a transaction: announces a snapshot that is about to be made. */
  prepare(id: SnapshotId, driver: string, kind: SnapshotKind, lease: Lease): void {
    this.ledger.sql<[string, string, string, number]>("INSERT INTO snapshot (id, driver, kind, state, created_at) VALUES (?, ?, ?, 'preparing', ?)").run(id, driver, kind, this.clock.now());
    this.leases.hold(lease, "snapshot", id);
  }

  /** Within a transaction: the layer is made and never changes again. NotFound when it was collected meanwhile. */
  commit(id: SnapshotId, { bytes, inodes, size }: TreeUsage, chain: ChainId): void {
    const { changes } = this.ledger.sql<[number, number, number, number, string, string]>("UPDATE snapshot SET state = 'committed', bytes = ?, inodes = ?, tree_size = ?, measured_at = ?, stale = 0, chain = ? WHERE id = ?")
      .run(bytes, inodes, size, this.clock.now(), chain, id);
    this.mustHaveBeen(id, changes);
  }
  /** Within a transaction: a container's is made; it is yet to be measured. */
  commitWritable(id: SnapshotId): void {
    this.mustHaveBeen(id, this.ledger.sql<[string]>("UPDATE snapshot SET state = 'committed' WHERE id = ?").run(id).changes);
  }
  private mustHaveBeen(id: SnapshotId, changes: number): void {
    if (changes === 0) throw new NotFound(`snapshot ${id} was collected before it was complete: its lease ran out`);
  }

  /** `settled`: nothing has changed since. */
  measured(id: SnapshotId, { bytes, inodes, size }: TreeUsage, settled: boolean): void {
    this.ledger.transaction(() => this.ledger.sql<[number, number, number, number, number, string]>("UPDATE snapshot SET bytes = ?, inodes = ?, tree_size = ?, measured_at = ?, stale = ? WHERE id = ?")
      .run(bytes, inodes, size, this.clock.now(), settled ? 0 : 1, id), { durable: false });
  }
  /** Those that are complete and whose figures may be out of date. */
  stale(): { readonly id: SnapshotId; readonly kind: SnapshotKind }[] {
    return this.ledger.sql<[], { id: SnapshotId; kind: SnapshotKind }>("SELECT id, kind FROM snapshot WHERE stale = 1 AND state = 'committed'").all();
  }

  get(id: SnapshotId): SnapshotRow | undefined {
    return this.ledger.sql<[string], SnapshotRow>("SELECT id, driver, state FROM snapshot WHERE id = ?").get(id);
  }

  /** Snapshots of a chain on a driver, nearest first. NotFound when the chain does not lie there whole. */
  stack(chain: ChainId | null, driver: string): SnapshotId[] {
    if (chain === null) return [];
    const rows = this.ledger.sql<[string, string], { chain: string; id: SnapshotId | null }>(`
      WITH RECURSIVE line (chain, parent, depth) AS (
        SELECT chain_id, parent, 0 FROM layer WHERE chain_id = ?
        UNION ALL SELECT layer.chain_id, layer.parent, depth + 1 FROM layer JOIN line ON layer.chain_id = line.parent)
      SELECT line.chain, snapshot.id FROM line LEFT JOIN snapshot ON snapshot.chain = line.chain AND snapshot.driver = ? ORDER BY depth`).all(chain, driver);
    if (rows.length === 0) throw new NotFound(`layer ${chain} does not exist`);
    return rows.map(({ id, chain: missing }) => {
      if (id === null) throw new NotFound(`layer ${missing} does not lie on ${driver}`);
      return id;
    });
  }

  /**
   * Drops snapshots: rows, then directories. A directory that stays (busy) is left to the next sweep.
   * `made`: they were committed, so a power cut must not bring the rows back alone.
   */
  async discard(ids: readonly SnapshotId[], made: boolean): Promise<void> {
    const rows = ids.map((id) => this.get(id)).filter((row) => row !== undefined);
    for (const { id } of rows) this.leaving.add(id);
    try {
      this.ledger.transaction(() => {
        for (const { id } of rows) this.ledger.sql<[string]>("DELETE FROM snapshot WHERE id = ?").run(id);
      }, { durable: false });
      if (made) await this.ledger.flush();
      await Promise.all(rows.map((row) => this.removing.run(row.id, async () => {
        try {
          await this.driver(row.driver).remove(row.id);
        } catch (e) {
          this.couldNotRemove(e, row.driver, row.id);
        }
      })));
    } finally {
      for (const { id } of rows) this.leaving.delete(id);
    }
  }

  /** Whether its row is gone and its directory is still on the way out. */
  isLeaving(id: SnapshotId): boolean {
    return this.leaving.has(id) || (this.forgotten.has(id) && !this.stuck.has(id));
  }

  /** Within the collector's transaction. */
  forget(keys: readonly string[]): void {
    for (const id of keys as readonly SnapshotId[]) {
      const usage = this.ledger.sql<[string], Usage>("SELECT bytes, inodes FROM snapshot WHERE id = ?").get(id);
      if (usage === undefined) continue;
      this.ledger.sql<[string]>("DELETE FROM snapshot WHERE id = ?").run(id);
      this.forgotten.set(id, usage);
    }
  }

  /** Removes from every driver what has no row. */
  async sweep(): Promise<Usage> {
    const freed = await Promise.all([...this.drivers.working.values()].map((driver) => this.sweepDriver(driver)));
    return freed.reduce(plus, noUsage);
  }

  /** What of a driver's listing has no row. Rows are read after the listing: whatever was listed and is alive had its row by then. */
  async withoutRow(driver: StorageDriver, listed: readonly SnapshotId[]): Promise<SnapshotId[]> {
    const found: SnapshotId[] = [];
    for (let at = 0; at < listed.length; at += LOOKED_UP) {
      if (at > 0) await nextTurn();
      const rows = this.ledger.sql<[string, string], { id: SnapshotId }>("SELECT value AS id FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM snapshot WHERE id = value AND driver = ?)").all(JSON.stringify(listed.slice(at, at + LOOKED_UP)), driver.name);
      found.push(...rows.map(({ id }) => id));
    }
    return found;
  }

  /** Removes one that has no row, as a sweep would. False when it stays. */
  async removeStray(driver: StorageDriver, id: SnapshotId): Promise<boolean> {
    if (this.get(id) !== undefined) return false;
    await this.removing.run(id, () => this.removeOrphan(driver, id));
    return !this.stuck.has(id);
  }

  private async sweepDriver(driver: StorageDriver): Promise<Usage> {
    const orphans = (await this.withoutRow(driver, await listed(driver))).values();
    let freed = noUsage;
    const remover = async (): Promise<void> => {
      for (const id of orphans) {
        const usage = await this.removing.run(id, () => this.removeOrphan(driver, id));
        freed = plus(freed, usage);
      }
    };
    await Promise.all(Array.from({ length: REMOVERS }, remover));
    return freed;
  }

  /** One that cannot be removed (busy, failing disk) does not keep the others; the next sweep tries again. */
  private async removeOrphan(driver: StorageDriver, id: SnapshotId): Promise<Usage> {
    const known = this.forgotten.get(id);
    try {
      const usage = known ?? await driver.usage(id, []).catch(() => noUsage);
      if (known === undefined) this.logger.info({ driver: driver.name, snapshot: id, bytes: usage.bytes }, "removing a snapshot that nothing knows");
      await driver.remove(id);
      this.forgotten.delete(id);
      this.stuck.delete(id);
      return usage;
    } catch (e) {
      this.stuck.add(id);
      this.couldNotRemove(e, driver.name, id);
      return noUsage;
    }
  }

  private couldNotRemove(e: unknown, driver: string, snapshot: SnapshotId): void {
    this.logger.warn({ err: e, driver, snapshot }, "cannot remove a snapshot; the next sweep tries again");
  }
}

/** Everything that a driver has on disk. */
export async function listed(driver: StorageDriver): Promise<SnapshotId[]> {
  const found: SnapshotId[] = [];
  for await (const id of driver.list()) found.push(id);
  return found;
}

const notAvailable = (name: string): Unavailable => new Unavailable(`the storage driver ${name} is not available`);
const plus = (a: Usage, b: Usage): Usage => ({ bytes: a.bytes + b.bytes, inodes: a.inodes + b.inodes });
