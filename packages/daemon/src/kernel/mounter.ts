import { realpathSync } from "node:fs";
import type { Mounter, MountPlan } from "../core/storage.js";
import { mountPlan, unmountAll, unmountSync } from "./mount.js";
import { mountOf, mountsBelow } from "./mount-table.js";

/** The mounts of this machine. */
export class KernelMounter implements Mounter {
  mount(plan: MountPlan): Promise<void> { return mountPlan(plan); }
  async visit<T>(plan: MountPlan, work: (tree: string) => T): Promise<T> {
    await mountPlan(plan);
    try { return work(plan.tree ?? plan.target); } finally { for (const _ of plan.mounts) unmountSync(plan.target); }
  }
  unmount(target: string): Promise<void> { return unmountAll(target); }
  holding(path: string): { target: string; shared: boolean; slave: boolean } { return mountOf(realpathSync(path))!; }
  under(dir: string): readonly string[] {
    return mountsBelow(dir).map((entry) => entry.target).sort((a, b) => b.split("/").length - a.split("/").length);
  }
}
