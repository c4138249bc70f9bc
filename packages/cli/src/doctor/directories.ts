import { lstatSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { RootReader } from "./files.js";

/** How a storage driver lays out its directories. */
export interface DriverLayout {
  /** Folders below the root that have one directory for each layer, or writable one. */
  readonly folders: readonly string[];
  /** Short links that stand for the directories. */
  readonly links?: string;
  /** Whether removing the directory is all that it takes to remove a layer. */
  readonly plain: boolean;
  readonly note: string;
}

const LAYOUTS: Readonly<Record<string, DriverLayout>> = {
  overlay2: { folders: ["overlay2"], links: "overlay2/l", plain: true, note: "" },
  "fuse-overlayfs": { folders: ["fuse-overlayfs"], links: "fuse-overlayfs/l", plain: true, note: "" },
  vfs: { folders: ["vfs/dir"], plain: true, note: "each layer is a whole copy of what lies below it" },
  overlay: { folders: ["overlay"], plain: false, note: "layers share files by hard links: a directory's bytes are those that no directory before it has" },
  aufs: { folders: ["aufs/diff"], plain: false, note: "aufs keeps parents in aufs/layers; nothing is offered for removal" },
  btrfs: { folders: ["btrfs/subvolumes"], plain: false, note: "layers are subvolumes that share extents: sizes count shared extents once for each, and removal takes btrfs subvolume delete" },
};
const UNKNOWN: Readonly<Record<string, string>> = {
  devicemapper: "layers are thin devices in a pool: their sizes are in the pool's metadata, not in the root",
  zfs: "layers are datasets: zfs list -o space tells their sizes",
};

export function layoutOf(driver: string): DriverLayout | undefined { return LAYOUTS[driver]; }
export const noteOf = (driver: string): string => LAYOUTS[driver]?.note ?? UNKNOWN[driver] ?? "a driver that this examination does not know";

/** Names that belong to layers; others in the folder are the driver's own. */
export function directoryNames(reader: RootReader, folder: string, layout: DriverLayout): string[] {
  return reader.names(folder).filter((name) => `${folder}/${name}` !== layout.links && isDirectory(join(reader.root, folder, name)));
}

/** Where a layer's directory lies, by the name that layerdb has for it. */
export const directoryOf = (layout: DriverLayout, id: string): string => `${layout.folders[0]!}/${id}`;

/** A short link: what it is called and which directory it names. */
export interface Link { readonly path: string; readonly directory: string }

export function readLinks(reader: RootReader, layout: DriverLayout): Link[] {
  const { links } = layout;
  if (links === undefined) return [];
  return reader.names(links).flatMap((name) => {
    try {
      return [{ path: `${links}/${name}`, directory: basename(dirname(readlinkSync(join(reader.root, links, name)))) }];
    } catch {
      return [];
    }
  });
}

/** Links that a directory needs to be mounted and that are not there: its own, and those to what lies below it. */
export function missingLinks(reader: RootReader, layout: DriverLayout, directory: string, links: ReadonlySet<string>): string[] {
  if (layout.links === undefined) return [];
  const own = reader.text(`${directory}/link`), lower = reader.text(`${directory}/lower`);
  const wanted = [...(own === undefined ? [] : [own]), ...(lower ?? "").split(":").filter(Boolean).map((path) => basename(path))];
  return wanted.map((name) => `${layout.links!}/${name}`).filter((path) => !links.has(path));
}

function isDirectory(path: string): boolean {
  try { return lstatSync(path).isDirectory(); } catch { return false; }
}
