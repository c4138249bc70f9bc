import type { ChainId, ImageId } from "@strata/oci";
import { type HeldLayer, type HeldLine, type LayerShares, NotFound, type Pins, type TrashedImage, type TrashedImages } from "../core/index.js";
import { type Ledger, violated } from "../db/ledger.js";

/** Names that policies must leave. */
export class LedgerPins implements Pins {
  constructor(private readonly ledger: Ledger) {}

  pin(name: string): void {
    try {
      this.ledger.transaction(() => this.ledger.sql<[string]>("INSERT INTO pin (name) VALUES (?) ON CONFLICT DO NOTHING").run(name));
    } catch (e) {
      if (violated(e) === "foreign-key") throw new NotFound(`No such image: ${name}`, { cause: e });
      throw e;
    }
  }
  unpin(name: string): boolean {
    return this.ledger.transaction(() => this.ledger.sql<[string]>("DELETE FROM pin WHERE name = ?").run(name)).changes > 0;
  }
  list(): ReadonlySet<string> {
    return new Set(this.ledger.sql<[], { name: string }>("SELECT name FROM pin").all().map(({ name }) => name));
  }
}

interface TrashedRow { id: ImageId; run: string; position: number; config: Buffer; document: string; bytes: number; expires_at: number }
const TRASHED = "SELECT id, run, position, config, document, bytes, expires_at FROM trashed_image";
const fromRow = ({ document, expires_at: expiresAt, ...row }: TrashedRow): TrashedImage => ({ ...row, expiresAt, ...JSON.parse(document) as Document });
type Document = Pick<TrashedImage, "parent" | "names" | "manifests">;

/** Images that can be brought back. The view `root` holds their layers and manifests. */
export class LedgerTrashedImages implements TrashedImages {
  constructor(private readonly ledger: Ledger) {}

  keep({ id, run, position, config, bytes, expiresAt, parent, names, manifests }: TrashedImage, top: ChainId | null): void {
    this.ledger.transaction(() => {
      this.remove([id]);
      this.ledger.sql<[string, string, number, string | null, Buffer, string, number, number]>("INSERT INTO trashed_image (id, run, position, top, config, document, bytes, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .run(id, run, position, top, config, JSON.stringify({ parent, names, manifests } satisfies Document), bytes, expiresAt);
      for (const digest of manifests) this.ledger.sql<[string, string]>("INSERT INTO trashed_blob (image, digest) VALUES (?, ?) ON CONFLICT DO NOTHING").run(id, digest);
    });
  }
  list(): TrashedImage[] {
    return this.ledger.sql<[], TrashedRow>(`${TRASHED} ORDER BY expires_at, run, position`).all().map(fromRow);
  }
  get(id: ImageId): TrashedImage | undefined {
    const row = this.ledger.sql<[string], TrashedRow>(`${TRASHED} WHERE id = ?`).get(id);
    return row === undefined ? undefined : fromRow(row);
  }
  next(): number | undefined {
    return this.ledger.sql<[], { at: number | null }>("SELECT min(expires_at) AS at FROM trashed_image").get()?.at ?? undefined;
  }
  remove(ids: readonly ImageId[]): void {
    this.ledger.transaction(() => { for (const id of ids) this.ledger.sql<[string]>("DELETE FROM trashed_image WHERE id = ?").run(id); });
  }
}

/** A layer on disk: its snapshots, and packed forms of it that are kept. */
const BYTES = `coalesce((SELECT sum(bytes) FROM snapshot WHERE snapshot.chain = layer.chain_id), 0)
  + coalesce((SELECT sum(blob.bytes) FROM blob WHERE digest IN (SELECT digest FROM packed_source WHERE packed_source.diff_id = layer.diff_id)), 0)`;
const INODES = "coalesce((SELECT sum(inodes) FROM snapshot WHERE snapshot.chain = layer.chain_id), 0)";
const IMAGES = "(SELECT count(*) FROM image_layer AS other WHERE other.chain = layer.chain_id)";
const LINES = `WITH RECURSIVE line (holder, kind, chain) AS (
    SELECT key, 'build-record', top FROM build_record WHERE top IS NOT NULL
    UNION SELECT id, 'trashed-image', top FROM trashed_image WHERE top IS NOT NULL
    UNION SELECT holder, kind, layer.parent FROM line JOIN layer ON layer.chain_id = line.chain WHERE layer.parent IS NOT NULL)
  SELECT holder, kind, chain, ${BYTES} AS bytes, ${INODES} AS inodes, ${IMAGES} AS images FROM line JOIN layer ON layer.chain_id = line.chain`;

/** Who shares which layers. */
export class LedgerLayerShares implements LayerShares {
  constructor(private readonly ledger: Ledger) {}

  ofImage(id: ImageId): HeldLayer[] {
    return this.ledger.sql<[string], HeldLayer>(`SELECT chain_id AS chain, ${BYTES} AS bytes, ${INODES} AS inodes, ${IMAGES} AS images FROM image_layer JOIN layer ON layer.chain_id = image_layer.chain WHERE image_layer.image = ?`).all(id);
  }
  manifestBytes(id: ImageId): number {
    return this.ledger.sql<[string, string, string], { bytes: number }>(`SELECT coalesce(sum(blob.bytes), 0) AS bytes FROM blob
      WHERE digest IN (SELECT digest FROM image_manifest WHERE image = ? UNION SELECT digest FROM reference WHERE image = ?)
        AND digest NOT IN (SELECT digest FROM image_manifest WHERE image <> ?)`).get(id, id, id)!.bytes;
  }
  lines(): HeldLine[] {
    return this.ledger.sql<[], HeldLine>(LINES).all();
  }
  lastUse(kind: "volume" | "network"): ReadonlyMap<string, number> {
    const query = kind === "volume" ? "SELECT name AS key, last_used_at AS at FROM volume WHERE last_used_at IS NOT NULL" : "SELECT id AS key, last_used_at AS at FROM network WHERE last_used_at IS NOT NULL";
    return new Map(this.ledger.sql<[], { key: string; at: number }>(query).all().map(({ key, at }) => [key, at]));
  }
  isHeld(id: ImageId): boolean {
    return this.ledger.sql<[string, string], { held: number }>("SELECT EXISTS (SELECT 1 FROM lease_hold WHERE (kind = 'image' AND key = ?) OR (kind = 'layer' AND key = (SELECT top FROM image WHERE id = ?))) AS held").get(id, id)!.held === 1;
  }
  heldImages(): ReadonlySet<string> {
    return new Set(this.ledger.sql<[], { id: string }>(`SELECT id FROM image WHERE id IN (SELECT key FROM lease_hold WHERE kind = 'image')
      UNION SELECT id FROM image WHERE top IN (SELECT key FROM lease_hold WHERE kind = 'layer')`).all().map(({ id }) => id));
  }
  total(): number {
    return this.ledger.sql<[], { bytes: number }>("SELECT coalesce(sum(bytes), 0) AS bytes FROM snapshot").get()!.bytes;
  }
}

