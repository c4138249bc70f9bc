import type { GcItem, NodeKind, Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";

/** Keys that no root reaches, by kind. */
export type Dead = ReadonlyMap<NodeKind, readonly string[]>;

/** Everything a root reaches. The views `root` and `edge` are the graph (db/schema.ts). */
const LIVE = `WITH RECURSIVE live (kind, key) AS (
  SELECT kind, key FROM root
  UNION SELECT edge.to_kind, edge.to_key FROM live JOIN edge ON edge.from_kind = live.kind AND edge.from_key = live.key)`;

/** What a collection would forget: blobs, layers and snapshots that nothing reaches. One query. */
export function findDead(ledger: Ledger): Dead {
  const rows = ledger.sql<[], { kind: NodeKind; key: string }>(`${LIVE}, collectable (kind, key) AS (
      SELECT 'blob', digest FROM blob UNION ALL SELECT 'layer', chain_id FROM layer UNION ALL SELECT 'snapshot', id FROM snapshot)
    SELECT kind, key FROM collectable EXCEPT SELECT kind, key FROM live`).all();
  return groupByKind(rows);
}

/** Downloads that nobody took up since `before` and that no lease holds. */
export function findStaleIngests(ledger: Ledger, before: number): readonly string[] {
  return ledger.sql<[number], { id: string }>("SELECT id FROM ingest WHERE used_at < ? AND NOT EXISTS (SELECT 1 FROM lease_hold WHERE kind = 'ingest' AND key = id)").all(before).map((row) => row.id);
}

/** Snapshots that were being made when the daemon died. */
export function findHalfMade(ledger: Ledger): readonly string[] {
  return ledger.sql<[], { id: string }>("SELECT id FROM snapshot WHERE state = 'preparing'").all().map((row) => row.id);
}

/** What the ledger knows of their size. A layer's snapshots are counted with it and are no items of their own. */
export function measure(ledger: Ledger, dead: Dead): { items: GcItem[]; usage: Usage } {
  const items: GcItem[] = [];
  let inodes = 0;
  const add = (kind: NodeKind, key: string, usage: Usage | undefined): void => {
    items.push({ kind, key, bytes: usage?.bytes ?? 0 });
    inodes += usage?.inodes ?? 0;
  };
  const layers = new Set(dead.get("layer"));
  for (const key of layers) add("layer", key, ledger.sql<[string], Usage>("SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(inodes), 0) AS inodes FROM snapshot WHERE chain = ?").get(key));
  for (const key of dead.get("snapshot") ?? []) {
    const row = ledger.sql<[string], Usage & { chain: string | null }>("SELECT bytes, inodes, chain FROM snapshot WHERE id = ?").get(key);
    if (row !== undefined && (row.chain === null || !layers.has(row.chain))) add("snapshot", key, row);
  }
  for (const key of dead.get("blob") ?? []) add("blob", key, ledger.sql<[string], Usage>("SELECT bytes, 1 AS inodes FROM blob WHERE digest = ?").get(key));
  for (const key of dead.get("ingest") ?? []) add("ingest", key, undefined);
  return { items, usage: { bytes: items.reduce((sum, item) => sum + item.bytes, 0), inodes } };
}

function groupByKind(rows: readonly { kind: NodeKind; key: string }[]): Dead {
  const dead = new Map<NodeKind, string[]>();
  for (const { kind, key } of rows) {
    const keys = dead.get(kind);
    if (keys === undefined) dead.set(kind, [key]);
    else keys.push(key);
  }
  return dead;
}
