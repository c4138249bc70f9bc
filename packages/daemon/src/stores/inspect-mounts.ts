import { basename } from "node:path";
import type { DataRoot, Found, Inspector, Mounter } from "../core/index.js";
import type { Ledger } from "../db/ledger.js";
import type { Writables } from "./writables.js";

/** Where nothing is ever mounted by us. What is mounted below volumes/ is the volumes'; in trash/ it goes with what lies there. */
const BARE = new Set(["containers", "content", "image", "tmp"]);
/** Where drivers on overlayfs show a container's whole tree. */
const MERGED = "merged";

/**
 * Mounts below the data root that nobody holds. The places themselves may be disks of their own: only what is mounted
 * deeper is looked at.
 */
export class MountInspector implements Inspector {
  readonly about = "mounts";

  constructor(private readonly ledger: Ledger, private readonly root: DataRoot, private readonly writables: Writables, private readonly mounter: Mounter) {}

  async *inspect(): AsyncIterable<Found> {
    for (const target of await this.strays()) {
      // One that was going up or down a moment ago is held, or gone.
      if (!(await this.mounter.under(target)).includes(target) || this.isHeld(target)) continue;
      const id = target.slice(this.root.root.length + 1);
      yield { kind: "mount", id, problem: "orphan", detail: "nobody holds what is mounted there", images: [], mend: async () => { await this.mounter.unmount(target); return !(await this.mounter.under(target)).includes(target); } };
    }
  }

  private async strays(): Promise<string[]> {
    return [...new Set(await this.mounter.under(this.root.root))].filter((target) => {
      const [place, name, ...deeper] = target.slice(this.root.root.length + 1).split("/");
      if (name === undefined) return false;
      if (BARE.has(place!)) return true;
      return deeper.length > 0 && basename(target) === MERGED && this.isWritable(name) && !this.isHeld(target);
    });
  }

  /** Of a target in a storage driver's directory. */
  private isHeld(target: string): boolean {
    const [place, name = ""] = target.slice(this.root.root.length + 1).split("/");
    return !BARE.has(place!) && this.writables.inUse(name);
  }

  private isWritable(owner: string): boolean {
    return this.ledger.sql<[string]>("SELECT 1 FROM writable WHERE owner = ?").get(owner) !== undefined;
  }
}
