import type { Mounter, MountPlan } from "../core/storage.js";
import { mountPlan, unmountAll } from "./mount.js";
import { mountsBelow } from "./mount-table.js";

/** The mounts of this machine. */
export class KernelMounter implements Mounter {
  async mount(plan: MountPlan): Promise<void> { mountPlan(plan); }
  unmount(target: string): Promise<void> { return unmountAll(target); }
  under(dir: string): readonly string[] {
    return mountsBelow(dir).map((entry) => entry.target).sort((a, b) => b.split("/").length - a.split("/").length);
  }
}
