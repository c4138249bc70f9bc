import type { ChainId } from "@strata/oci";
import type { Usage } from "./storage.js";

/** What one step of a build made, to be taken instead of doing it again. */
export interface BuildRecord {
  /** Digest (hex) of all that the step depends on. */
  readonly key: string;
  /** Of the step before. */
  readonly parent: string | null;
  /** Configuration of the image that the step made. */
  readonly config: Buffer;
  readonly top: ChainId | null;
  /** The instruction. */
  readonly description: string;
  /** Bytes of the layer that it made, as `docker history` counts; 0 where it made none. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly uses: number;
}
/** A record in a list, with what else holds its layer. */
export interface BuildRecordView extends Omit<BuildRecord, "config"> {
  /** An image holds its top layer, too: removing the record frees nothing. */
  readonly shared: boolean;
}

/** A directory that RUN keeps from build to build (`--mount=type=cache`): a volume. */
export interface CacheMount {
  readonly volume: string;
  /** What the Dockerfile calls it. */
  readonly id: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly uses: number;
  /** A command has it mounted. */
  readonly inUse: boolean;
  /** What it takes on disk; null where nobody has looked since it changed. */
  readonly usage: Usage | null;
}
export interface CacheMounts {
  /** Counts a use. The volume is there. */
  used(volume: string, id: string): void;
  /** The use is over: that is when it was last used. */
  left(volume: string): void;
  mounts(): CacheMount[];
}

/** Cache mounts as whoever removes them sees them: those of builds under way are in use. */
export interface CacheMountKeeper {
  mounts(): CacheMount[];
  /** False for one that came into use meanwhile. */
  remove(volume: string): Promise<boolean>;
}

/** What a build cache holds, one entry of it: a step's record or a cache mount. */
export interface BuildCacheView extends Pick<BuildRecord, "key" | "parent" | "description" | "size" | "createdAt" | "lastUsedAt" | "uses"> {
  readonly type: "regular" | "exec.cachemount";
  readonly shared: boolean;
  readonly inUse: boolean;
}

/** Records of steps; they keep their layers alive. */
export interface BuildCache {
  /** The record of a key; with `use` this counts as a use. */
  find(key: string, use?: boolean): BuildRecord | undefined;
  /** Takes the place of an older record of the key. NotFound when the layer is not registered. */
  record(step: Omit<BuildRecord, "createdAt" | "lastUsedAt" | "uses">): void;
  /** Least recently used first. What has not changed is the same object as in the last list. */
  list(): readonly BuildRecordView[];
  /** Forgets records; the collector takes what nothing else holds. */
  remove(keys: readonly string[]): void;
}

/** Names of containers that builds run in, so that none outlives a crash. */
export interface BuildContainers {
  /** Before the container is made. */
  announce(name: string): void;
  forget(name: string): void;
  announced(): string[];
}
