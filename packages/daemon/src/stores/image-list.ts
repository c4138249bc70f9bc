import type { ImageId } from "@strata/oci";
import type { Image, ImageSummary } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { parseFrozen } from "./rows.js";

interface Row {
  id: ImageId; parent: ImageId | null; size: number; created_at: number; labels: string; stored_at: number; last_used_at: number; last_tagged_at: number | null; names: string; containers: number;
}
interface ShareRow { image: ImageId; shared: number }

// Subqueries by index: half the time of joins with aggregates of everything. Names have no spaces.
const COLUMNS = `id, parent, size, created_at, labels, stored_at, last_used_at, last_tagged_at,
    coalesce((SELECT group_concat(name, ' ') FROM reference WHERE reference.image = image.id), '') AS names, (SELECT count(*) FROM container WHERE container.image = image.id) AS containers`;
const ALL = `SELECT ${COLUMNS} FROM image ORDER BY created_at DESC, id`;
const ONE = `SELECT ${COLUMNS} FROM image WHERE id = ?`;

/**
 * What an image shares with others: all but the layers that fewer than two hold. Untagged ones that others were made from are but steps
 * to those, and do not count as holders.
 */
const SHARES = `WITH
    steps AS (SELECT id FROM image WHERE id IN (SELECT parent FROM image WHERE parent IS NOT NULL) AND id NOT IN (SELECT image FROM reference)),
    own AS (SELECT chain FROM image_layer GROUP BY chain HAVING count(*) - sum(image IN steps) < 2),
    unshared AS (SELECT image_layer.image, sum(layer.size) AS size FROM own JOIN image_layer USING (chain) JOIN layer ON layer.chain_id = own.chain GROUP BY image_layer.image)
  SELECT id AS image, image.size - coalesce(unshared.size, 0) AS shared FROM image LEFT JOIN unshared ON unshared.image = id WHERE image.size > coalesce(unshared.size, 0)`;
/** What they are computed from: layers and their sizes come and go with images. */
const SHARING = ["image rows", "image parent", "reference rows"];

/** The tables that a summary is made of, and whose rows they name. A temporary table takes part in transactions: what is rolled back was not noted. */
const NOTED = [
  ["image", "INSERT", "new.id"], ["image", "UPDATE", "new.id"], ["image", "DELETE", "old.id"], ["reference", "INSERT", "new.image"], ["reference", "UPDATE", "old.image"], ["reference", "UPDATE", "new.image"],
  ["reference", "DELETE", "old.image"], ["container", "INSERT", "new.image"], ["container", "DELETE", "old.image"],
] as const;
const LISTED = ["image", "reference", "container rows"];
/** When so many changed, all are read again. */
const MANY = 500;
/** So few are read where they are wanted. */
const FEW = 300;

/** Summaries of all images, newest first: in memory, and only those that changed are read again. */
export class ImageList {
  private readonly known = new Map<ImageId, ImageSummary>();
  private sorted: readonly ImageSummary[] = [];
  /** Rollbacks up to when what is in memory was read; those after may have taken back what it has. */
  private rollbacks = -1;
  /** Many images have the same labels, or none. */
  private readonly labels = new Map<string, Readonly<Record<string, string>>>();

  constructor(private readonly ledger: Ledger) {
    ledger.sql("CREATE TEMP TABLE IF NOT EXISTS changed_image (id TEXT PRIMARY KEY) WITHOUT ROWID").run();
    for (const [i, [table, verb, id]] of NOTED.entries()) {
      ledger.sql(`CREATE TEMP TRIGGER IF NOT EXISTS changed_image_${i} AFTER ${verb} ON main.${table} BEGIN INSERT INTO changed_image SELECT ${id} WHERE ${id} NOT IN (SELECT id FROM changed_image); END`).run();
    }
  }

  all(): readonly ImageSummary[] {
    return this.ledger.cached("images", () => this.read(), LISTED);
  }

  /** With what each shares with others. */
  withShares(): readonly ImageSummary[] {
    const shares = this.ledger.cached("shares", () => sharesOf(this.ledger.sql<[], ShareRow>(SHARES).all()), SHARING);
    return this.ledger.cached("images with shares", () => this.all().map((image) => ({ ...image, sharedSize: shares.get(image.id) ?? 0 })), LISTED);
  }
  /** Computes the shares on another thread, if they are not known and that takes long. */
  async prepareShares(): Promise<void> {
    if (this.all().length < FEW) return;
    await this.ledger.cachedAside<ShareRow, ReadonlyMap<ImageId, number>>("shares", SHARES, sharesOf, SHARING);
  }

  private read(): readonly ImageSummary[] {
    const { ledger } = this, changed = ledger.sql<[], { id: ImageId }>(`SELECT id FROM changed_image LIMIT ${MANY + 1}`).all();
    if (this.rollbacks !== ledger.rolledBack || changed.length > MANY) {
      this.known.clear();
      this.sorted = ledger.sql<[], Row>(ALL).all().map((row) => this.learn(row));
    } else if (changed.length > 0) {
      const rows = changed.map(({ id }) => ledger.sql<[string], Row>(ONE).get(id)).filter((row) => row !== undefined);
      const old = this.sorted;
      for (const { id } of changed) this.known.delete(id);
      this.sorted = [...old.filter(({ id }) => this.known.has(id)), ...rows.map((row) => this.learn(row))].sort(newestFirst);
    }
    ledger.sql("DELETE FROM changed_image").run();
    this.rollbacks = ledger.rolledBack;
    return this.sorted;
  }

  private learn(row: Row): ImageSummary {
    let labels = this.labels.get(row.labels);
    if (labels === undefined) this.labels.set(row.labels, labels = parseFrozen<Record<string, string>>(row.labels));
    const summary: ImageSummary = {
      id: row.id, parent: row.parent, size: row.size, sharedSize: -1, containers: row.containers, labels, ...namesOf(row.names),
      createdAt: row.created_at, storedAt: row.stored_at, lastUsedAt: row.last_used_at, lastTaggedAt: row.last_tagged_at,
    };
    this.known.set(row.id, summary);
    return summary;
  }
}

const newestFirst = (a: ImageSummary, b: ImageSummary): number => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1);
const sharesOf = (rows: readonly ShareRow[]): ReadonlyMap<ImageId, number> => new Map(rows.map(({ image, shared }) => [image, shared]));

/** Tags and digests of names joined by spaces. */
export function namesOf(names: string): Pick<Image, "tags" | "digests"> {
  if (names === "") return NAMELESS;
  const all = names.split(" ").sort();
  return names.includes("@") ? { tags: all.filter((n) => !n.includes("@")), digests: all.filter((n) => n.includes("@")) } : { tags: all, digests: [] };
}
const NAMELESS: Pick<Image, "tags" | "digests"> = { tags: [], digests: [] };
