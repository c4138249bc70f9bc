import { alignTabs } from "../format/table.js";
import { ellipsis, humanSize, shortId } from "../format/units.js";
import type { DriverReport, Finding, Report } from "./report.js";

/** Rows of a table; `--json` has them all. */
const ROWS = 30;

/** The report for people. */
export function showReport(report: Report): string[] { return linesOf(report).map((line) => line.trimEnd()); }

function linesOf(report: Report): string[] {
  const { root, use, drivers, notes } = report;
  const state = use.running ? `in use (${use.signs[0]!})` : use.mounts > 0 ? `no daemon works with it, ${use.mounts} mounts are left in it` : "no daemon works with it";
  return [
    `Docker root ${root}: ${state}`, "",
    ...alignTabs(totalRows(report)),
    ...drivers.flatMap(imageTable),
    ...containerTable(report), ...volumeTable(report),
    ...findingTables(report.findings),
    ...(notes.length > 0 ? ["", "Notes:", ...notes.map((note) => `  ${note}`)] : []),
  ];
}

function totalRows({ totals, drivers, containers, volumes, buildCache, findings }: Report): string[] {
  const held = drivers.flatMap(({ layers }) => layers).filter(({ images, containers: holders }) => images + holders > 0).length;
  const images = drivers.reduce((sum, driver) => sum + driver.images.length, 0);
  const removable = (young: boolean): number => findings.filter(({ remove, certainty }) => remove.length > 0 && (certainty === "maybe-in-progress") === young).length;
  const unused = volumes.filter((volume) => volume.containers.length === 0);
  return [
    "KIND\tCOUNT\tON DISK\t",
    `Layers of images\t${held}\t${humanSize(totals.imageLayers)}\t${images} images`,
    `Writable layers\t${containers.length}\t${humanSize(totals.writableLayers)}\t`,
    `Logs\t${containers.reduce((sum, { logFiles }) => sum + logFiles.length, 0)}\t${humanSize(totals.logs)}\t`,
    `Volumes\t${volumes.length}\t${humanSize(totals.volumes)}\t${unused.length > 0 ? `${unused.length} that no container has: ${humanSize(unused.reduce((sum, { bytes }) => sum + bytes, 0))}` : ""}`,
    `Build cache\t${buildCache.snapshots}\t${humanSize(totals.buildCache)}\t${buildCache.database === "scanned" ? "its database cannot be read: whatever it names counts as its own" : ""}`,
    `Nothing refers to\t${removable(false)}\t${humanSize(totals.unreferenced)}\t`,
    ...(totals.maybeInProgress > 0 || removable(true) > 0 ? [`Maybe in progress\t${removable(true)}\t${humanSize(totals.maybeInProgress)}\tyounger than the daemon that works with the root`] : []),
    `Everything else\t\t${humanSize(totals.other)}\t`,
    `All\t\t${humanSize(totals.all)}\t`,
  ];
}

function table(title: string, header: string, rows: readonly string[]): string[] {
  if (rows.length === 0) return [];
  const more = rows.length > ROWS ? [`… and ${rows.length - ROWS} more (--json shows all)`] : [];
  return ["", title, ...alignTabs([header, ...rows.slice(0, ROWS)]), ...more];
}

function imageTable({ name, note, images }: DriverReport): string[] {
  const rows = [...images].sort((a, b) => b.unique - a.unique).map((image) =>
    `${shortId(image.id)}\t${ellipsis(image.tags.join(", ") || "<none>", 50)}\t${image.layers}\t${humanSize(image.size)}\t${humanSize(image.unique)}\t${image.containers}${image.missing > 0 ? `   lacks ${image.missing} layers` : ""}`);
  return table(`Images of ${name}${note === "" ? "" : ` (${note})`}:`, "IMAGE ID\tNAMES\tLAYERS\tSIZE\tONLY ITS OWN\tCONTAINERS", rows);
}

function containerTable({ containers }: Report): string[] {
  const rows = [...containers].sort((a, b) => b.writable + b.logs - a.writable - a.logs).map(({ id, name, writable, logs, logFiles, running }) =>
    `${shortId(id)}\t${ellipsis(name, 40)}\t${humanSize(writable)}\t${humanSize(logs)}\t${logFiles.length}\t${running ? "runs, by its record" : ""}`);
  return table("Containers:", "CONTAINER ID\tNAME\tWRITABLE\tLOGS\tLOG FILES\t", rows);
}

function volumeTable({ volumes, containers }: Report): string[] {
  const names = new Map(containers.map(({ id, name }) => [id, name]));
  const rows = [...volumes].sort((a, b) => b.bytes - a.bytes).map((volume) => `${ellipsis(volume.name, 40)}\t${humanSize(volume.bytes)}\t${volume.containers.map((id) => names.get(id) || shortId(id)).join(", ") || "none"}`);
  return table("Volumes:", "VOLUME\tON DISK\tUSED BY", rows);
}

function findingTables(findings: readonly Finding[]): string[] {
  const rows = (list: readonly Finding[]): string[] => [...list].sort((a, b) => b.bytes - a.bytes).map(({ kind, path, bytes, why }) => `${kind}\t${humanSize(bytes)}\t${path}\t${why}`);
  const loose = findings.filter(({ remove }) => remove.length > 0);
  const header = "KIND\tON DISK\tPATH\tWHY";
  const broken = findings.filter(({ remove }) => remove.length === 0).map(({ kind, path, why }) => `${kind}\t${path}\t${why}`);
  return [
    ...table("Nothing refers to these:", header, rows(loose.filter(({ certainty }) => certainty === "certain"))),
    ...table("Not known; left alone by --script:", header, rows(loose.filter(({ certainty }) => certainty === "unsure"))),
    ...table("Maybe in progress:", header, rows(loose.filter(({ certainty }) => certainty === "maybe-in-progress"))),
    ...table("Broken references:", "KIND\tPATH\tWHY", broken),
  ];
}
