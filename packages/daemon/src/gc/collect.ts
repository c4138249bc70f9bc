import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, type Collectable, type GarbageCollector, type GcReport, type GraphNode, INGEST_LIFE, type LeaseStore, type Logger, messageOf, type Metrics, noMetrics, noUsage, type Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { Forgetting } from "./forget.js";
import { type DeadNode, findDead, findHalfMade, findStaleIngests, findUnreferred, findUnreferredAside, itemOf, sum } from "./graph.js";

/** Deletions come in bursts; one collection a burst. */
const AFTER_DELETION = 500;
/** A large ledger is not searched all the time: the next search waits so many times as long as the last one took. */
const REST = 20;
/** What is new may have left something behind (a layer made twice, a retagged image): look now and then. */
const AFTER_MUTATIONS = 100;
/** A search that takes longer than this is made on another thread. */
const PATIENCE_MS = 4;

export interface CollectorParts {
  readonly ledger: Ledger;
  readonly leases: LeaseStore;
  readonly collectables: readonly Collectable[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Start-up work that is neither of rows nor of a store: emptying tmp/ and trash/. */
  readonly emptyScratch: () => Promise<void>;
  /** Milliseconds that a search may hold up the event loop. Default: 4. */
  readonly patience?: number;
  /** Default: nobody counts. */
  readonly metrics?: Pick<Metrics, "collection">;
}

/**
 * Finds where what no root reaches begins (one query), forgets it (short transactions that look again at each thing), removes it from disk (a sweep of
 * what the tables do not know). A crash in between leaves rows or orphans, which the next collection takes: recovery is the same code.
 * Why in this way: docs/adr/0011.
 */
export class Collector implements GarbageCollector {
  private sweeping: Promise<unknown> = Promise.resolve();
  private readonly running = new Set<Promise<unknown>>();
  /** Collections that somebody waits for: those that look everywhere leave them what is theirs to report. */
  private readonly local = new Set<Promise<unknown>>();
  private timer: NodeJS.Timeout | undefined;
  private mutations = 0;
  /** What the last search took, in milliseconds. */
  private searched = 0;
  private closed = false;

  constructor(private readonly parts: CollectorParts) {}

  async collect(options: { dryRun?: boolean; wait?: boolean; from?: readonly GraphNode[] } = {}): Promise<GcReport> {
    if (options.dryRun === true) return this.plan();
    const start = performance.now();
    this.parts.leases.expire();
    const { from } = options;
    const { gone, swept } = await this.track(this.running, from === undefined ? this.collectAll() : this.track(this.local, this.collectFrom(from)));
    const items = gone.map(itemOf);
    this.tell(start, items, swept);
    return { items, freed: options.wait === true ? await swept : sum(gone) };
  }

  /** Once what was found is gone from its place. A sweep does not reject: what a store cannot remove is left for the next. */
  private tell(start: number, items: GcReport["items"], swept: Promise<Usage>): void {
    const counts: Record<string, number> = {};
    for (const { kind } of items) counts[kind] = (counts[kind] ?? 0) + 1;
    void swept.then((freed) => (this.parts.metrics ?? noMetrics).collection({ seconds: (performance.now() - start) / 1000, items: counts, freed, failed: false }));
  }

  notify(event: "mutation" | "deletion"): void {
    if (event === "mutation" && ++this.mutations < AFTER_MUTATIONS) return;
    if (this.timer !== undefined || this.closed) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.mutations = 0;
      this.collect().catch((e: unknown) => {
        this.parts.logger.warn({ err: e }, "collection failed");
        (this.parts.metrics ?? noMetrics).collection({ seconds: 0, items: {}, freed: noUsage, failed: true });
      });
    }, Math.max(AFTER_DELETION, this.searched * REST));
    this.timer.unref();
  }

  async recover(): Promise<GcReport> {
    const { ledger, leases, collectables, emptyScratch } = this.parts;
    leases.expire(true);
    ledger.transaction(() => {
      // Half-made snapshots go first: what they alone kept is dead then.
      collectables.find(({ kind }) => kind === "snapshot")?.forget(findHalfMade(ledger));
      // Whoever used a volume without being a container did so in the process that died.
      ledger.sql("DELETE FROM volume_use WHERE owner NOT IN (SELECT id FROM container)").run();
      // Nobody was told that these were made, and nothing was ever in them.
      ledger.sql("DELETE FROM volume WHERE name IN (SELECT volume FROM volume_coming) AND name NOT IN (SELECT volume FROM volume_use)").run();
      ledger.sql("DELETE FROM volume_coming").run();
    }, { durable: false });
    const ingests = this.forgetIngests();
    // Nobody is served yet, so nothing is held up.
    const work = new Forgetting(ledger, collectables, this.timed(() => findUnreferred(ledger)));
    while (!work.done) work.step();
    await ledger.flush();
    await emptyScratch();
    return { items: [...ingests, ...work.gone].map(itemOf), freed: await this.sweep(() => true) };
  }

  /** Stops what is scheduled and waits for what runs. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await Promise.allSettled(this.running);
    await this.sweeping.catch(() => undefined);
  }

  private async plan(): Promise<GcReport> {
    const found = [...await findDead(this.parts.ledger), ...this.staleIngests()];
    return { items: found.map(itemOf), freed: sum(found) };
  }

  private async collectAll(): Promise<Collected> {
    const nodes = await this.search();
    const ingests = this.forgetIngests();
    return this.remove(new Forgetting(this.parts.ledger, this.parts.collectables, nodes), async () => {
      while (this.local.size > 0) await Promise.allSettled(this.local);
    }, ingests);
  }

  private collectFrom(nodes: readonly GraphNode[]): Promise<Collected> {
    return this.remove(new Forgetting(this.parts.ledger, this.parts.collectables, nodes), async () => undefined, []);
  }

  /** Rows first, on disk before anything of theirs is swept. */
  private async remove(work: Forgetting, turn: () => Promise<unknown>, others: readonly DeadNode[]): Promise<Collected> {
    while (!work.done && !this.closed) {
      await turn();
      work.step();
      if (!work.done) await nextTurn();
    }
    const gone = [...others, ...work.gone];
    if (gone.length === 0) return { gone, swept: Promise.resolve(noUsage) };
    await this.parts.ledger.flush();
    const kinds = new Set([...work.kinds, ...others.map(({ kind }) => kind)]);
    return { gone, swept: this.sweep((c) => kinds.has(c.kind)) };
  }

  private async search(): Promise<GraphNode[]> {
    const { ledger, patience = PATIENCE_MS } = this.parts;
    if (this.searched < patience) return this.timed(() => findUnreferred(ledger));
    const begin = performance.now();
    const found = await findUnreferredAside(ledger);
    this.searched = performance.now() - begin;
    return found;
  }
  private timed<T>(work: () => T): T {
    const begin = performance.now();
    const result = work();
    this.searched = performance.now() - begin;
    return result;
  }

  private staleIngests(): DeadNode[] {
    return findStaleIngests(this.parts.ledger, this.parts.clock.now() - INGEST_LIFE).map((key) => ({ kind: "ingest", key, ...noUsage }));
  }
  /** What is found and forgotten in one transaction, nobody can have taken up meanwhile. */
  private forgetIngests(): DeadNode[] {
    return this.parts.ledger.transaction(() => {
      const stale = this.staleIngests();
      if (stale.length > 0) this.parts.collectables.find(({ kind }) => kind === "ingest")?.forget(stale.map(({ key }) => key));
      return stale;
    }, { durable: false });
  }

  private track<T>(set: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
    set.add(work);
    return work.finally(() => set.delete(work));
  }

  /** One sweep at a time; one store's failure does not keep the others from theirs. */
  private sweep(which: (collectable: Collectable) => boolean): Promise<Usage> {
    const run = this.sweeping.catch(() => undefined).then(async () => {
      let freed = noUsage;
      for (const collectable of this.parts.collectables.filter(which)) {
        try {
          const { bytes, inodes } = await collectable.sweep();
          freed = { bytes: freed.bytes + bytes, inodes: freed.inodes + inodes };
        } catch (e) {
          this.parts.logger.error({ err: e, kind: collectable.kind }, `cannot sweep: ${messageOf(e)}`);
        }
      }
      return freed;
    });
    this.sweeping = run;
    return run;
  }
}

interface Collected {
  readonly gone: readonly DeadNode[];
  readonly swept: Promise<Usage>;
}
