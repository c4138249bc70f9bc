import type { Readable } from "node:stream";
import type { ChainId, ImageId, Platform } from "@strata/oci";
import type { WorkerPool } from "../archive/workers/pool.js";
import type { BuildCache, Clock, ImageStore, Layer, LayerStore, Lease, LeaseStore } from "../core/index.js";

/** A directory of the host that a command sees in its tree. */
export interface RunBind {
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
}
export interface RunTmpfs {
  readonly target: string;
  /** Bytes. */
  readonly size?: number;
}
export interface RunRequest {
  readonly image: ImageId;
  readonly command: readonly string[];
  /** Variables besides the image's. */
  readonly env: readonly string[];
  readonly network?: string;
  readonly binds: readonly RunBind[];
  readonly tmpfs: readonly RunTmpfs[];
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /** Told the container's ID before anything runs. */
  started(id: string): void;
  output(text: string): void;
  /** The container is gone. */
  removed(id: string): void;
}

export interface Download {
  readonly body: Readable;
  /** Milliseconds since the epoch, where the server tells. */
  readonly modified?: number;
}

/** What builds need of the rest. */
export interface BuildNeeds {
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly leases: LeaseStore;
  readonly cache: BuildCache;
  readonly clock: Clock;
  readonly workers: WorkerPool;
  readonly hostPlatform: Platform;
  /** Folder for what a build needs while it runs. */
  readonly temporary: string;
}
/** What one build needs. */
export interface BuildHost {
  /** An image, pulled where it is not here or newer ones are wanted. */
  base(reference: string, platform: Platform | undefined): Promise<ImageId>;
  /** Runs a command on an image; what it changed. The error for a status other than 0 names command and status. */
  run(request: RunRequest): Promise<Layer>;
  /** Runs with the tree of layers in sight, which may be written to and is thrown away. */
  tree<T>(top: ChainId | null, lease: Lease, work: (root: string) => Promise<T>): Promise<T>;
  /** `user[:group]`, by the names of a tree. InvalidArgument for one that there is not. */
  owner(root: string, text: string): Promise<{ uid: number; gid: number }>;
  download(url: string, signal: AbortSignal): Promise<Download>;
  /** What is at a path of a tree as a tar, whose names begin with the path's last part. */
  tar(root: string, path: string): Readable;
  /** A directory that stays from build to build. */
  cacheDirectory(id: string): Promise<string>;
  /** A source tree from a git repository as a tar, its `.git` with it if that is wanted. */
  git(url: string, keepGit: boolean, signal: AbortSignal): Promise<Readable>;
}

