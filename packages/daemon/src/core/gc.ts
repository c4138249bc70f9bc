import type { NodeKind } from "./leases.js";
import type { Usage } from "./storage.js";

/** How long a download that broke off may wait to be taken up again. */
export const INGEST_LIFE = 7 * 24 * 3_600_000;

/** A store whose entries the collector deletes. */
export interface Collectable {
  readonly kind: NodeKind;
  /** Drops the rows of unreachable keys, within the collector's transaction; what is on disk becomes an orphan. */
  forget(keys: readonly string[]): void;
  /** Removes what is on disk but not in the tables. The same code runs at start-up and after a collection. */
  sweep(): Promise<Usage>;
}

export interface GcItem {
  readonly kind: NodeKind;
  readonly key: string;
  readonly bytes: number;
}

export interface GcReport {
  readonly items: readonly GcItem[];
  readonly freed: Usage;
}

/** A node of the graph (db/schema.ts). */
export interface GraphNode {
  readonly kind: NodeKind;
  readonly key: string;
}

export interface GarbageCollector {
  /**
   * Forgets what no root reaches and sweeps it into the trash (`wait`: until nothing of it is left in its place; else in the background).
   * `from`: looks only at these nodes, which lost a reference, and at what goes with them. That is quick, however large the ledger.
   */
  collect(options?: { dryRun?: boolean; wait?: boolean; from?: readonly GraphNode[] }): Promise<GcReport>;
  notify(event: "mutation" | "deletion"): void;
  /** Start-up: voids old leases, forgets half-made rows, sweeps every store. */
  recover(): Promise<GcReport>;
}
