import type { GcItem, GraphNode, NodeKind, Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";

/** What the collector deletes; all else is removed by name. */
const COLLECTABLE: ReadonlySet<NodeKind> = new Set(["blob", "layer", "snapshot"]);

/**
 * Everything that no root reaches, with its size; a layer counts with its snapshots, which are no items of their own. The views `root`
 * and `edge` are the graph (db/schema.ts). On a large ledger this takes seconds, since it visits all that is alive.
 */
const DEAD = `WITH RECURSIVE
    live (kind, key) AS (
      SELECT kind, key FROM root
      UNION SELECT edge.to_kind, edge.to_key FROM live JOIN edge ON edge.from_kind = live.kind AND edge.from_key = live.key),
    dead (kind, key) AS (
      SELECT kind, key FROM (SELECT 'blob' AS kind, digest AS key FROM blob UNION ALL SELECT 'layer', chain_id FROM layer UNION ALL SELECT 'snapshot', id FROM snapshot)
      EXCEPT SELECT kind, key FROM live)
  SELECT dead.kind, dead.key, bytes, 1 AS inodes FROM dead JOIN blob ON blob.digest = dead.key WHERE dead.kind = 'blob'
  UNION ALL SELECT dead.kind, dead.key, coalesce(sum(bytes), 0), coalesce(sum(inodes), 0) FROM dead LEFT JOIN snapshot ON snapshot.chain = dead.key WHERE dead.kind = 'layer' GROUP BY dead.key
  UNION ALL SELECT dead.kind, dead.key, bytes, inodes FROM dead JOIN snapshot ON snapshot.id = dead.key WHERE dead.kind = 'snapshot' AND (chain IS NULL OR NOT EXISTS (SELECT 1 FROM dead AS other WHERE other.kind = 'layer' AND other.key = chain))`;

/**
 * Where collecting begins: what nothing refers to that these tables know of. All that is dead lies below one of these, for there are no
 * cycles; and since each is looked at by the views before it goes, finding too much does no harm. Look-ups by index, no walk.
 */
const UNREFERRED = `
  SELECT 'layer' AS kind, chain_id AS key FROM layer WHERE NOT EXISTS (SELECT 1 FROM layer AS child WHERE child.parent = layer.chain_id)
    AND NOT EXISTS (SELECT 1 FROM image WHERE top = chain_id) AND NOT EXISTS (SELECT 1 FROM build_record WHERE top = chain_id)
    AND NOT EXISTS (SELECT 1 FROM writable WHERE parent = chain_id) AND NOT EXISTS (SELECT 1 FROM lease_hold WHERE lease_hold.kind = 'layer' AND lease_hold.key = chain_id)
  UNION ALL SELECT 'snapshot', id FROM snapshot WHERE chain IS NULL
    AND NOT EXISTS (SELECT 1 FROM writable JOIN container ON container.id = owner WHERE snapshot = snapshot.id OR init = snapshot.id)
    AND NOT EXISTS (SELECT 1 FROM lease_hold WHERE lease_hold.kind = 'snapshot' AND lease_hold.key = snapshot.id)
  UNION ALL SELECT 'blob', digest FROM blob WHERE NOT EXISTS (SELECT 1 FROM image_manifest WHERE image_manifest.digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM reference WHERE reference.digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM packed_source JOIN layer USING (diff_id) WHERE packed_source.digest = blob.digest)
    AND NOT EXISTS (SELECT 1 FROM lease_hold WHERE lease_hold.kind = 'blob' AND lease_hold.key = blob.digest)`;

export type DeadNode = GraphNode & Usage;

/** What a collection of everything would forget, by one query. */
export function findDead(ledger: Ledger): Promise<DeadNode[]> {
  return ledger.readAside<DeadNode>(DEAD);
}

/** What a collection of everything begins at. */
export function findUnreferred(ledger: Ledger): GraphNode[] {
  return ledger.sql<[], GraphNode>(UNREFERRED).all();
}
/** The same, while the event loop goes on: something may have come to refer to what is found. */
export function findUnreferredAside(ledger: Ledger): Promise<GraphNode[]> {
  return ledger.readAside<GraphNode>(UNREFERRED);
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
    case "blob": return ledger.sql<[string], Usage>("SELECT bytes, 1 AS inodes FROM blob WHERE digest = ?").get(key);
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
  if (ledger.sql<[string, string]>("SELECT 1 FROM edge WHERE to_kind = ? AND to_key = ? AND from_kind IN ('layer', 'snapshot') LIMIT 1").get(kind, key) !== undefined) return true;
  // Apart, for together the views are not looked up by index.
  for (const from of ledger.sql<[string, string], GraphNode>("SELECT from_kind AS kind, from_key AS key FROM edge WHERE to_kind = ? AND to_key = ? AND from_kind NOT IN ('layer', 'snapshot')").iterate(kind, key)) {
    if (isRoot(ledger, from)) return true;
  }
  return false;
}

/** What it refers to of what is collected. */
export function targetsOf(ledger: Ledger, { kind, key }: GraphNode): GraphNode[] {
  return ledger.sql<[string, string], GraphNode>("SELECT to_kind AS kind, to_key AS key FROM edge WHERE from_kind = ? AND from_key = ?").all(kind, key).filter((to) => COLLECTABLE.has(to.kind));
}

export const sum = (items: readonly Usage[]): Usage => ({ bytes: items.reduce((all, { bytes }) => all + bytes, 0), inodes: items.reduce((all, { inodes }) => all + inodes, 0) });
export const itemOf = ({ kind, key, bytes }: DeadNode): GcItem => ({ kind, key, bytes });
