import { type Clock, Conflict, type Lease, type LeaseStore, type NodeKind, newId } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { violated } from "../db/ledger.js";

const HOUR = 3_600_000;

/** Leases in the ledger. They are facts about this process's work, so nothing here waits for the disk. */
export class LedgerLeases implements LeaseStore {
  constructor(private readonly ledger: Ledger, private readonly clock: Clock) {}

  open(purpose: string, ttlMs = HOUR): Lease {
    const id = newId();
    this.ledger.transaction(() => this.ledger.sql<[string, string, number]>("INSERT INTO lease (id, purpose, expires_at) VALUES (?, ?, ?)").run(id, purpose, this.clock.now() + ttlMs), { durable: false });
    return { id };
  }

  renew(lease: Lease, ttlMs = HOUR): void {
    if (!this.extend(lease, ttlMs)) throw expired();
  }
  private extend(lease: Lease, ttlMs: number): boolean {
    return this.ledger.transaction(() => this.ledger.sql<[number, string]>("UPDATE lease SET expires_at = ? WHERE id = ?").run(this.clock.now() + ttlMs, lease.id), { durable: false }).changes > 0;
  }

  hold(lease: Lease, kind: NodeKind, key: string): void {
    try {
      this.ledger.transaction(() => this.ledger.sql<[string, string, string]>("INSERT INTO lease_hold (lease, kind, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING").run(lease.id, kind, key), { durable: false });
    } catch (e) {
      if (violated(e) === "foreign-key") throw expired();
      throw e;
    }
  }

  held(kind: NodeKind, key: string): boolean {
    return this.ledger.sql<[string, string]>("SELECT 1 FROM lease_hold WHERE kind = ? AND key = ? LIMIT 1").get(kind, key) !== undefined;
  }

  close(lease: Lease): void {
    this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM lease WHERE id = ?").run(lease.id), { durable: false });
  }

  /** The lease is renewed for as long as the work runs. */
  async with<T>(purpose: string, work: (lease: Lease) => Promise<T>): Promise<T> {
    const lease = this.open(purpose);
    const renewal = setInterval(() => this.extend(lease, HOUR), HOUR / 3);
    renewal.unref();
    try {
      return await work(lease);
    } finally {
      clearInterval(renewal);
      this.close(lease);
    }
  }

  expire(all = false): number {
    return this.ledger.transaction(() => this.ledger.sql<[number]>("DELETE FROM lease WHERE expires_at <= ?").run(all ? Infinity : this.clock.now()), { durable: false }).changes;
  }
}

const expired = (): Conflict => new Conflict("the lease is gone: the work took longer than it was granted");
