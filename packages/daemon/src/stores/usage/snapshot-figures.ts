import type { ChainId } from "@strata/oci";
import { NotFound, type SnapshotId } from "../../core/index.js";
import type { Ledger } from "../../db/ledger.js";
import type { Snapshots } from "../snapshots.js";
import type { Writables } from "../writables.js";
import type { Measurable } from "./meter.js";

/** Snapshots by their names: containers' own as those are measured anyway, what never changes once. */
export class SnapshotFigures implements Measurable {
  readonly kind = "snapshot";

  constructor(private readonly ledger: Ledger, private readonly snapshots: Snapshots, private readonly writables: Writables) {}

  stale(): string[] { return this.snapshots.stale().map(({ id }) => id); }
  held(id: string): boolean { return this.writables.held(id); }

  async measure(id: string): Promise<void> {
    const row = this.ledger.sql<[string], { kind: string; driver: string; parent: ChainId | null; owner: string | null }>(`SELECT kind, driver, owner, coalesce(layer.parent, writable.parent) AS parent
      FROM snapshot LEFT JOIN layer ON layer.chain_id = snapshot.chain LEFT JOIN writable ON snapshot.id IN (writable.snapshot, writable.init) WHERE snapshot.id = ?`).get(id);
    if (row === undefined) throw new NotFound(`snapshot ${id} does not exist`);
    if (row.kind === "writable") {
      await this.writables.usage(row.owner ?? id);
      return;
    }
    const usage = await this.snapshots.driver(row.driver).usage(id as SnapshotId, this.snapshots.stack(row.parent, row.driver));
    this.snapshots.measured(id as SnapshotId, usage, true);
  }
}
