import { setImmediate as nextTurn } from "node:timers/promises";
import type { ImageId } from "@strata/oci";
import type { Image, ImageSummary } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { parseFrozen } from "./rows.js";

interface Row {
  id: ImageId; parent: ImageId | null; size: number; created_at: number; labels: string; stored_at: number; last_used_at: number; last_tagged_at: number | null; names: string; containers: number; shared: number;
}

// Subqueries by index: half the time of joins with aggregates of everything. Names have no spaces. What an image shares are all of its
// layers but those that fewer than two hold (triggers count them: migrations/0011.ts).
const COLUMNS = `id, parent, size, created_at, labels, stored_at, last_used_at, last_tagged_at,
    coalesce((SELECT group_concat(name, ' ') FROM reference WHERE reference.image = image.id), '') AS names, (SELECT count(*) FROM container WHERE container.image = image.id) AS containers,
    max(0, size - (SELECT unshared FROM image_share WHERE image_share.image = image.id)) AS shared`;
const ONE = `SELECT ${COLUMNS} FROM image WHERE id = ?`;
const PAGE = `SELECT ${COLUMNS} FROM image WHERE id > ? ORDER BY id LIMIT ?`;
/** So many are read at a time, before others get their turn. */
const PAGE_ROWS = 500;

/** The tables that a summary is made of, and whose rows they name. A temporary table takes part in transactions: what is rolled back was not noted. */
const NOTED = [
  ["image", "INSERT", "new.id"], ["image", "UPDATE", "new.id"], ["image", "DELETE", "old.id"], ["reference", "INSERT", "new.image"], ["reference", "UPDATE", "old.image"], ["reference", "UPDATE", "new.image"],
  ["reference", "DELETE", "old.image"], ["container", "INSERT", "new.image"], ["container", "DELETE", "old.image"], ["image_share", "UPDATE", "new.image"],
] as const;
const LISTED = ["image", "image_layer", "reference", "container rows"];
const UNREAD = -1;

/** Summaries of all images, newest first: in memory, and only those that changed are read again; the others stay the same objects. */
export class ImageList {
  private readonly known = new Map<ImageId, ImageSummary>();
  private sorted: readonly ImageSummary[] = [];
  /** Rollbacks when it was read in a transaction, since it was last read in none: should that be undone, so are its notes of what changed. */
  private doubtful: number | undefined = UNREAD;
  private preparing: Promise<void> | undefined;
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

  /** Reads what changed, the first time all, with turns for others in between. */
  async prepare(): Promise<void> {
    if (this.isDoubtful()) await (this.preparing ??= this.readInTurns().finally(() => { this.preparing = undefined; }));
    while (!this.isDoubtful() && this.refresh(PAGE_ROWS) === PAGE_ROWS) await nextTurn();
  }
  private async readInTurns(): Promise<void> {
    this.clear();
    const all: ImageSummary[] = [];
    for (let page = this.page(""); page.length > 0; page = this.page(page.at(-1)!.id)) {
      all.push(...page.map((row) => this.learn(row)));
      await nextTurn();
      // Somebody who could not wait has read all.
      if (this.doubtful !== UNREAD) return;
    }
    // What changed meanwhile is noted.
    this.sorted = all.sort(newestFirst);
    this.doubtful = undefined;
  }

  private read(): readonly ImageSummary[] {
    const { ledger } = this;
    if (this.isDoubtful()) {
      this.clear();
      this.sorted = this.page("", -1).map((row) => this.learn(row)).sort(newestFirst);
      this.doubtful = undefined;
    } else {
      this.refresh(-1);
    }
    this.doubtful = ledger.inTransaction ? this.doubtful ?? ledger.rolledBack : undefined;
    return this.sorted;
  }

  /** Reads those again that changed, so many at most. How many these were. */
  private refresh(most: number): number {
    const { ledger } = this, changed = ledger.sql<[number], { id: ImageId }>("SELECT id FROM changed_image LIMIT ?").all(most);
    if (changed.length === 0) return 0;
    for (const { id } of changed) {
      ledger.sql<[string]>("DELETE FROM changed_image WHERE id = ?").run(id);
      this.known.delete(id);
    }
    const others = this.sorted.filter(({ id }) => this.known.has(id)), rows = changed.map(({ id }) => ledger.sql<[string], Row>(ONE).get(id)).filter((row) => row !== undefined);
    this.sorted = [...others, ...rows.map((row) => this.learn(row))].sort(newestFirst);
    return changed.length;
  }

  private isDoubtful(): boolean { return this.doubtful !== undefined && this.doubtful !== this.ledger.rolledBack; }
  private clear(): void {
    this.doubtful = UNREAD;
    this.known.clear();
    this.ledger.sql("DELETE FROM changed_image").run();
  }
  private page(after: string, rows = PAGE_ROWS): Row[] { return this.ledger.sql<[string, number], Row>(PAGE).all(after, rows); }
  private learn(row: Row): ImageSummary {
    let labels = this.labels.get(row.labels);
    if (labels === undefined) this.labels.set(row.labels, labels = parseFrozen<Record<string, string>>(row.labels));
    const summary: ImageSummary = {
      id: row.id, parent: row.parent, size: row.size, sharedSize: row.shared, containers: row.containers, labels, ...namesOf(row.names),
      createdAt: row.created_at, storedAt: row.stored_at, lastUsedAt: row.last_used_at, lastTaggedAt: row.last_tagged_at,
    };
    this.known.set(row.id, summary);
    return summary;
  }
}

const newestFirst = (a: ImageSummary, b: ImageSummary): number => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1);

/** Tags and digests of names joined by spaces. */
export function namesOf(names: string): Pick<Image, "tags" | "digests"> {
  if (names === "") return NAMELESS;
  const all = names.split(" ").sort();
  return names.includes("@") ? { tags: all.filter((n) => !n.includes("@")), digests: all.filter((n) => n.includes("@")) } : { tags: all, digests: [] };
}
const NAMELESS: Pick<Image, "tags" | "digests"> = { tags: [], digests: [] };
