import type { GcItem, GraphNode, NodeKind, Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";

/** What the collector deletes; all else is removed by name. */
const COLLECTABLE: ReadonlySet<NodeKind> = new Set(["blob", "layer", "snapshot"]);

/**
 * What no root reaches: blobs, layers and snapshots, with their sizes. A layer counts with its snapshots, which are no nodes of their
 * own here. The views `root` and `edge` are the graph (db/schema.ts).
 */
const DEAD = `WITH RECURSIVE
    live (kind, key) AS (
      SELECT kind, key FROM root
      UNION SELECT edge.to_kind, edge.to_key FROM live JOIN edge ON edge.from_kind = live.kind AND edge.from_key = live.key),
    dead (kind, key) AS (
      SELECT kind, key FROM (SELECT 'blob' AS kind, digest AS key FROM blob UNION ALL SELECT 'layer', chain_id FROM layer UNION ALL SELECT 'snapshot', id FROM snapshot)
      EXCEPT SELECT kind, key FROM live)
  SELECT dead.kind, dead.key, size AS bytes, 1 AS inodes FROM dead JOIN blob ON blob.digest = dead.key WHERE dead.kind = 'blob'
  UNION ALL SELECT dead.kind, dead.key, coalesce(sum(bytes), 0), coalesce(sum(inodes), 0) FROM dead LEFT JOIN snapshot ON snapshot.chain = dead.key WHERE dead.kind = 'layer' GROUP BY dead.key
  UNION ALL SELECT dead.kind, dead.key, bytes, inodes FROM dead JOIN snapshot ON snapshot.id = dead.key WHERE dead.kind = 'snapshot' AND (chain IS NULL OR NOT EXISTS (SELECT 1 FROM dead AS other WHERE other.kind = 'layer' AND other.key = chain))`;

export type DeadNode = GraphNode & Usage;

/** What a collection would forget, by one query. */
export function findDead(ledger: Ledger): DeadNode[] {
  return ledger.sql<[], DeadNode>(DEAD).all();
}
/** The same, while the event loop goes on: something may have come to refer to what is found. */
export function findDeadAside(ledger: Ledger): Promise<DeadNode[]> {
  return ledger.readAside<DeadNode>(DEAD);
}

/** Downloads that nobody took up since `before` and that no lease holds. */
export function findStaleIngests(ledger: Ledger, before: number): readonly string[] {
  return ledger.sql<[number], { id: string }>("SELECT id FROM ingest WHERE used_at < ? AND NOT EXISTS (SELECT 1 FROM lease_hold WHERE kind = 'ingest' AND key = id)").all(before).map((row) => row.id);
}

/** Snapshots that were being made when the daemon died. */
export function findHalfMade(ledger: Ledger): readonly string[] {
  return ledger.sql<[], { id: string }>("SELECT id FROM snapshot WHERE state = 'preparing'").all().map((row) => row.id);
}

/** Size of something that is collected; undefined when it is not there (any more), or no such thing. */
export function usageOf(ledger: Ledger, { kind, key }: GraphNode): Usage | undefined {
  switch (kind) {
    case "blob": return ledger.sql<[string], Usage>("SELECT size AS bytes, 1 AS inodes FROM blob WHERE digest = ?").get(key);
    case "layer": return ledger.sql<[string], Usage>("SELECT coalesce(sum(bytes), 0) AS bytes, coalesce(sum(inodes), 0) AS inodes FROM layer LEFT JOIN snapshot ON snapshot.chain = chain_id WHERE chain_id = ? GROUP BY chain_id").get(key);
    case "snapshot": return ledger.sql<[string], Usage>("SELECT bytes, inodes FROM snapshot WHERE id = ?").get(key);
    case "container": case "image": case "ingest": case "network": case "volume": return undefined;
  }
}

export function isRoot(ledger: Ledger, { kind, key }: GraphNode): boolean {
  return ledger.sql<[string, string]>("SELECT 1 FROM root WHERE kind = ? AND key = ? LIMIT 1").get(kind, key) !== undefined;
}

/** Whether anything refers to it that is there: an owner that a row names may be gone, or never have come to be. */
export function isReferredTo(ledger: Ledger, { kind, key }: GraphNode): boolean {
  return ledger.sql<[string, string]>(`SELECT 1 FROM edge WHERE to_kind = ? AND to_key = ?
    AND (from_kind IN ('layer', 'snapshot') OR EXISTS (SELECT 1 FROM root WHERE root.kind = edge.from_kind AND root.key = edge.from_key)) LIMIT 1`).get(kind, key) !== undefined;
}

/** What it refers to of what is collected. */
export function targetsOf(ledger: Ledger, { kind, key }: GraphNode): GraphNode[] {
  return ledger.sql<[string, string], GraphNode>("SELECT to_kind AS kind, to_key AS key FROM edge WHERE from_kind = ? AND from_key = ?").all(kind, key).filter((to) => COLLECTABLE.has(to.kind));
}

export const sum = (items: readonly Usage[]): Usage => ({ bytes: items.reduce((all, { bytes }) => all + bytes, 0), inodes: items.reduce((all, { inodes }) => all + inodes, 0) });
export const itemOf = ({ kind, key, bytes }: DeadNode): GcItem => ({ kind, key, bytes });
