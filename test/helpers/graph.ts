import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, mountsBelow } from "./daemon.js";
import { until } from "./run.js";

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

/** Where a storage driver keeps something for each of its snapshots, under its name; and what else may be there. */
const layouts: Readonly<Record<string, { readonly folders: readonly string[]; readonly but?: RegExp; readonly suffix?: RegExp }>> = {
  overlay2: { folders: ["overlay2"], but: /^l$/ },
  erofs: { folders: ["erofs"], but: /^l$/ },
  overlay: { folders: ["overlay"] },
  "fuse-overlayfs": { folders: ["fuse-overlayfs"], but: /^l$/ },
  vfs: { folders: ["vfs/dir", "vfs/split"], suffix: /\.gz$/ },
  aufs: { folders: ["aufs/diff", "aufs/layers", "aufs/mnt", "aufs/.split", "aufs/.work"], suffix: /\.gz$/ },
  btrfs: { folders: ["btrfs/subvolumes", "btrfs/split"], suffix: /\.gz$/ },
  zfs: { folders: ["zfs/graph", "zfs/split"], suffix: /\.gz$/ },
};
const linked = ["overlay2", "fuse-overlayfs"];

/** What a data root holds on disk. */
interface OnDisk {
  /** `driver/name`, sorted. */
  readonly snapshots: readonly string[];
  readonly blobs: readonly string[];
  readonly ingests: readonly string[];
  readonly containers: readonly string[];
  /** `driver/container`. */
  readonly mountIds: readonly string[];
  readonly volumes: readonly string[];
  readonly trash: readonly string[];
  readonly tmp: readonly string[];
  readonly links: readonly string[];
  readonly mounts: readonly string[];
}
function onDisk(daemon: Daemon): OnDisk {
  const at = (...path: string[]): string => join(daemon.dataRoot, ...path);
  const names = (driver: string): string[] => {
    const { folders, but, suffix } = layouts[driver]!;
    return [...new Set(folders.flatMap((folder) => list(at(folder))).filter((name) => !but?.test(name)).map((name) => name.replace(suffix ?? /$^/, "")))].sort();
  };
  return {
    snapshots: Object.keys(layouts).flatMap((driver) => names(driver).map((name) => `${driver}/${name}`)),
    links: linked.flatMap((driver) => list(at(driver, "l")).map((name) => `${driver}/l/${name}`)),
    blobs: list(at("content", "blobs", "sha256")),
    ingests: list(at("content", "ingest")),
    containers: list(at("containers")),
    mountIds: list(at("image")).flatMap((driver) => list(at("image", driver, "layerdb", "mounts")).map((id) => `${driver}/${id}`)),
    volumes: list(at("volumes")),
    trash: list(at("trash")),
    tmp: list(at("tmp")),
    mounts: mountsBelow(daemon.dataRoot),
  };
}

/** A data root from which everything was removed. */
const nothing: OnDisk = { snapshots: [], links: [], blobs: [], ingests: [], containers: [], mountIds: [], volumes: [], trash: [], tmp: [], mounts: [] };

/**
 * Resolves when nothing is left on disk: requests are answered before the last directory has gone from the trash.
 * `butDownloads`: those that broke off may wait to be resumed.
 */
export async function emptied(daemon: Daemon, { butDownloads = false } = {}): Promise<void> {
  const left = (): string => JSON.stringify({ ...onDisk(daemon), ...(butDownloads && { ingests: [] }) }, undefined, 1);
  await until(() => left() === JSON.stringify(nothing, undefined, 1) || undefined, 60_000, () => `an empty data root: ${left()}`);
}

/** Directories that no layer and no container accounts for, and layers without a directory. */
export async function disagreements(daemon: Daemon): Promise<string[]> {
  const disk = onDisk(daemon);
  const layers = (await daemon.api("GET", "/layers")).json as { ChainId: string; Copies: { Driver: string; Snapshot: string }[] }[];
  const containers = (await daemon.api("GET", "/containers/json", { query: { all: 1 } })).json as { Id: string }[];
  const known = new Map<string, string>(layers.flatMap(({ ChainId, Copies }) => Copies.map(({ Driver, Snapshot }) => [`${Driver}/${Snapshot}`, `layer ${ChainId}`] as const)));
  for (const mount of disk.mountIds) {
    const [driver, id] = mount.split("/") as [string, string];
    if (!containers.some(({ Id }) => Id === id)) continue;
    const snapshot = readFileSync(join(daemon.dataRoot, "image", driver, "layerdb", "mounts", id, "mount-id"), "utf8").trim();
    known.set(`${driver}/${snapshot}`, `container ${id}`);
    known.set(`${driver}/${snapshot}-init`, `container ${id}, init layer`);
  }
  const withLinks = disk.snapshots.filter((name) => linked.includes(name.split("/")[0]!));
  return [
    ...disk.snapshots.filter((name) => !known.has(name)).map((name) => `orphan directory ${name}`),
    ...[...known].filter(([name]) => !disk.snapshots.includes(name)).map(([name, owner]) => `${owner}: ${name} is missing`),
    ...disk.containers.filter((id) => !containers.some(({ Id }) => Id === id)).map((id) => `orphan directory containers/${id}`),
    ...disk.mountIds.filter((mount) => !containers.some(({ Id }) => Id === mount.split("/")[1])).map((mount) => `orphan layerdb/mounts of ${mount}`),
    ...disk.trash.map((name) => `left in trash/: ${name}`),
    ...disk.tmp.map((name) => `left in tmp/: ${name}`),
    ...disk.links.length === withLinks.length ? [] : [`${disk.links.length} short links for ${withLinks.length} directories`],
  ];
}
