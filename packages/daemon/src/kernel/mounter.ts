import { realpathSync } from "node:fs";
import type { Mounter, MountPlan } from "../core/storage.js";
import { mountPlan, unmountAll, unmountSync } from "./mount.js";
import { type MountEntry, mountOf, mountsBelow, readMountTable } from "./mount-table.js";

/** The mounts of this machine. */
export class KernelMounter implements Mounter {
  private reading: Promise<readonly MountEntry[]> | undefined;

  mount(plan: MountPlan): Promise<void> { return mountPlan(plan); }
  async visit<T>(plan: MountPlan, work: (tree: string) => T): Promise<T> {
    await mountPlan(plan);
    try { return work(plan.tree ?? plan.target); } finally { for (const _ of plan.mounts) unmountSync(plan.target); }
  }
  unmount(target: string): Promise<void> { return unmountAll(target); }
  holding(path: string): { target: string; shared: boolean; slave: boolean } { return mountOf(realpathSync(path))!; }
  async under(dir: string): Promise<readonly string[]> {
    const table = await this.table();
    return mountsBelow(dir, table).map((entry) => entry.target).sort((a, b) => b.split("/").length - a.split("/").length);
  }

  /** One reading of the kernel's table for all who ask in the same turn: with hundreds of mounts each costs a millisecond. Always read after it was asked for. */
  private table(): Promise<readonly MountEntry[]> {
    return (this.reading ??= new Promise((resolve, reject) => setImmediate(() => {
      this.reading = undefined;
      try { resolve(readMountTable()); } catch (e) { reject(e as Error); }
    })));
  }
}
