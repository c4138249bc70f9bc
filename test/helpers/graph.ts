import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, mountsBelow } from "./daemon.js";
import { until } from "./run.js";

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

/** What an overlay2 data root holds on disk. */
interface OnDisk {
  readonly snapshots: readonly string[];
  readonly blobs: readonly string[];
  readonly ingests: readonly string[];
  readonly containers: readonly string[];
  readonly mountIds: readonly string[];
  readonly volumes: readonly string[];
  readonly trash: readonly string[];
  readonly tmp: readonly string[];
  readonly links: readonly string[];
  readonly mounts: readonly string[];
}
function onDisk(daemon: Daemon): OnDisk {
  const at = (...path: string[]): string => join(daemon.dataRoot, ...path);
  return {
    snapshots: list(at("overlay2")).filter((name) => name !== "l"),
    links: list(at("overlay2", "l")),
    blobs: list(at("content", "blobs", "sha256")),
    ingests: list(at("content", "ingest")),
    containers: list(at("containers")),
    mountIds: list(at("image", "overlay2", "layerdb", "mounts")),
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
  await until(() => left() === JSON.stringify(nothing, undefined, 1) || undefined, 20_000, () => `an empty data root: ${left()}`);
}

/** Directories that no layer and no container accounts for, and layers without a directory. */
export async function disagreements(daemon: Daemon): Promise<string[]> {
  const disk = onDisk(daemon);
  const layers = (await daemon.api("GET", "/layers")).json as { ChainId: string; Snapshot: string }[];
  const containers = (await daemon.api("GET", "/containers/json", { query: { all: 1 } })).json as { Id: string }[];
  const known = new Map(layers.map(({ ChainId, Snapshot }) => [Snapshot, `layer ${ChainId}`]));
  for (const { Id } of containers) {
    const file = join(daemon.dataRoot, "image", "overlay2", "layerdb", "mounts", Id, "mount-id");
    if (!existsSync(file)) continue;
    const snapshot = readFileSync(file, "utf8").trim();
    known.set(snapshot, `container ${Id}`);
    known.set(`${snapshot}-init`, `container ${Id}, init layer`);
  }
  return [
    ...disk.snapshots.filter((name) => !known.has(name)).map((name) => `orphan directory overlay2/${name}`),
    ...[...known].filter(([name]) => !disk.snapshots.includes(name)).map(([name, owner]) => `${owner}: overlay2/${name} is missing`),
    ...disk.containers.filter((id) => !containers.some(({ Id }) => Id === id)).map((id) => `orphan directory containers/${id}`),
    ...disk.mountIds.filter((id) => !containers.some(({ Id }) => Id === id)).map((id) => `orphan layerdb/mounts/${id}`),
    ...disk.trash.map((name) => `left in trash/: ${name}`),
    ...disk.tmp.map((name) => `left in tmp/: ${name}`),
    ...disk.links.length === disk.snapshots.length ? [] : [`${disk.links.length} short links for ${disk.snapshots.length} directories`],
  ];
}
