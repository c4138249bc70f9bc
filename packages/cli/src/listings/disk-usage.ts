import type { DiskUsage } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { ago, humanSize } from "../format/units.js";

/** One kind of thing that occupies the disk. */
export interface UsageRow {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly bytes: number;
  readonly reclaimable: number;
  /** Whether a share in percent is shown also when there is nothing. */
  readonly percent: boolean;
}

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + Math.max(0, one), 0);
const LIVE = new Set(["running", "paused", "restarting"]);

export function usageRows(usage: DiskUsage): UsageRow[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const cache = (usage.BuildCache ?? []) as readonly CacheRecord[];
  const layers = usage.LayersSize ?? 0;
  const usedImages = images.filter(({ Containers }) => Containers > 0);
  const live = containers.filter(({ State }) => LIVE.has(State));
  const usedVolumes = volumes.filter(({ UsageData }) => (UsageData?.RefCount ?? 0) > 0);
  const written = sum(containers.map(({ SizeRw = 0 }) => SizeRw));
  const held = sum(volumes.map(({ UsageData }) => UsageData?.Size ?? 0));
  const cached = sum(cache.map(({ Size = 0, Shared }) => (Shared === true ? 0 : Size)));
  return [
    row("Images", images.length, usedImages.length, layers, layers - sum(usedImages.map(({ Size, SharedSize }) => (SharedSize < 0 ? 0 : Size - SharedSize)))),
    row("Containers", containers.length, live.length, written, written - sum(live.map(({ SizeRw = 0 }) => SizeRw))),
    row("Local Volumes", volumes.length, usedVolumes.length, held, held - sum(usedVolumes.map(({ UsageData }) => UsageData?.Size ?? 0))),
    row("Build Cache", cache.length, cache.filter(({ InUse }) => InUse === true).length, cached, sum(cache.map(({ Size = 0, InUse, Shared }) => (InUse === true || Shared === true ? 0 : Size))), false),
  ];
}

const row = (type: string, total: number, active: number, bytes: number, reclaimable: number, percent = true): UsageRow => ({ type, total, active, bytes, reclaimable: Math.max(0, reclaimable), percent });

export const usageListing: Listing<UsageRow> = {
  name: "DiskUsage",
  columns: {
    Type: { header: "TYPE", value: ({ type }) => type },
    TotalCount: { header: "TOTAL", value: ({ total }) => String(total) },
    Active: { header: "ACTIVE", value: ({ active }) => String(active) },
    Size: { header: "SIZE", value: ({ bytes }) => humanSize(bytes, 4) },
    Reclaimable: { header: "RECLAIMABLE", value: ({ bytes, reclaimable, percent }) => humanSize(reclaimable, 4) + (percent && bytes > 0 ? ` (${Math.trunc((reclaimable * 100) / bytes)}%)` : "") },
  },
};

/** A record of the build cache, as docker's API has it. */
export interface CacheRecord {
  readonly ID?: string;
  readonly Type?: string;
  readonly Size?: number;
  readonly CreatedAt?: string;
  readonly LastUsedAt?: string | null;
  readonly UsageCount?: number;
  readonly InUse?: boolean;
  readonly Shared?: boolean;
}

export const cacheListing: Listing<CacheRecord> = {
  name: "BuildCache",
  columns: {
    ID: { header: "CACHE ID", value: ({ ID = "", InUse }, { noTrunc }) => (noTrunc ? ID : ID.slice(0, 12)) + (InUse === true ? "*" : "") },
    CacheType: { header: "CACHE TYPE", value: ({ Type = "" }) => Type },
    Size: { header: "SIZE", value: ({ Size = 0 }) => humanSize(Size) },
    CreatedSince: { header: "CREATED", value: ({ CreatedAt }, { now }) => since(CreatedAt, now) },
    LastUsedSince: { header: "LAST USED", value: ({ LastUsedAt }, { now }) => since(LastUsedAt, now) },
    UsageCount: { header: "USAGE", value: ({ UsageCount = 0 }) => String(UsageCount) },
    Shared: { header: "SHARED", value: ({ Shared = false }) => String(Shared) },
  },
};

const since = (time: string | null | undefined, now: number): string => (time ? ago(Date.parse(time) / 1000, now) : "");
