import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { ChainId, DiffId, ImageId } from "@strata/oci";
import { type AuditedDriver, type Counted, DataLoss, errnoOf, type Found, type Inspection, type Inspector, type LayerFault, messageOf, NotFound, type SnapshotId, type StorageDriver } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import type { Damage } from "./damage.js";
import { listed, type Snapshots } from "./snapshots.js";

interface Row { readonly id: SnapshotId; readonly chain: ChainId | null; readonly diff_id: DiffId | null; readonly parent: ChainId | null; readonly tar_size: number | null; readonly owner: string | null }

/** Committed snapshots of a driver from an ID on: layers', then containers' own. */
const PAGES = [
  "SELECT snapshot.id, chain, diff_id, layer.parent, tar_size, NULL AS owner FROM snapshot JOIN layer ON layer.chain_id = chain WHERE driver = ? AND state = 'committed' AND snapshot.id > ? ORDER BY snapshot.id LIMIT ?",
  ...["snapshot", "init"].map((column) => `SELECT snapshot.id, NULL AS chain, NULL AS diff_id, NULL AS parent, NULL AS tar_size, owner FROM writable JOIN snapshot ON snapshot.id = writable.${column}
    WHERE driver = ? AND state = 'committed' AND snapshot.id > ? ORDER BY snapshot.id LIMIT ?`),
];
/** Rows that are read before others get a turn. */
const PAGE = 1000;

/** Layers that are opened in one go. */
const AT_ONCE = 50;

/**
 * Layers and containers' own layers, on each storage driver: directories that nothing knows, rows whose directories
 * are gone, layers that cannot be opened; `deep`: that do not give the tar that they came from, or are shown otherwise.
 */
export class LayerInspector implements Inspector {
  readonly about = "layers";

  constructor(private readonly ledger: Ledger, private readonly snapshots: Snapshots, private readonly damage: Damage) {}

  async *inspect(how: Inspection): AsyncIterable<Found | Counted> {
    const { working, absent } = this.snapshots.all;
    for (const name of absent.keys()) how.note(`layers on ${name}: the storage driver does not work here`);
    for (const driver of working.values()) {
      const rows = await this.committed(driver.name);
      const there = await listed(driver), present = new Set(there);
      yield* this.orphans(driver, there);
      yield* this.missing(driver, rows, present);
      yield* this.contents(driver, rows.filter(({ id, chain }) => chain !== null && present.has(id)), how);
    }
  }

  private async committed(driver: string): Promise<Row[]> {
    const rows: Row[] = [];
    for (const query of PAGES) {
      for (let from = "", more = true; more; await turn()) {
        const page = this.ledger.sql<[string, string, number], Row>(query).all(driver, from, PAGE);
        rows.push(...page);
        more = page.length === PAGE;
        from = page.at(-1)?.id ?? "";
      }
    }
    return rows;
  }

  private async *orphans(driver: StorageDriver, there: readonly SnapshotId[]): AsyncIterable<Found> {
    const strays = (await this.snapshots.withoutRow(driver, there)).filter((id) => !this.snapshots.isLeaving(id));
    if (strays.length === 0) return;
    // One that was leaving until a moment ago is gone now.
    const still = new Set(await listed(driver));
    for (const id of strays.filter((stray) => still.has(stray))) {
      yield {
        kind: "snapshot", id: `${driver.name}/${id}`, problem: "orphan", detail: `${driver.name} has it on disk, and no layer or container`, images: [],
        mend: () => this.snapshots.removeStray(driver, id),
      };
    }
  }

  private *missing(driver: StorageDriver, rows: readonly Row[], there: ReadonlySet<SnapshotId>): Iterable<Found> {
    const owners = new Set<string>();
    for (const row of rows) {
      if (there.has(row.id) || this.snapshots.get(row.id)?.state !== "committed") continue;
      const detail = `${driver.name}/${row.id} is gone from the disk`;
      if (row.chain !== null) yield this.lost(driver, row, "missing", detail);
      else if (!owners.has(row.owner!)) {
        owners.add(row.owner!);
        yield { kind: "container", id: row.owner!, problem: "missing", detail: `its own layer ${detail}`, images: [] };
      }
    }
  }

  private async *contents(driver: AuditedDriver, rows: readonly Row[], how: Inspection): AsyncIterable<Found | Counted> {
    const total = rows.reduce((sum, { tar_size: size }) => sum + (how.deep ? size! : 1), 0);
    let current = 0;
    for (const [i, row] of (how.deep ? parentsFirst(rows) : rows).entries()) {
      how.signal.throwIfAborted();
      const known = this.damage.of(row.id);
      const reason = known !== undefined && !how.deep ? known : await this.read(driver, row, how);
      if (reason !== undefined) yield this.lost(driver, row, "corrupt", reason);
      else {
        const fault = how.deep ? await this.shown(driver, row, how) : undefined;
        if (fault !== undefined) yield fault;
        else if (known !== undefined) this.damage.clear(row.id);
      }
      current += how.deep ? row.tar_size! : 1;
      if (how.deep || i % AT_ONCE === AT_ONCE - 1) {
        yield { current, total };
        await turn();
      }
    }
  }

  /** Why it is not what it should be; undefined when it is, or is not there any more. */
  private async read(driver: StorageDriver, row: Row, how: Inspection): Promise<string | undefined> {
    try {
      const tar = await driver.tar(row.id, this.snapshots.stack(row.parent, driver.name));
      if (!how.deep) {
        tar.destroy();
        return undefined;
      }
      const hash = createHash("sha256");
      for await (const chunk of tar as AsyncIterable<Buffer>) {
        hash.update(chunk);
        await how.read(chunk.length);
      }
      const digest = `sha256:${hash.digest("hex")}`;
      return digest === row.diff_id ? undefined : this.unlessGone(row, `its tar has digest ${digest}, not ${row.diff_id}`);
    } catch (e) {
      how.signal.throwIfAborted();
      if (e instanceof DataLoss || e instanceof NotFound || errnoOf(e) === "ENOENT" || errnoOf(e) === "EIO") return this.unlessGone(row, messageOf(e));
      how.note(`layer ${row.chain}: ${messageOf(e)}`);
      return undefined;
    }
  }

  private below(row: Row, driver: StorageDriver): SnapshotId[] | undefined {
    try { return this.snapshots.stack(row.parent, driver.name); }
    catch (e) {
      // It is being removed.
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }

  /** What is wrong with how a layer with a sound tar is shown. */
  private async shown(driver: AuditedDriver, row: Row, how: Inspection): Promise<Found | undefined> {
    const parents = this.below(row, driver);
    if (parents === undefined) return undefined;
    // What a layer says of its directories is in part what those below say.
    if (parents.some((parent) => this.damage.of(parent) !== undefined)) {
      how.note(`layer ${row.chain}: how it is shown was not looked at, since a layer below it is damaged`);
      return undefined;
    }
    let fault: LayerFault | undefined;
    try { fault = await driver.audit(row.id, parents); }
    catch (e) {
      how.signal.throwIfAborted();
      if (this.unlessGone(row, "") !== undefined) how.note(`layer ${row.chain}: ${messageOf(e)}`);
      return undefined;
    }
    if (fault === undefined || this.unlessGone(row, fault.detail) === undefined) return undefined;
    const { detail, mend } = fault;
    if (mend === undefined) return this.lost(driver, row, "corrupt", detail);
    return { kind: "layer", id: row.chain!, problem: "corrupt", detail, images: this.imagesOf(row.chain!), mend: async () => { await mend(); return await driver.audit(row.id, parents) === undefined; } };
  }

  /** The row goes before the files do: while it is there, so should they have been. */
  private unlessGone(row: Row, reason: string): string | undefined {
    const now = this.ledger.sql<[string], { chain: ChainId | null }>("SELECT chain FROM snapshot WHERE id = ?").get(row.id);
    return now?.chain === row.chain ? reason : undefined;
  }

  /** Takes note, so that the layer counts as absent and is fetched anew. */
  private lost(driver: StorageDriver, row: Row, problem: "missing" | "corrupt", detail: string): Found {
    const chainId = row.chain!;
    this.damage.note({ snapshot: row.id, chainId, driver: driver.name }, new DataLoss(detail));
    return { kind: "layer", id: chainId, problem, detail, images: this.imagesOf(chainId), mended: async () => this.unlessGone(row, detail) === undefined };
  }
  private imagesOf(chain: ChainId): ImageId[] {
    return this.ledger.sql<[string], { image: ImageId }>("SELECT image FROM image_layer WHERE chain = ? ORDER BY image").all(chain).map(({ image }) => image);
  }
}

/** Each layer behind the one that it lies on. */
function parentsFirst(rows: readonly Row[]): Row[] {
  const left = new Map(rows.map((row) => [row.chain, row])), sorted: Row[] = [];
  for (const row of rows) {
    const chain: Row[] = [];
    for (let at = left.get(row.chain); at !== undefined; at = left.get(at.parent)) {
      left.delete(at.chain);
      chain.push(at);
    }
    sorted.push(...chain.reverse());
  }
  return sorted;
}
