import type { ChainId } from "@strata/oci";
import { type BuildCache, type BuildContainers, type BuildRecord, type BuildRecordView, type CacheMount, type CacheMounts, type Clock, NotFound } from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";

interface Row { key: string; parent: string | null; config: Buffer; top: ChainId | null; description: string; size: number; created_at: number; last_used_at: number; uses: number }

/** Records of build steps in the ledger. */
export class LedgerBuildCache implements BuildCache, BuildContainers, CacheMounts {
  private listed: ReadonlyMap<string, BuildRecordView> = new Map();

  constructor(private readonly ledger: Ledger, private readonly clock: Clock) {}

  find(key: string, use = false): BuildRecord | undefined {
    const row = this.ledger.sql<[string], Row>("SELECT * FROM build_record WHERE key = ?").get(key);
    if (row === undefined) return undefined;
    // A power cut may lose it: it only ranks what goes first.
    if (use) this.ledger.transaction(() => this.ledger.sql<[number, string]>("UPDATE build_record SET last_used_at = ?, uses = uses + 1 WHERE key = ?").run(this.clock.now(), key), { durable: false });
    return recordOf(row);
  }

  record({ key, parent, config, top, description, size }: Parameters<BuildCache["record"]>[0]): void {
    const now = this.clock.now();
    try {
      this.ledger.transaction(() => this.ledger.sql<[string, string | null, Buffer, string | null, string, number, number, number]>(
        `INSERT INTO build_record (key, parent, config, top, description, size, created_at, last_used_at, uses) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
          ON CONFLICT (key) DO UPDATE SET config = excluded.config, top = excluded.top, size = excluded.size, created_at = excluded.created_at, last_used_at = excluded.last_used_at`,
      ).run(key, parent, config, top, description, size, now, now), { durable: false });
    } catch (e) {
      if (violated(e) === "foreign-key") throw new NotFound(`layer ${top!} is not registered`, { cause: e });
      throw e;
    }
  }

  list(): readonly BuildRecordView[] {
    return this.ledger.cached("build records", () => {
      const before = this.listed, rows = this.ledger.sql<[], Omit<BuildRecordView, "shared"> & { shared: number }>(`SELECT key, parent, top, description, size, created_at AS createdAt, last_used_at AS lastUsedAt, uses,
        EXISTS (SELECT 1 FROM image_layer WHERE chain = top) AS shared FROM build_record ORDER BY last_used_at, key`).all();
      this.listed = new Map(rows.map((row) => {
        const view = { ...row, shared: row.shared === 1 }, known = before.get(row.key);
        return [row.key, known !== undefined && isSame(known, view) ? known : view];
      }));
      return [...this.listed.values()];
    }, ["build_record", "image_layer", "image rows"]);
  }

  remove(keys: readonly string[]): void {
    this.ledger.transaction(() => {
      for (const key of keys) {
        this.ledger.sql<[string, string]>("UPDATE layer SET last_used_at = max(last_used_at, (SELECT last_used_at FROM build_record WHERE key = ?)) WHERE chain_id = (SELECT top FROM build_record WHERE key = ?)").run(key, key);
        this.ledger.sql<[string]>("DELETE FROM build_record WHERE key = ?").run(key);
      }
    });
  }

  used(volume: string, id: string): void {
    const now = this.clock.now();
    this.ledger.transaction(() => this.ledger.sql<[string, string, number]>(`INSERT INTO build_mount (volume, id, last_used_at, uses) VALUES (?, ?, ?, 0)
      ON CONFLICT (volume) DO UPDATE SET last_used_at = excluded.last_used_at, uses = uses + 1`).run(volume, id, now), { durable: false });
  }
  left(volume: string): void {
    this.ledger.transaction(() => this.ledger.sql<[number, string]>("UPDATE build_mount SET last_used_at = ? WHERE volume = ?").run(this.clock.now(), volume), { durable: false });
  }
  mounts(): CacheMount[] {
    return this.ledger.sql<[], { volume: string; id: string; created_at: number; last_used_at: number; uses: number; in_use: number; bytes: number; inodes: number; stale: number }>(`SELECT volume, id, created_at, build_mount.last_used_at, uses, bytes, inodes, stale,
      EXISTS (SELECT 1 FROM volume_use WHERE volume_use.volume = build_mount.volume) AS in_use FROM build_mount JOIN volume ON volume.name = build_mount.volume ORDER BY build_mount.last_used_at, volume`).all()
      .map((row) => ({ volume: row.volume, id: row.id, createdAt: row.created_at, lastUsedAt: row.last_used_at, uses: row.uses, inUse: row.in_use === 1, usage: row.stale === 1 ? null : { bytes: row.bytes, inodes: row.inodes } }));
  }

  announce(name: string): void { this.ledger.transaction(() => this.ledger.sql<[string]>("INSERT INTO build_container (name) VALUES (?)").run(name), { durable: false }); }
  forget(name: string): void { this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM build_container WHERE name = ?").run(name), { durable: false }); }
  announced(): string[] { return this.ledger.sql<[], { name: string }>("SELECT name FROM build_container").all().map(({ name }) => name); }
}

const isSame = (a: BuildRecordView, b: BuildRecordView): boolean => (Object.keys(a) as (keyof BuildRecordView)[]).every((member) => a[member] === b[member]);

function recordOf(row: Row): BuildRecord {
  return { key: row.key, parent: row.parent, config: row.config, top: row.top, description: row.description, size: row.size, createdAt: row.created_at, lastUsedAt: row.last_used_at, uses: row.uses };
}
