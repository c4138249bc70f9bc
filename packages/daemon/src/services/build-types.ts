import type { Readable } from "node:stream";
import type { ImageId, Platform } from "@strata/oci";
import type { BuildCacheView, HostConfig } from "../core/index.js";
import type { Filters, ProgressSink, RegistryAuth } from "./types.js";

export interface BuildRequest {
  /** A tar, compressed or not; null with `remote`. */
  readonly context: Readable | null;
  /** URL of a tar, of a Dockerfile or of a git repository (`url#ref:directory`). */
  readonly remote?: string;
  /** Path in the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** Null: the argument has no value. */
  readonly args: ReadonlyMap<string, string | null>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly platform?: Platform;
  readonly noCache: boolean;
  /** Images whose steps may be taken, as far as they are here, and `type=registry,ref=…`; none: every step that is known. */
  readonly cacheFrom: readonly string[];
  /** Where the cache of this build is left: `type=registry,ref=…`, `type=image,ref=…`, `type=inline`. */
  readonly cacheTo: readonly string[];
  /** What commands may see by `--mount=type=secret`, by ID. Nothing of it is kept. */
  readonly secrets: ReadonlyMap<string, Buffer>;
  /** Sockets of ssh agents on this machine, by ID. */
  readonly agents: ReadonlyMap<string, string>;
  /** Look for newer base images. */
  readonly pull: boolean;
  /** Only the image's ID is told. */
  readonly quiet: boolean;
  /** Remove the containers of steps that succeeded, and of those that failed. */
  readonly remove: boolean;
  readonly forceRemove: boolean;
  /** Put the new layers together as one. */
  readonly squash: boolean;
  /** Network mode of RUN. */
  readonly network?: string;
  /** Limits and more of RUN's containers. */
  readonly hostConfig: HostConfig;
  /** By registry. */
  readonly auth: ReadonlyMap<string, RegistryAuth>;
}

/** Who is told how a build goes. */
export interface BuildListener {
  readonly progress: ProgressSink;
  /** Whether it has room for more; commands that say much wait for `drained` where it has not. */
  ready(): boolean;
  drained(): Promise<void>;
  readonly signal: AbortSignal;
}

export interface BuildService {
  /** Errors before anything was told are the request's; a step that fails ends with its instruction's line in the message. */
  build(request: BuildRequest, options: BuildListener): Promise<ImageId>;
  records(): Promise<BuildCacheView[]>;
  /** Forgets records that match the filters, least recently used first: those whose layer no image has, or `all`; with `keep` only until so many bytes are left. */
  prune(options: { filters: Filters; all: boolean; keep?: number }): Promise<{ removed: string[]; bytes: number }>;
}
