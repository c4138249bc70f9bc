import { type Clock, DataLoss, type Layer, type Logger, type SnapshotId } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";

/**
 * Layers that were found to be something else than their diff IDs say. Whoever registers such a layer anew takes its
 * place; what it held stays on disk for as long as a container that was started on it runs.
 */
export class Damage {
  constructor(private readonly ledger: Ledger, private readonly clock: Clock, private readonly logger: Logger) {}

  /** Takes note if it was the layer's bytes that failed. */
  note({ snapshot, chainId, driver }: Pick<Layer, "snapshot" | "chainId" | "driver">, error: unknown): void {
    if (!(error instanceof DataLoss)) return;
    const { changes } = this.ledger.transaction(() =>
      this.ledger.sql<[number, string, string]>("INSERT INTO damage (snapshot, chain, found_at, detail) SELECT id, chain, ?, ? FROM snapshot WHERE id = ? AND chain IS NOT NULL ON CONFLICT DO NOTHING").run(this.clock.now(), error.message, snapshot));
    if (changes > 0) this.logger.error({ layer: chainId, snapshot, driver, reason: error.message }, "a layer is damaged; the next pull or load of an image that has it repairs it");
  }

  /** As far as is known. */
  of(id: SnapshotId): string | undefined {
    return this.ledger.sql<[string], { detail: string }>("SELECT detail FROM damage WHERE snapshot = ?").get(id)?.detail;
  }

  /** It was read to its end, and is what it should be after all. */
  clear(id: SnapshotId): void {
    this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM damage WHERE snapshot = ?").run(id), { durable: false });
  }

  /** Within a transaction: a damaged snapshot gives up its layer. False, and nothing changes, for one that is sound. */
  give(id: SnapshotId): boolean {
    return this.ledger.sql<[string]>("UPDATE snapshot SET chain = NULL WHERE id = ? AND id IN (SELECT snapshot FROM damage)").run(id).changes > 0;
  }
}
