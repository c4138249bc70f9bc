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
  /** Makes an empty writable snapshot, on disk when this returns: the ledger is about to speak of it. InvalidArgument when a limit is asked of a driver that cannot hold to it here. */
  create(id: SnapshotId, parents: readonly SnapshotId[], options?: SnapshotOptions): Promise<void>;
  /**
   * Where the snapshot's tree is to be seen, and what to mount there (nothing when the tree lies there already). What
   * the mount stands on (layers' own mounts, a block device) is made ready, and is held for `id` until `unmounted(id)`.
   * Asking again, after a restart of the daemon too, is harmless.
   */
  mounts(id: SnapshotId, parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan>;
  /** The plan's mounts are gone, or were never made: what was held for them may go. Absent is success. */
  unmounted(id: SnapshotId): Promise<void>;
  /** Makes a committed snapshot of an uncompressed layer tar. Every path stays inside the snapshot. */
  apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage>;
  /** The very bytes that were applied. Errors before its end when they cannot be had. */
  tar(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable>;
  /** What a snapshot changed against its parents, parents before children, sorted by path. */
  changes(id: SnapshotId, parents: readonly SnapshotId[]): AsyncIterable<Change>;
  /** The same as a layer tar (whiteouts as the OCI image-spec has them), for writable snapshots. */
  diff(id: SnapshotId, parents: readonly SnapshotId[]): Promise<Readable>;
  /** What the snapshot takes on disk; `size` is that of what it changed. Nothing where there is nothing. */
  usage(id: SnapshotId, parents: readonly SnapshotId[]): Promise<TreeUsage>;
  /** Lets go of what is held for the snapshot, too. Absent is success. */
  remove(id: SnapshotId): Promise<void>;
  /** Every snapshot on disk, whole or half-made. */
  list(): AsyncIterable<SnapshotId>;
  /** What users see of a snapshot: `GraphDriver.Data` of inspect. */
  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>>;
}

/** A driver as whoever runs the machine sees it. */
export interface StorageControl {
  /** Lines of `docker info`, as they are now. */
  status(): Promise<StatusLines>;
  /** Takes over what of new options can change at once (a pool that grows); what cannot waits for a restart. InvalidArgument, and nothing changed, for a value that makes no sense. */
  reconfigure(options: StorageOptions): Promise<void>;
  /** Resolves when everything removed so far is gone from the disk. */
  drainTrash(): Promise<void>;
  /** What it takes in the data root besides its snapshots: directories, the files of a pool. */
  overhead(): Promise<DriverUsage>;
  /** The daemon stops: what was only kept at hand (mounts that nobody holds) goes. What containers use stays. */
  close(): Promise<void>;
}

/** A look at layers beyond their tars. */
export interface StorageAudit {
  /** Whether a layer whose tar is sound is also shown as the tar says: names, owners, modes, times, attributes. Undefined when it is. */
  audit(id: SnapshotId, parents: readonly SnapshotId[]): Promise<LayerFault | undefined>;
}
export interface LayerFault {
  readonly detail: string;
  /** Makes it right where that can be done in place; without it the layer has to be made anew. */
  readonly mend?: () => Promise<void>;
}
export type AuditedDriver = StorageDriver & StorageAudit;
export type OpenedDriver = AuditedDriver & StorageControl;

export type StatusLines = readonly (readonly [string, string])[];
/** `--storage-opt`: `dm.basesize` → `10G`. */
export type StorageOptions = ReadonlyMap<string, string>;

export interface SnapshotOptions {
  /** Most bytes that the snapshot may hold. */
  readonly size?: number;
}

/** The parents of a layer, nearest first, or the promise of them where they are still being made: a driver may do what does not need them meanwhile. */
export type Parents = readonly SnapshotId[] | Promise<readonly SnapshotId[]>;

/** An uncompressed layer tar: as a stream, or in a file that is read (and unpacked) where the work is done, so that nothing of it passes through the event loop. */
export type LayerSource = Readable | TarFile;

export interface TarFile {
  readonly path: string;
  /** Program with its arguments that unpacks the file from its standard input; null for a plain tar. */
  readonly filter: readonly [program: string, ...args: string[]] | null;
  /** How far a file that is still being written can be read, each time there is more: ends when it is whole and known to be right, throws when it never will be. Null: it is whole. */
  readonly growth: AsyncIterable<number> | null;
  /** Told now and then how many bytes of the file have been read. */
  progress(bytes: number): void;
  /** Told, once the file was read to its end, the SHA-256 (hex) and the length of the uncompressed tar. */
  hashed(sha256: string, length: number): void;
  /** Nobody will read it any more. */
  destroy(): void;
}

export type MountMode = "ro" | "rw" | "volatile";

export interface MountPlan {
  readonly target: string;
  /** To be mounted on `target` in this order; empty when the tree is there already. */
  readonly mounts: readonly Mount[];
  /** Where the tree is then seen, when that is a directory below `target`. */
  readonly tree?: string;
}

/** One mount(2), or one fsopen/fsconfig/fsmount; values of one key may repeat (`lowerdir+`). */
export interface Mount {
  readonly type: string;
  readonly source: string;
  /** `["ro"]`, `[["lowerdir", "/a:/b"]]`; flags and key-value pairs. */
  readonly options: readonly (string | readonly [string, string])[];
  /** A program that mounts in the kernel's place (FUSE): run as `path -o OPTIONS target`, it returns when the tree is there and serves it in the background. */
  readonly helper?: { readonly path: string; readonly env: Readonly<Record<string, string>> };
}

/** `bytes` on disk, and how many inodes. */
export interface Usage {
  readonly bytes: number;
  readonly inodes: number;
}
export const noUsage: Usage = { bytes: 0, inodes: 0 };

/** What a driver takes in the data root besides its snapshots. */
export interface DriverUsage extends Usage {
  readonly name: string;
  /** Its snapshots lie within (in the files of a pool), and not beside it. */
  readonly holdsSnapshots: boolean;
}

/** What a tree takes on disk, and `size`: the sum of its files' lengths (hard links once), as `docker history` and `docker ps -s` count. */
export interface TreeUsage extends Usage {
  readonly size: number;
}

/** The kernel's mounts, as the stores need them: kernel/mount.ts and kernel/mount-table.ts, or a fake in tests. */
export interface Mounter {
  /** Mounts a plan in its order; on error nothing of it stays. */
  mount(plan: MountPlan): Promise<void>;
  /** Mounts a plan for as long as `work` runs: for small things on mounts that need no syncing (`volatile`). */
  visit<T>(plan: MountPlan, work: (tree: string) => T): Promise<T>;
  /** Unmounts everything stacked on `target`. Absent is success. */
  unmount(target: string): Promise<void>;
  /** The mount that holds `path`, symlinks followed: where it is mounted, and whether mounts made on it are seen elsewhere, or come from elsewhere. */
  holding(path: string): { readonly target: string; readonly shared: boolean; readonly slave: boolean };
  /** Mount points at `dir` and below it, deepest first; of mounts stacked on one point each is listed. */
  under(dir: string): Promise<readonly string[]>;
}

/** One changed path, absolute inside the tree. Values of `kind` are Docker's: 0 modified, 1 added, 2 deleted. */
export interface Change {
  readonly path: string;
  readonly kind: 0 | 1 | 2;
}
