import type { Readable } from "node:stream";
import { basename, join } from "node:path";
import { Unavailable } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import type { Parents, Change, LayerSource, MountPlan, StorageDriver, TreeUsage } from "../../core/storage.js";
import { mountsBelow } from "../../kernel/mount-table.js";
import { parentsOf } from "./below.js";

/** Where in its mount a driver shows the tree, if not at its root. */
const TREES: Readonly<Record<string, string>> = { devicemapper: "rootfs" };

/**
 * Stands in for a driver that made snapshots here and does not work now (its program or its kernel feature is gone).
 * All that needs the driver is Unavailable with the reason; nothing on disk is touched. A container that runs goes on
 * on the mount that it has.
 */
export class AbsentDriver implements StorageDriver {
  /** `root`: the driver's directory; `reason`: why it does not work. */
  constructor(readonly name: string, private readonly root: string, private readonly reason: string) {}

  async create(): Promise<void> { throw this.unavailable(); }

  async mounts(id: SnapshotId): Promise<MountPlan> {
    const target = mountsBelow(this.root).map((entry) => entry.target).find((path) => path.slice(this.root.length).split("/").includes(id));
    if (target === undefined) throw this.unavailable();
    const below = TREES[this.name];
    return { target, mounts: [{ type: "none", source: basename(target), options: [] }], ...(below === undefined ? {} : { tree: join(target, below) }) };
  }
  async unmounted(): Promise<void> { /* nothing is held */ }

  async apply(_id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    await parentsOf(below, tar);
    tar.destroy();
    throw this.unavailable();
  }
  async tar(): Promise<Readable> { throw this.unavailable(); }
  // eslint-disable-next-line require-yield -- there is nothing to yield
  async *changes(): AsyncIterable<Change> { throw this.unavailable(); }
  async diff(): Promise<Readable> { throw this.unavailable(); }
  async usage(): Promise<TreeUsage> { throw this.unavailable(); }
  async remove(): Promise<void> { throw this.unavailable(); }
  async *list(): AsyncIterable<SnapshotId> { /* what is there stays until the driver itself can tell */ }
  describe(): Readonly<Record<string, string>> { return {}; }

  private unavailable(): Unavailable {
    return new Unavailable(`the storage driver ${this.name}, on which this lies, does not work here: ${this.reason}`);
  }
}
