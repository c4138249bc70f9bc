import { type Clock, type Collectable, type GarbageCollector, type GcReport, type LeaseStore, type Logger, messageOf, type NodeKind, noUsage, type Usage } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import { type Dead, findDead, findHalfMade, findStaleIngests, measure } from "./graph.js";

/** How long a download that broke off may wait to be taken up again. */
const INGEST_LIFE = 7 * 24 * 3_600_000;
/** Deletions come in bursts; one collection a burst. */
const AFTER_DELETION = 500;
/** What is new may have left something behind (a layer made twice, a retagged image): look now and then. */
const AFTER_MUTATIONS = 100;

export interface CollectorParts {
  readonly ledger: Ledger;
  readonly leases: LeaseStore;
  readonly collectables: readonly Collectable[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Start-up work that is neither of rows nor of a store: emptying tmp/ and trash/. */
  readonly emptyScratch: () => Promise<void>;
}

/**
 * Finds what no root reaches (one query), forgets it (one transaction), removes it from disk (a sweep of what the
 * tables do not know). A crash in between leaves orphans, which the next sweep takes: recovery is the same code.
 */
export class Collector implements GarbageCollector {
  private sweeping: Promise<unknown> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private mutations = 0;

  constructor(private readonly parts: CollectorParts) {}

  async collect(options: { dryRun?: boolean; wait?: boolean } = {}): Promise<GcReport> {
    if (options.dryRun === true) {
      const { items, usage } = measure(this.parts.ledger, this.dead());
      return { items, freed: usage };
    }
    this.parts.leases.expire();
    const { items, usage, kinds } = this.forget(() => this.dead());
    if (kinds.size === 0) return { items, freed: noUsage };
    const swept = this.sweep((c) => kinds.has(c.kind));
    if (options.wait === true) return { items, freed: await swept };
    return { items, freed: usage };
  }

  notify(event: "mutation" | "deletion"): void {
    if (event === "mutation" && ++this.mutations < AFTER_MUTATIONS) return;
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.mutations = 0;
      this.collect().catch((e: unknown) => this.parts.logger.warn({ err: e }, "collection failed"));
    }, AFTER_DELETION);
    this.timer.unref();
  }

  async recover(): Promise<GcReport> {
    const { ledger, leases, emptyScratch } = this.parts;
    leases.expire(true);
    const { items } = this.forget(() => {
      // Half-made snapshots go first: what they alone kept is dead then.
      this.forgetKeys("snapshot", findHalfMade(ledger));
      // Whoever used a volume without being a container did so in the process that died.
      ledger.sql("DELETE FROM volume_use WHERE owner NOT IN (SELECT id FROM container)").run();
      // Nobody was told that these were made, and nothing was ever in them.
      ledger.sql("DELETE FROM volume WHERE name IN (SELECT volume FROM volume_coming) AND name NOT IN (SELECT volume FROM volume_use)").run();
      ledger.sql("DELETE FROM volume_coming").run();
      return this.dead();
    });
    await emptyScratch();
    return { items, freed: await this.sweep(() => true) };
  }

  /** Stops what is scheduled and waits for what runs. */
  async close(): Promise<void> {
    clearTimeout(this.timer);
    await this.sweeping.catch(() => undefined);
  }

  private dead(): Dead {
    const { ledger, clock } = this.parts;
    const stale = findStaleIngests(ledger, clock.now() - INGEST_LIFE);
    return new Map([...findDead(ledger), ...(stale.length > 0 ? [["ingest", stale] as const] : [])]);
  }

  /** Finds and forgets in one transaction: nothing can come to refer to what was found meanwhile. */
  private forget(find: () => Dead): { items: GcReport["items"]; usage: Usage; kinds: ReadonlySet<NodeKind> } {
    return this.parts.ledger.transaction(() => {
      const dead = find();
      const measured = measure(this.parts.ledger, dead);
      for (const [kind, keys] of dead) this.forgetKeys(kind, keys);
      return { ...measured, kinds: new Set(dead.keys()) };
    });
  }
  private forgetKeys(kind: NodeKind, keys: readonly string[]): void {
    if (keys.length === 0) return;
    const owner = this.parts.collectables.find((c) => c.kind === kind);
    if (owner === undefined) throw new Error(`nothing collects a ${kind}`);
    owner.forget(keys);
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
