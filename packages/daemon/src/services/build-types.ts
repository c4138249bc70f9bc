import type { Readable } from "node:stream";
import type { ImageId, Platform } from "@strata/oci";
import type { BuildRecordView, HostConfig } from "../core/index.js";
import type { Filters, ProgressSink, RegistryAuth } from "./types.js";

export interface BuildRequest {
  /** A tar, compressed or not; null with `remote`. */
  readonly context: Readable | null;
  /** URL of a tar or of a Dockerfile. */
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
  /** Images whose steps may be taken, as far as they are here; none: every step that is known. */
  readonly cacheFrom: readonly string[];
  /** Look for newer base images. */
  readonly pull: boolean;
  /** Only the image's ID is told. */
  readonly quiet: boolean;
  /** Remove the containers of steps that succeeded, and of those that failed. */
  readonly remove: boolean;
  readonly forceRemove: boolean;
  readonly squash: boolean;
  /** Network mode of RUN. */
  readonly network?: string;
  /** Limits and more of RUN's containers. */
  readonly hostConfig: HostConfig;
  /** By registry. */
  readonly auth: ReadonlyMap<string, RegistryAuth>;
}

export interface BuildService {
  /** Errors before anything was told are the request's; a step that fails ends with its instruction's line in the message. */
  build(request: BuildRequest, options: { progress: ProgressSink; signal: AbortSignal }): Promise<ImageId>;
  records(): BuildRecordView[];
  /** Forgets records that match the filters, least recently used first: those whose layer no image has, or `all`; with `keep` only until so many bytes are left. */
  prune(options: { filters: Filters; all: boolean; keep?: number }): Promise<{ removed: string[]; bytes: number }>;
}
