import { type GraphKind, type WhyNode, type GraphReader, INGEST_LIFE, NotFound, type Why } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { afterPrefix } from "./rows.js";

/** Paths that are told of one thing. */
const MOST_PATHS = 50;
/** Things of one kind that a beginning of a digest stands for. */
const MOST_FOUND = 10;

/**
 * The edges of the view `edge` upwards, each by an index: what kind of node is reached, by which columns, from which. A
 * container's init layer is told as part of its writable one.
 */
const UPWARDS: readonly (readonly [from: GraphKind, to: GraphKind, key: string, join: string])[] = [
  ["layer", "image", "image.id", "image ON image.top = up.key"],
  ["layer", "snapshot", "writable.snapshot", "writable ON writable.parent = up.key"],
  ["layer", "layer", "layer.chain_id", "layer ON layer.parent = up.key"],
  ["image", "container", "container.id", "container ON container.image = up.key"],
  ["image", "image", "image.id", "image ON image.parent = up.key"],
  ["snapshot", "layer", "snapshot.chain", "snapshot ON snapshot.id = up.key AND snapshot.chain IS NOT NULL"],
  ["snapshot", "snapshot", "writable.snapshot", "writable ON writable.init = up.key"],
  ["snapshot", "container", "container.id", "writable ON writable.snapshot = up.key JOIN container ON container.id = writable.owner"],
  ["snapshot", "container", "container.id", "damage ON damage.snapshot = up.key JOIN image_layer ON image_layer.chain = damage.chain JOIN container ON container.image = image_layer.image AND container.status IN ('running', 'paused', 'restarting')"],
  ["volume", "container", "container.id", "volume_use ON volume_use.volume = up.key JOIN container ON container.id = volume_use.owner"],
  ["network", "container", "container.id", "endpoint ON endpoint.network = up.key JOIN container ON container.id = endpoint.container"],
  ["blob", "image", "reference.image", "reference ON reference.digest = up.key"],
  ["blob", "image", "image_manifest.image", "image_manifest ON image_manifest.digest = up.key"],
  ["blob", "layer", "layer.chain_id", "packed_source ON packed_source.digest = up.key JOIN layer ON layer.diff_id = packed_source.diff_id"],
];

/** Everything from which the node can be reached that holds: nearest first, and no further than what is asked for. */
const HOLDERS = `WITH RECURSIVE up (kind, key, path) AS (
    SELECT @kind, @key, @kind || ' ' || @key
    ${UPWARDS.map(([from, to, key, join]) => `UNION ALL SELECT '${to}', ${key}, '${to} ' || ${key} || char(10) || up.path FROM up JOIN ${join} WHERE up.kind = '${from}'`).join("\n    ")})
  SELECT DISTINCT path FROM up
  WHERE kind IN ('image', 'container', 'volume', 'network') OR (kind = 'layer' AND (EXISTS (SELECT 1 FROM build_record WHERE top = up.key) OR EXISTS (SELECT 1 FROM trashed_image WHERE top = up.key)))
    OR (kind = 'blob' AND EXISTS (SELECT 1 FROM trashed_blob WHERE digest = up.key)) OR EXISTS (SELECT 1 FROM lease_hold WHERE lease_hold.kind = up.kind AND lease_hold.key = up.key)
  LIMIT @limit`;

/** The graph read upwards: from something to what holds it. */
export class LedgerGraph implements GraphReader {
  constructor(private readonly ledger: Ledger) {}

  find(text: string): { kind: GraphKind; key: string }[] {
    const digits = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
    const found: { kind: GraphKind; key: string }[] = [];
    const add = (kind: GraphKind, statement: string, ...values: string[]): void => {
      for (const { key } of this.ledger.sql<string[], { key: string }>(statement).all(...values)) if (!found.some((f) => f.kind === kind && f.key === key)) found.push({ kind, key });
    };
    const ranges = (kind: GraphKind, column: string, table: string, key: string, prefix: string): void =>
      add(kind, `SELECT DISTINCT ${key} AS key FROM ${table} WHERE ${column} >= ? AND ${column} < ? LIMIT ${MOST_FOUND}`, prefix, afterPrefix(prefix));
    if (digits !== undefined) {
      ranges("layer", "chain_id", "layer", "chain_id", `sha256:${digits}`);
      ranges("layer", "diff_id", "layer", "chain_id", `sha256:${digits}`);
      ranges("blob", "digest", "blob", "digest", `sha256:${digits}`);
    }
    if (digits !== undefined && !text.startsWith("sha256:")) for (const [kind, table] of [["snapshot", "snapshot"], ["ingest", "ingest"], ["network", "network"], ["lease", "lease"]] as const) ranges(kind, "id", table, "id", digits);
    if (digits !== undefined) ranges("build-record", "key", "build_record", "key", digits);
    add("trash", "SELECT id AS key FROM trashed_image WHERE id = ?", text);
    add("snapshot", "SELECT id AS key FROM snapshot WHERE id = ?", text);
    add("network", "SELECT id AS key FROM network WHERE name = ?", text);
    add("ingest", "SELECT id AS key FROM ingest WHERE ref = ?", text);
    return found;
  }

  why(kind: GraphKind, key: string): Why {
    const node = this.node(kind, key);
    if (kind === "build-record" || kind === "lease" || kind === "trash") return { node, paths: [[node]], more: false };
    const rows = this.ledger.sql<object, { path: string }>(HOLDERS).all({ kind, key, limit: MOST_PATHS + 1 });
    const all = rows.flatMap(({ path }) => this.complete(path.split("\n").map((line) => this.node(line.slice(0, line.indexOf(" ")) as GraphKind, line.slice(line.indexOf(" ") + 1)))));
    // Its own holder only where there is no other.
    const others = all.filter((path) => path.length > 1 || !OWN.includes(path[0]!.kind));
    const paths = others.length > 0 ? others : all;
    const ingest = kind === "ingest" && paths.length === 0 ? this.ledger.sql<[string], { used_at: number }>("SELECT used_at FROM ingest WHERE id = ?").get(key) : undefined;
    return { node, paths: paths.slice(0, MOST_PATHS), more: paths.length > MOST_PATHS || rows.length > MOST_PATHS, ...(ingest === undefined ? {} : { goesAt: ingest.used_at + INGEST_LIFE }) };
  }

  /** Puts in front of a path what holds its first node: names, records, leases; the node itself where that is what stays until it is told to go. */
  private complete(path: readonly WhyNode[]): WhyNode[][] {
    const { kind, key } = path[0]!;
    const leases = this.ledger.sql<[string, string], { lease: string }>("SELECT lease FROM lease_hold WHERE kind = ? AND key = ?").all(kind, key).map(({ lease }): WhyNode[] => [this.node("lease", lease), ...path]);
    if (kind === "image") {
      const tags = this.ledger.sql<[string], { name: string }>("SELECT name FROM reference WHERE image = ? ORDER BY name").all(key);
      return [...tags.map(({ name }): WhyNode[] => [{ kind: "tag", key: name, name }, ...path]), ...(tags.length === 0 ? [[...path]] : []), ...leases];
    }
    if (kind === "layer") {
      const records = this.ledger.sql<[string], { key: string }>("SELECT key FROM build_record WHERE top = ? ORDER BY key").all(key);
      const trashed = this.ledger.sql<[string], { id: string }>("SELECT id FROM trashed_image WHERE top = ? ORDER BY id").all(key);
      return [...records.map((record): WhyNode[] => [this.node("build-record", record.key), ...path]), ...trashed.map(({ id }): WhyNode[] => [this.node("trash", id), ...path]), ...leases];
    }
    if (kind === "blob") {
      const trashed = this.ledger.sql<[string], { image: string }>("SELECT image FROM trashed_blob WHERE digest = ? ORDER BY image").all(key);
      return [...trashed.map(({ image }): WhyNode[] => [this.node("trash", image), ...path]), ...leases];
    }
    return OWN.includes(kind) ? [[...path], ...leases] : leases;
  }

  private node(kind: GraphKind, key: string): WhyNode {
    const row = this.ledger.sql<[string], Omit<WhyNode, "kind" | "key">>(NAMES[kind]).get(key);
    if (row === undefined) throw new NotFound(`${kind} ${key} does not exist`);
    return { kind, key, ...row };
  }
}

/** What stays until it is removed by name or pruned. */
const OWN: readonly GraphKind[] = ["image", "container", "volume", "network"];
/** Everything that tells one node of a kind from others. */
const NAMES: Readonly<Record<GraphKind, string>> = {
  image: "SELECT coalesce((SELECT min(name) FROM reference WHERE image = image.id), '') AS name FROM image WHERE id = ?",
  container: "SELECT name, status FROM container WHERE id = ?",
  layer: "SELECT diff_id AS name FROM layer WHERE chain_id = ?",
  snapshot: "SELECT driver AS name FROM snapshot WHERE id = ?",
  volume: "SELECT name FROM volume WHERE name = ?",
  network: "SELECT name FROM network WHERE id = ?",
  blob: "SELECT media_type AS name FROM blob WHERE digest = ?",
  ingest: "SELECT ref AS name FROM ingest WHERE id = ?",
  tag: "SELECT name FROM reference WHERE name = ?",
  "build-record": "SELECT description AS name FROM build_record WHERE key = ?",
  trash: "SELECT 'removed by run ' || run AS name, 'trash' AS purpose, expires_at AS expiresAt FROM trashed_image WHERE id = ?",
  lease: "SELECT purpose AS name, purpose, expires_at AS expiresAt FROM lease WHERE id = ?",
};
