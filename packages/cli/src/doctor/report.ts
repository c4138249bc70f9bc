import type { BuildCacheReport } from "./buildkit.js";
import type { ContainerReport } from "./containers.js";
import type { ImageReport } from "./images.js";
import type { LayerReport } from "./layers.js";
import type { Use } from "./use.js";
import type { VolumeReport } from "./volumes.js";

/** What is wrong: the first six hold bytes that nobody needs, the others miss something. */
export type FindingKind =
  | "orphan-directory" | "orphan-layer" | "orphan-writable" | "unfinished-layer" | "unfinished-removal" | "dangling-link"
  | "missing-directory" | "missing-link" | "missing-layer" | "missing-image" | "missing-writable" | "missing-volume" | "damaged-layer" | "damaged-image" | "damaged-container";

/** `certain`: nothing refers to it. `maybe-in-progress`: a daemon works with the root and may just be making it. `unsure`: it is not known what it is. */
export type Certainty = "certain" | "maybe-in-progress" | "unsure";

export interface Finding {
  readonly kind: FindingKind;
  /** Below the root. */
  readonly path: string;
  readonly why: string;
  readonly certainty: Certainty;
  /** On disk, of all that would go with it. */
  readonly bytes: number;
  /** Paths below the root whose removal is the cure; none where nothing is to be removed. */
  readonly remove: readonly string[];
}

/** Each byte of the root counts in exactly one of them. */
export interface Totals {
  readonly imageLayers: number;
  readonly writableLayers: number;
  readonly buildCache: number;
  readonly volumes: number;
  readonly logs: number;
  readonly unreferenced: number;
  readonly maybeInProgress: number;
  readonly other: number;
  readonly all: number;
}

export interface DriverReport {
  readonly name: string;
  /** Whether its directories were looked at one by one; else why not. */
  readonly examined: boolean;
  readonly note: string;
  /** Whether removing a directory is all that it takes to remove a layer. */
  readonly plain: boolean;
  readonly images: readonly ImageReport[];
  readonly layers: readonly LayerReport[];
}

/** Everything that an examination found. Sizes are bytes on disk unless a name says otherwise. */
export interface Report {
  readonly root: string;
  readonly use: Use;
  readonly drivers: readonly DriverReport[];
  readonly containers: readonly ContainerReport[];
  readonly volumes: readonly VolumeReport[];
  readonly buildCache: BuildCacheReport;
  readonly findings: readonly Finding[];
  readonly totals: Totals;
  readonly notes: readonly string[];
  /** Of the names that say what refers to what: a script that was made for one state refuses another. */
  readonly fingerprint: { readonly directories: readonly string[]; readonly files: readonly string[]; readonly sha256: string };
}
