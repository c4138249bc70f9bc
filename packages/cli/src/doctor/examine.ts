import { createHash } from "node:crypto";
import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { CliError, messageOf } from "../cli.js";
import { type BuildCache, readBuildCache } from "./buildkit.js";
import { type Container, type ContainerReport, readContainers } from "./containers.js";
import { layoutOf, noteOf } from "./directories.js";
import { DriverExamination } from "./driver.js";
import { RootReader } from "./files.js";
import type { ImageReport } from "./images.js";
import type { LayerReport } from "./layers.js";
import { mountPointsBelow, Sizes } from "./measure.js";
import { notesOf } from "./notes.js";
import type { DriverReport, Finding, Report, Totals } from "./report.js";
import { findUse } from "./use.js";
import { readVolumes, type VolumeReport } from "./volumes.js";

/** Examines a Docker data root. Nothing is written, mounted or locked. */
export function examine(directory: string): Report {
  const root = findRoot(directory), reader = new RootReader(root);
  // Before the sizes: what a daemon makes from now on is younger than it.
  const use = findUse(root);
  const buildCache = readBuildCache(reader);
  const sizes = new Sizes(root, mountPointsBelow(root));
  const containers = readContainers(reader, sizes);
  const volumes = readVolumes(reader, sizes, containers);
  const drivers = reader.names("image").map((driver) => new DriverExamination(driver, layoutOf(driver), { reader, sizes, use, buildCache, containers }));
  const findings = [...drivers.flatMap((driver) => driver.findings), ...othersFindings(containers, volumes)];
  const totals = totalsOf(drivers, sizes, containers, findings, buildCache);
  return {
    root, use, findings, totals, volumes, drivers: drivers.map((driver) => driverReport(driver)), containers: containers.map((container) => containerReport(container, drivers)),
    buildCache: { bytes: totals.buildCache, snapshots: buildCache.snapshots, database: buildCache.database }, notes: notesOf(reader, sizes), fingerprint: fingerprintOf(reader, drivers),
  };
}

function findRoot(directory: string): string {
  let root: string;
  try {
    root = realpathSync(directory);
  } catch (cause) {
    throw new CliError(`--docker-root: ${messageOf(cause)}`, 1, { cause });
  }
  const reader = new RootReader(root), names = new Set(reader.names(""));
  if (reader.unreadable.length > 0) throw new CliError(`--docker-root: ${root} cannot be read; examine it as root`);
  if (names.has("strata.db")) throw new CliError(`--docker-root: ${root} is a data root of Strata's, not of Docker's`);
  if (!names.has("image") && !(names.has("containers") && names.has("volumes"))) throw new CliError(`--docker-root: ${root} is not a data root of Docker's: it has neither images nor containers and volumes`);
  return root;
}

function othersFindings(containers: readonly Container[], volumes: readonly VolumeReport[]): Finding[] {
  const known = new Set(volumes.map(({ name }) => name));
  const broken = (kind: Finding["kind"], id: string, why: string): Finding => ({ kind, path: `containers/${id}`, why, certainty: "certain", bytes: 0, remove: [] });
  return containers.flatMap((container) => [
    ...(container.readable ? [] : [broken("damaged-container", container.id, "its configuration cannot be read")]),
    ...container.volumes.filter((name) => !known.has(name)).map((name) => broken("missing-volume", container.id, `container ${container.name} has volume ${name}, which is not there`)),
  ]);
}

function driverReport(driver: DriverExamination): DriverReport {
  return { name: driver.driver, examined: driver.layout !== undefined, note: noteOf(driver.driver), plain: driver.layout?.plain ?? false, images: imageReports(driver), layers: layerReports(driver) };
}

function layerReports(driver: DriverExamination): LayerReport[] {
  return [...driver.db.layers.values()].map(({ chain, diff, parent, cacheId, size }) => {
    const holders = driver.holders(chain);
    return { chainId: chain, diffId: diff, parent, directory: cacheId, size, bytes: driver.bytesOf(cacheId), images: holders?.images.size ?? 0, containers: holders?.containers.size ?? 0, buildCache: holders?.buildCache ?? false };
  });
}

function imageReports(driver: DriverExamination): ImageReport[] {
  const containersOn = new Map<string | null, number>();
  for (const { parent } of driver.writables()) containersOn.set(parent, (containersOn.get(parent) ?? 0) + 1);
  return driver.images.map(({ id, tags, created, chains }) => {
    const layers = chains.map((chain) => driver.db.layers.get(chain));
    const own = layers.filter((layer) => layer !== undefined && driver.holders(layer.chain)?.images.size === 1);
    return {
      id, tags, created, layers: chains.length, size: layers.reduce((sum, layer) => sum + (layer?.size ?? 0), 0), unique: own.reduce((sum, layer) => sum + driver.bytesOf(layer!.cacheId), 0),
      containers: containersOn.get(chains.at(-1) ?? null) ?? 0, missing: layers.filter((layer) => layer === undefined).length,
    };
  });
}

function containerReport({ id, name, image, running, volumes, logs }: Container, drivers: readonly DriverExamination[]): ContainerReport {
  const writable = drivers.reduce((sum, driver) => sum + writableBytes(driver, id), 0);
  return { id, name, image, running, writable, logs: logs.reduce((sum, { bytes }) => sum + bytes, 0), logFiles: logs, volumes };
}

function writableBytes(driver: DriverExamination, owner: string): number {
  const writable = driver.db.writables.get(owner);
  return writable === undefined ? 0 : driver.bytesOf(writable.mountId) + driver.bytesOf(writable.initId);
}

function totalsOf(drivers: readonly DriverExamination[], sizes: Sizes, containers: readonly Container[], findings: readonly Finding[], buildCache: BuildCache): Totals {
  let imageLayers = 0, writableLayers = 0, cached = sizes.bytes("buildkit");
  for (const driver of drivers) {
    const counted = new Set<string>();
    for (const { chain, cacheId } of driver.db.layers.values()) {
      const holders = driver.holders(chain);
      if (holders === undefined) continue;
      counted.add(cacheId);
      if (holders.images.size + holders.containers.size > 0) imageLayers += driver.bytesOf(cacheId);
      else cached += driver.bytesOf(cacheId);
    }
    for (const { owner } of driver.writables()) writableLayers += writableBytes(driver, owner);
    for (const id of buildCache.directories) if (!counted.has(id)) cached += driver.bytesOf(id);
  }
  const logs = containers.reduce((sum, container) => sum + container.logs.reduce((bytes, log) => bytes + log.bytes, 0), 0);
  const loose = (young: boolean): number => findings.filter(({ certainty }) => (certainty === "maybe-in-progress") === young).reduce((sum, { bytes }) => sum + bytes, 0);
  const parts = { imageLayers, writableLayers, buildCache: cached, volumes: sizes.bytes("volumes"), logs, unreferenced: loose(false), maybeInProgress: loose(true) };
  const all = sizes.bytes("");
  return { ...parts, other: all - Object.values(parts).reduce((sum, bytes) => sum + bytes, 0), all };
}

/** A hash of the names that say what is there and what refers to it. The script computes the same with ls and sha256sum. */
function fingerprintOf(reader: RootReader, drivers: readonly DriverExamination[]): Report["fingerprint"] {
  const directories = ["containers", ...drivers.flatMap(({ driver, layout }) => [`image/${driver}/imagedb/content/sha256`, `image/${driver}/layerdb/sha256`, `image/${driver}/layerdb/mounts`, ...(layout?.folders ?? [])])];
  const files = ["buildkit/snapshots.db"].filter((path) => lstatSync(join(reader.root, path), { throwIfNoEntry: false }) !== undefined);
  const lines = [...directories.flatMap((path) => [path, ...reader.names(path)]), ...files.map((path) => {
    const { size, mtimeMs } = lstatSync(join(reader.root, path));
    return `${path} ${size} ${Math.floor(mtimeMs / 1000)}`;
  })];
  return { directories, files, sha256: createHash("sha256").update(lines.map((line) => `${line}\n`).join("")).digest("hex") };
}
