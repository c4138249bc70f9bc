import type { ImageId } from "@strata/oci";
import type { Usage } from "./storage.js";

/**
 * What the data root holds, each byte in exactly one kind. `layers` are read-only trees, whoever holds them; `containers`
 * are writable layers; `container-files` what lies in a container's own directory but its logs; `directories` the folders
 * of the data root themselves, and the files that are there once; `drivers` what storage drivers need besides snapshots.
 */
export type UsageKind = "layers" | "containers" | "container-files" | "logs" | "volumes" | "blobs" | "ingests" | "tmp" | "trash" | "ledger" | "drivers" | "directories";

/** A measured figure: exact, unless it may have changed since; then it says how old it is. */
export interface Figure extends Usage {
  /** When it was measured; null: not yet, and the figure is 0. */
  readonly measuredAt: number | null;
  /** What was measured may have changed since. */
  readonly stale: boolean;
}

export interface KindUsage extends Usage {
  readonly kind: UsageKind;
  /** How many things: layers, containers, files. */
  readonly count: number;
  /** What would go if everything that nothing needs were removed. */
  readonly reclaimable: number;
  /** The oldest of its figures that may have changed since; undefined: none may. */
  readonly oldest: number | undefined;
  /** Things without a figure: they count as nothing. */
  readonly unmeasured: number;
}

/** Of the layers' bytes, those that images hold. */
export interface ImagesUsage {
  readonly count: number;
  /** Images of containers. */
  readonly active: number;
  readonly bytes: number;
  /** Held by several images; the rest is held by one. */
  readonly shared: number;
  /** Held by images that no container uses, and by nothing else. */
  readonly reclaimable: number;
}
/** Of the layers' bytes, those that records of the build cache hold and no image does. */
export interface BuildCacheUsage {
  readonly count: number;
  readonly bytes: number;
}

export interface ImageOwner {
  readonly id: ImageId;
  /** Full names. */
  readonly names: readonly string[];
  /** Bytes of its layers on disk, and of those that no other image has. */
  readonly bytes: number;
  readonly unique: number;
  readonly containers: number;
  readonly lastUsedAt: number;
}
export interface ContainerOwner {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  /** Its writable layer. */
  readonly layer: Figure;
  readonly files: Figure;
  readonly logs: Figure;
}
export interface VolumeOwner {
  readonly name: string;
  readonly driver: string;
  readonly figure: Figure;
  /** Containers that have it. */
  readonly links: number;
  readonly lastUsedAt: number;
}
export interface BuildRecordOwner {
  readonly key: string;
  readonly description: string;
  /** Of its layer, where no image holds that. */
  readonly bytes: number;
  readonly lastUsedAt: number;
}
export interface Owners {
  readonly images: readonly ImageOwner[];
  readonly containers: readonly ContainerOwner[];
  readonly volumes: readonly VolumeOwner[];
  readonly buildCache: readonly BuildRecordOwner[];
}

/** What the data root occupies, from the ledger: nothing is walked to answer. */
export interface UsageBooks {
  kinds(): Promise<readonly KindUsage[]>;
  images(): ImagesUsage;
  buildCache(): BuildCacheUsage;
  /** The largest of each kind, so many at most; without a limit all. */
  owners(limit?: number): Promise<Owners>;
  /** Measures what may have changed, and comes back when it is in the ledger. */
  refresh(): Promise<void>;
  /** Somebody looks: what is old is measured anew in the background. */
  lookedAt(): void;
}
