import type { Mounted, Mounter, MountPlan } from "../core/index.js";

/** What can be mounted, and what is to be told when it no longer is. */
export interface Mountable {
  plan(): Promise<MountPlan>;
  unmounted(): Promise<void>;
}

interface Entry {
  count: number;
  /** The last step taken for this key; the next one waits for it. */
  last: Promise<MountPlan>;
}

/**
 * Counted mounts: the first holder of a key mounts, the last one unmounts. A mount that is there already (the daemon
 * was restarted) is taken over as it is.
 */
export class Mounts {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly mounter: Mounter) {}

  async hold(key: string, what: Mountable): Promise<Mounted> {
    const entry = this.entries.get(key);
    const next: Entry = entry ?? { count: 0, last: Promise.resolve({ target: "", mounts: [] }) };
    const before = next.last.catch(() => undefined);
    const first = next.count === 0;
    next.count++;
    if (first) next.last = before.then(() => this.mount(what));
    this.entries.set(key, next);
    try {
      const { target, tree } = await next.last;
      let held = true;
      return { path: tree ?? target, release: async () => { if (held) { held = false; await this.drop(key, next, what); } } };
    } catch (e) {
      this.giveBack(key, next);
      throw e;
    }
  }

  /** Whether anybody holds it, or its mount is still on the way up or down. */
  held(key: string): boolean {
    return this.entries.has(key);
  }

  /** Forgets every hold of a key and unmounts its target, if it has one; holders' releases then do nothing. */
  async end(key: string, target: string | undefined): Promise<void> {
    const entry = this.entries.get(key);
    this.entries.delete(key);
    await entry?.last.catch(() => undefined);
    if (target !== undefined && (await this.mounter.under(target)).length > 0) await this.mounter.unmount(target);
  }

  private async mount(what: Mountable): Promise<MountPlan> {
    const wanted = await what.plan();
    if (wanted.mounts.length === 0 || (await this.mounter.under(wanted.target)).includes(wanted.target)) return wanted;
    try { await this.mounter.mount(wanted); }
    catch (e) {
      await what.unmounted();
      throw e;
    }
    return wanted;
  }

  private async drop(key: string, entry: Entry, what: Mountable): Promise<void> {
    if (this.entries.get(key) !== entry) return;
    if (--entry.count > 0) return;
    const unmounting = entry.last.then(async (plan) => {
      if (plan.mounts.length > 0) await this.mounter.unmount(plan.target);
      await what.unmounted();
      return plan;
    });
    entry.last = unmounting;
    await unmounting.finally(() => this.forgetIdle(key, entry, unmounting));
  }

  private giveBack(key: string, entry: Entry): void {
    entry.count--;
    this.forgetIdle(key, entry, entry.last);
  }
  private forgetIdle(key: string, entry: Entry, last: Promise<MountPlan>): void {
    if (entry.count === 0 && entry.last === last && this.entries.get(key) === entry) this.entries.delete(key);
  }
}
