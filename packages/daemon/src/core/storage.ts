import type { Readable } from "node:stream";
import type { SnapshotId } from "./ids.js";

/**
 * Storage drivers: how a layer lies on disk.
 *
 * Glossary. A *snapshot* is one directory (or dataset, or file pair) of a driver. A *committed* snapshot is read-only
 * and holds what one layer changed on top of its parents; a *writable* one belongs to a container. *Parents* are
 * listed nearest first: `parents[0]` is the layer directly below.
 *
 * Life of a layer: `apply(id, parents, tar)` makes and fills the snapshot in one go; when it throws, nothing of `id`
 * remains. Life of a container: `create(id, parents)`, `mounts(…, "rw")`, the caller mounts, uses, unmounts;
 * `remove(id)`. `remove` succeeds when there is nothing to remove.
 *
 * A driver keeps no database: which snapshots are live, and who is whose parent, is the ledger's business. What lies
 * on disk but not in the ledger is garbage, and `list` is how the sweep finds it.
 */
export interface StorageDriver {
  readonly name: string;
  /** Makes an empty writable snapshot. */
  create(id: SnapshotId, parents: readonly SnapshotId[]): Promise<void>;
  /** Where the snapshot's tree is to be seen, and what to mount there (nothing when the tree lies there already). */
  mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan>;
  /** Makes a committed snapshot of an uncompressed layer tar. Every path stays inside the snapshot. */
  apply(id: SnapshotId, parents: readonly SnapshotId[], tar: Readable): Promise<TreeUsage>;
  /** The very bytes that were applied. Errors before its end when they cannot be had. */
  tar(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable>;
  /** What a snapshot changed against its parents, parents before children, sorted by path. */
  changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change>;
  /** The same as a layer tar (whiteouts as the OCI image-spec has them), for writable snapshots. */
  diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable>;
  usage(id: SnapshotId): Promise<TreeUsage>;
  remove(id: SnapshotId): Promise<void>;
  /** Every snapshot on disk, whole or half-made. */
  list(): AsyncIterable<SnapshotId>;
  /** What users see: `GraphDriver.Data` of inspect, and the status lines of `docker info`. */
  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>>;
}

export type MountMode = "ro" | "rw" | "volatile";

export interface MountPlan {
  readonly target: string;
  /** To be mounted on `target` in this order; empty when the tree is there already. */
  readonly mounts: readonly Mount[];
}

/** One mount(2), or one fsopen/fsconfig/fsmount; values of one key may repeat (`lowerdir+`). */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** `["ro"]`, `[["lowerdir", "/a:/b"]]`; flags and key-value pairs. */
  readonly options: readonly (string | readonly [string, string])[];
}

/** `bytes` on disk, and how many inodes. */
export interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}
export const noUsage: Usage = { bytes: 0, inodes: 0 };

/** What a tree takes on disk, and `size`: the sum of its files' lengths (hard links once), as `docker history` and `docker ps -s` count. */
export interface TreeUsage extends Usage {
  readonly size: number;
}

/** The kernel's mounts, as the stores need them: kernel/mount.ts and kernel/mount-table.ts, or a fake in tests. */
export interface Mounter {
  /** Mounts a plan in its order; on error nothing of it stays. */
  mount(plan: MountPlan): Promise<void>;
  /** Mounts a plan for as long as `work` runs, without waiting: for small things on mounts that need no syncing (`volatile`). */
  visit<T>(plan: MountPlan, work: (tree: string) => T): T;
  /** Unmounts everything stacked on `target`. Absent is success. */
  unmount(target: string): Promise<void>;
  /** Mount points at `dir` and below it, deepest first; of mounts stacked on one point each is listed. */
  under(dir: string): readonly string[];
}

/** One changed path, absolute inside the tree. Values of `kind` are Docker's: 0 modified, 1 added, 2 deleted. */
export interface Change {
  readonly path: string;
  readonly kind: 0 | 1 | 2;
}
