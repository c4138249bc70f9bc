import type { ChainId, Digest, ImageId } from "@strata/oci";
import type { GcSettings } from "./gc-policies.js";

/** What a plan can take away. */
export type ItemKind = "image" | "container" | "volume" | "network" | "build-record" | "build-mount" | "log";
/** Who wanted it. */
export type Trigger = "manual" | "schedule" | "watermark" | "no-space" | "ceiling" | "prune";

export interface PlanItem {
  readonly kind: ItemKind;
  readonly key: string;
  readonly name: string;
  /** What the disk regains by it, as far as the ledger knows: shared bytes count with the last that holds them. */
  readonly bytes: number;
  readonly reason: string;
  readonly policy: string;
  /** Room is wanted now: it cannot be brought back. */
  readonly final: boolean;
  /** What it was when the plan was made: a use, another name, another end since then keep it. */
  readonly basis: { readonly lastUsedAt: number; readonly names: readonly string[] };
}
/** What keeps a policy from its target. */
export interface Holder { readonly name: string; readonly bytes: number; readonly why: string }
export interface Shortfall {
  readonly policy: string;
  /** What was to be reached, in words. */
  readonly target: string;
  readonly missingBytes: number;
  /** Largest first. */
  readonly holders: readonly Holder[];
}
export interface GcPlan {
  readonly id: string;
  readonly createdAt: number;
  readonly trigger: Trigger;
  /** Names of the policies that took part. */
  readonly policies: readonly string[];
  readonly items: readonly PlanItem[];
  readonly bytes: number;
  readonly shortfalls: readonly Shortfall[];
}

export type Outcome = "freed" | "trashed" | "kept" | "gone" | "restored";
export interface RunItem extends Omit<PlanItem, "basis" | "final"> {
  readonly outcome: Outcome;
  /** Bytes that the disk regained. */
  readonly freed: number;
  /** Why it was kept. */
  readonly why?: string;
}
export interface GcRun {
  readonly id: string;
  /** Null for prunes: they do at once what they find. */
  readonly plan: string | null;
  readonly trigger: Trigger;
  readonly policies: readonly string[];
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly state: "running" | "done" | "failed" | "interrupted";
  readonly error?: string;
  /** Until when its images can be brought back; null when there is nothing to bring back. */
  readonly undoUntil: number | null;
  /** Bytes free on the file system before and after; null where nobody looked. */
  readonly disk: { readonly before: number; readonly after: number | null } | null;
  readonly shortfalls: readonly Shortfall[];
}
export interface GcRunView extends GcRun {
  readonly items: readonly RunItem[];
  readonly freed: number;
  /** Held until they expire. */
  readonly trashed: number;
}

/** Plans and runs, and the policies that were set over the API. */
export interface GcRecords {
  /** Keeps the last ones. */
  addPlan(plan: GcPlan): void;
  /** NotFound when it is unknown, or no longer kept. */
  plan(id: string): GcPlan;
  /** The last one that was made. */
  latestPlan(): GcPlan | undefined;
  /** Stores a run, new or changed. Keeps the last ones. */
  putRun(run: GcRun): void;
  putItem(run: string, position: number, item: RunItem): void;
  item(run: string, position: number): RunItem | undefined;
  /** By ID or an unambiguous beginning of it. */
  run(id: string): GcRunView;
  /** Newest first, without their items. */
  runs(): GcRunView[];
  /** What of these runs could be brought back has gone, or is back. */
  expired(runs: readonly string[]): void;
  /** Start-up: what ran in a former process runs no more. */
  interrupt(now: number): string[];
  settings(): GcSettings["given"] | undefined;
  setSettings(given: GcSettings["given"] | null): void;
}

/** What stands by the name of an image that policies must leave. */
export interface Pins {
  /** Full names. NotFound when no image has that name. */
  pin(name: string): void;
  /** False when it was not pinned. */
  unpin(name: string): boolean;
  list(): ReadonlySet<string>;
}

/** Images that a run took away and that can be brought back; their layers and manifests stay meanwhile. */
export interface TrashedImage {
  readonly id: ImageId;
  readonly run: string;
  readonly position: number;
  readonly config: Buffer;
  readonly parent: ImageId | null;
  readonly names: readonly string[];
  readonly manifests: readonly Digest[];
  readonly bytes: number;
  readonly expiresAt: number;
}
export interface TrashedImages {
  /** Within the transaction that removes the image. A former one of that ID gives way. */
  keep(image: TrashedImage, top: ChainId | null): void;
  /** The next to expire first. */
  list(): TrashedImage[];
  get(id: ImageId): TrashedImage | undefined;
  /** When the next one expires. */
  next(): number | undefined;
  remove(ids: readonly ImageId[]): void;
}

export interface HeldLayer {
  readonly chain: ChainId;
  /** On disk, with packed forms that are kept. */
  readonly bytes: number;
  readonly inodes: number;
  /** How many images hold it. */
  readonly images: number;
}
/** A layer below a build record or an image in the trash. */
export interface HeldLine extends HeldLayer { readonly holder: string; readonly kind: "build-record" | "trashed-image" }
/** Who shares what, for plans. */
export interface LayerShares {
  ofImage(id: ImageId): HeldLayer[];
  /** Bytes of manifests that no other image has. */
  manifestBytes(id: ImageId): number;
  /** Every layer below every build record, and below every image in the trash. */
  lines(): HeldLine[];
  /** When a volume or a network was last taken or left by a container. */
  lastUse(kind: "volume" | "network"): ReadonlyMap<string, number>;
  /** Whether work under way stands on it: a build, a pull, a commit. */
  isHeld(id: ImageId): boolean;
  /** Every image of which that is so. */
  heldImages(): ReadonlySet<string>;
  /** Bytes of all layers. */
  total(): number;
}

/** Logs of containers that are no longer written to: rotated ones. */
export interface RotatedLog {
  readonly container: string;
  /** Below the container's directory. */
  readonly file: string;
  readonly bytes: number;
  readonly writtenAt: number;
}
export interface RotatedLogs {
  list(containers: readonly string[]): Promise<RotatedLog[]>;
  /** What it took; 0 when it was gone. */
  remove(container: string, file: string): Promise<number>;
}

/** Of the data root's file system, as df counts: what is kept for root is neither used nor free. */
export interface DiskState { readonly used: number; readonly free: number; readonly inodes: number; readonly inodesFree: number }
export interface DiskGauge { read(): Promise<DiskState> }

/** Room on the data root's file system for what is about to be written. */
export interface RoomKeeper {
  /**
   * Makes room where policies let it for what is still to be written, in bytes: asked again whenever others want room, so
   * that what is written by then does not count twice. Call the result when all of it is, or will not be.
   */
  reserve(bytes: () => number): Promise<() => void>;
  /** A write failed for want of room: whether something went, so that another try makes sense. */
  exhausted(bytes: number): Promise<boolean>;
}

/** The same for work that cannot be tried again from where it failed. */
export interface WorkRoom {
  /** As RoomKeeper's; how much is asked for only where policies could make room. */
  reserve(bytes: () => number | Promise<number>): Promise<() => void>;
  /** What ended the work: where that was a full disk, room is made for the next attempt. */
  failed(cause: unknown): void;
}

/** Prunes are runs, too. */
export interface PruneJournal {
  pruned(what: string, items: readonly Pick<PlanItem, "kind" | "key" | "name" | "bytes">[]): void;
}

/** Whether anything that led to this says that the disk is full. */
export function isNoSpace(e: unknown): boolean {
  for (let at: unknown = e, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth++) {
    if ((at as NodeJS.ErrnoException).code === "ENOSPC" || (at as NodeJS.ErrnoException).code === "SQLITE_FULL" || /\bENOSPC\b|no space left on device/i.test(at.message)) return true;
  }
  return false;
}
