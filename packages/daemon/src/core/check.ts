import type { ImageId } from "@strata/oci";

/** What a finding is about; `id` names it among its kind. */
export type FindingKind = "layer" | "snapshot" | "blob" | "ingest" | "container" | "volume" | "mount" | "namespace" | "interface" | "rule" | "bundle" | "runtime" | "monitor" | "file" | "ledger";
/**
 * `orphan`: there, and in no table. `missing`: in a table, and not there. `corrupt`: there, and not what it should be.
 * `inconsistent`: rows that contradict each other.
 */
export type Problem = "orphan" | "missing" | "corrupt" | "inconsistent";

/** One thing that a check found. */
export interface Finding {
  readonly kind: FindingKind;
  readonly id: string;
  readonly problem: Problem;
  /** For people: where it lies and what is wrong with it. */
  readonly detail: string;
  /** Images that suffer from it. */
  readonly images: readonly ImageId[];
}

/** A finding with what would mend it, where that is known to whoever found it. */
export interface Found extends Finding {
  /** True when all is well afterwards. Looks again before it removes anything. */
  readonly mend?: () => Promise<boolean>;
  /** Whether all is well by now: for what somebody else mends, who has what is missing. */
  readonly mended?: () => Promise<boolean>;
}
/** How far an inspection has come. */
export interface Counted {
  readonly current: number;
  readonly total: number;
}

/** What an inspection may ask of whoever runs it. */
export interface Inspection {
  /** Bytes are read and hashed, not only sizes compared. */
  readonly deep: boolean;
  readonly signal: AbortSignal;
  /** So much was read: waits where that was too fast. Rejects once the signal has aborted. */
  readonly read: (bytes: number) => Promise<void>;
  /** Says what could not be looked at, and why. */
  readonly note: (text: string) => void;
}

/**
 * One part of a check. It runs while the daemon works, and finds nothing that is only being made or removed: rows come
 * before what is on disk and go before it goes, so what was listed and has no row afterwards is an orphan, unless its
 * removal is under way; what has a row before and after and was not listed is missing.
 */
export interface Inspector {
  /** What it looks at, in a word or two. */
  readonly about: string;
  inspect(how: Inspection): AsyncIterable<Found | Counted>;
}

/** A check that is over, as the ledger keeps it. */
export interface CheckRun {
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly deep: boolean;
  readonly repair: boolean;
  /** By the schedule, not by a request. */
  readonly scheduled: boolean;
  /** How many findings there were, and how many of them were mended. */
  readonly found: number;
  readonly repaired: number;
  readonly findings: readonly (Finding & { readonly repaired: boolean })[];
  /** Parts that could not be looked at, each with the reason. */
  readonly unchecked: readonly string[];
}

export interface CheckRuns {
  add(run: CheckRun): void;
  /** The latest first. */
  list(): readonly CheckRun[];
}
