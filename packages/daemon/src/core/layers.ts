import type { Readable } from "node:stream";
import type { ChainId, DiffId, ImageId } from "@strata/oci";
import type { Lease } from "./leases.js";
import type { SnapshotId } from "./ids.js";
import type { Change, TarFile, TreeUsage, Usage } from "./storage.js";

/** A committed, read-only layer on its chain. */
export interface Layer {
  readonly chainId: ChainId;
  readonly diffId: DiffId;
  readonly parent: ChainId | null;
  readonly driver: string;
  readonly snapshot: SnapshotId;
  /** Sum of the file sizes in the tar: what `docker history` and image sizes count. */
  readonly size: number;
  /** Length of its uncompressed tar in bytes: `docker save` writes it before the tar. */
  readonly tarSize: number;
  /** Bytes and inodes on disk. */
  readonly usage: Usage;
  readonly createdAt: number;
}

/** One place where a layer lies. */
export interface LayerCopy {
  readonly driver: string;
  readonly snapshot: SnapshotId;
  readonly usage: Usage;
}

/** A layer with all that refers to it: one SQL statement for the whole list. */
export interface LayerSummary extends Layer {
  /** When it, or an image that holds it, was last used. */
  readonly lastUsedAt: number;
  /** Wherever it lies, the preferred one (`driver`, `snapshot`) first. */
  readonly copies: readonly LayerCopy[];
  /** Images that hold it, and those of them that end with it. */
  readonly images: readonly ImageId[];
  readonly topOf: readonly ImageId[];
  /** Containers of those images. */
  readonly containers: number;
}

export interface LayerStore {
  /**
   * Applies an uncompressed tar on top of `parent`; its diff ID is computed while it streams. An equal chain that
   * exists already is success: the stream is still read to its end and verified. One that is known to be damaged is replaced. On error
   * nothing is left behind.
   */
  register(tar: Readable | PackedFile, parent: ChainId | null, lease: Lease, coming?: ComingParent): Promise<Layer>;
  /** NotFound when absent. */
  get(id: ChainId): Layer;
  /** Whether it lies where it can be used now, and is not known to be damaged. */
  has(id: ChainId): boolean;
  /** Reads a layer to its end. DataLoss when it is not what its diff ID says; that is then known. */
  check(id: ChainId): Promise<void>;
  /** With `prefix` those whose chain ID begins with it. */
  list(options?: { prefix?: string }): Iterable<LayerSummary>;
  /** Sizes of all layers, each counted once. */
  totalSize(): number;
  /** Makes the init and the writable snapshot of a container. `init` lists what must exist as mount points. */
  createWritable(owner: string, parent: ChainId | null, lease: Lease, options?: WritableOptions): Promise<void>;
  /** Mounts once and counts; the mount goes with the last release. A mount that outlived the daemon is taken over. */
  mount(owner: string): Promise<Mounted>;
  changes(owner: string): AsyncIterable<Change>;
  /** Exact bytes of a layer (verified against its diff ID), or a layer tar of what a container changed. */
  tar(source: ChainId | { readonly owner: string }): Promise<Readable>;
  /** Size of what the container changed. */
  usage(owner: string): Promise<TreeUsage>;
  /** These sizes (as `usage`, by owner) where nothing can have changed since they were measured. */
  settledSizes(): ReadonlyMap<string, number>;
  /** Unmounts and forgets the writable snapshot; the directory goes to the trash. Absent is success. */
  release(owner: string): Promise<void>;
  /** GraphDriver of inspect. */
  describe(source: ChainId | { readonly owner: string }): { name: string; data: Readonly<Record<string, string>> };
}

export interface WritableOptions {
  /** Bytes, where the driver can limit; refused where it cannot. */
  readonly size?: number;
  /** A throw-away container: its mount need not reach the disk. */
  readonly volatile?: boolean;
  /** Only what the image has: no mount points are made for a runtime. */
  readonly bare?: boolean;
}

/** The parent of a layer that is registered is still being registered itself. */
export interface ComingParent {
  /** Resolves when it is there. */
  readonly registered: Promise<unknown>;
  /** The nearest layer below it that is there already: what stands on it goes where it lies. */
  readonly on: ChainId | null;
}

/** A layer tar in a file, with what unpacks it: as `TarFile`. */
export type PackedFile = Pick<TarFile, "path" | "filter" | "growth" | "progress">;

/** A tree that is mounted for as long as it is held. */
export interface Mounted {
  readonly path: string;
  release(): Promise<void>;
}
