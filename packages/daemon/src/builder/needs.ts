import type { Readable } from "node:stream";
import type { ChainId, ImageId, Platform } from "@strata/oci";
import type { WorkerPool } from "../archive/workers/pool.js";
import type { BuildCache, Clock, ImageStore, Layer, LayerStore, Lease, LeaseStore } from "../core/index.js";
import type { StageOutput } from "./output.js";

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
/** A directory that stays from build to build. Owner and mode are those of one that is new. */
export interface RunCache {
  readonly id: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly sharing: "shared" | "private" | "locked";
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}
/** A file that only the command sees. */
export interface RunSecret {
  readonly content: Buffer;
  readonly target: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** The variable that has its text, too. */
  readonly env?: string;
}
export interface RunRequest {
  readonly image: ImageId;
  readonly command: readonly string[];
  /** Variables besides the image's. */
  readonly env: readonly string[];
  readonly network?: string;
  readonly binds: readonly RunBind[];
  readonly tmpfs: readonly RunTmpfs[];
  readonly caches: readonly RunCache[];
  readonly secrets: readonly RunSecret[];
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly output: StageOutput;
  /** Told the container's ID before anything runs. */
  started(id: string): void;
  /** The container is gone. */
  removed(id: string): void;
}

export interface Download {
  readonly body: Readable;
  /** Milliseconds since the epoch, where the server tells. */
  readonly modified?: number;
  /** The file's name, where the server tells. */
  readonly filename?: string;
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
  /** Bytes that a context, or an archive in it, may have when it is unpacked. */
  largestSource(): number;
}
/** What one build needs. */
export interface BuildHost {
  /** What the client sent for commands' eyes only, by its ID. */
  readonly secrets: ReadonlyMap<string, Buffer>;
  /** Sockets of ssh agents on this machine, by ID. */
  readonly agents: ReadonlyMap<string, string>;
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
  /** Runs with a source tree of a git repository as a tar, its `.git` with it if that is wanted. */
  git<T>(url: string, keepGit: boolean, signal: AbortSignal, work: (tar: Readable) => Promise<T>): Promise<T>;
}
