import type { SnapshotId } from "../../../core/ids.js";
import type { Logger } from "../../../core/logger.js";
import type { LayerView } from "./layer-view.js";

interface Entry {
  readonly holders: Set<unknown>;
  /** The last step taken with this layer; the next one waits for it. */
  last: Promise<void>;
  idle: NodeJS.Timeout | undefined;
}

/**
 * Layers that are in sight, each once, for as long as somebody holds them and a little longer: a burst of containers
 * does not mount them over and over. An overlay that is mounted needs nobody's hold: it keeps its layers by itself.
 */
export class LayerMounts {
  private readonly entries = new Map<SnapshotId, Entry>();
  private readonly held = new Map<unknown, Set<SnapshotId>>();

  /** `graceMs`: how long a layer stays when its last holder went. */
  constructor(private readonly view: LayerView, private readonly graceMs: number, private readonly logger: Logger) {}

  /** Shows a chain of layers, nearest first, for a holder (any value, by identity). Again for the same one is harmless. */
  async hold(chain: readonly SnapshotId[], holder: unknown): Promise<void> {
    const mine = this.held.get(holder) ?? new Set();
    this.held.set(holder, mine);
    for (const id of chain) {
      mine.add(id);
      const entry = this.entry(id);
      entry.holders.add(holder);
      clearTimeout(entry.idle);
    }
    // From below: what is made anew looks at the layers under it.
    for (let i = chain.length - 1; i >= 0; i--) await this.step(chain[i]!, () => this.view.show(chain[i]!, chain.slice(i + 1)));
  }

  release(holder: unknown): void {
    const mine = this.held.get(holder);
    this.held.delete(holder);
    for (const id of mine ?? []) {
      const entry = this.entries.get(id);
      if (!entry?.holders.delete(holder) || entry.holders.size > 0) continue;
      this.rest(id, entry);
    }
  }

  /** Has a chain in sight while `use` runs. */
  async during<T>(chain: readonly SnapshotId[], use: () => Promise<T>): Promise<T> {
    const holder = Symbol("during");
    try {
      await this.hold(chain, holder);
      return await use();
    } finally { this.release(holder); }
  }

  /** Layers that a former daemon mounted: those that nobody comes to hold go in a while. */
  adopt(ids: readonly SnapshotId[]): void { for (const id of ids) this.rest(id, this.entry(id)); }

  /** Hides a layer that is about to be removed, whoever holds it. */
  async forget(id: SnapshotId): Promise<void> {
    clearTimeout(this.entries.get(id)?.idle);
    await this.step(id, () => this.view.hide(id));
    this.entries.delete(id);
  }

  /** Makes anew what shows a layer, whoever holds it; its parents are in sight. */
  renew(id: SnapshotId, below: readonly SnapshotId[]): Promise<void> { return this.step(id, () => this.view.renew(id, below)); }

  /** Hides all that nobody holds. */
  async close(): Promise<void> {
    await Promise.all([...this.entries].map(async ([id, entry]) => {
      clearTimeout(entry.idle);
      if (entry.holders.size === 0) await this.hide(id, entry);
    }));
  }

  private entry(id: SnapshotId): Entry {
    let entry = this.entries.get(id);
    if (!entry) this.entries.set(id, entry = { holders: new Set(), last: Promise.resolve(), idle: undefined });
    return entry;
  }
  private rest(id: SnapshotId, entry: Entry): void {
    clearTimeout(entry.idle);
    entry.idle = setTimeout(() => { void this.hide(id, entry); }, this.graceMs).unref();
  }
  private async hide(id: SnapshotId, entry: Entry): Promise<void> {
    try {
      await this.step(id, async () => {
        if (entry.holders.size > 0) return;
        await this.view.hide(id);
        if (entry.holders.size === 0 && this.entries.get(id) === entry) this.entries.delete(id);
      });
    } catch (error) { this.logger.warn({ err: error, snapshot: id }, "cannot unmount a layer"); }
  }
  private step(id: SnapshotId, work: () => Promise<void>): Promise<void> {
    const entry = this.entry(id);
    return entry.last = entry.last.catch(() => undefined).then(work);
  }
}
