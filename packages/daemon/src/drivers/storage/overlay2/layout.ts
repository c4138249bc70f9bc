import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "../../../core/ids.js";
import { errnoOf } from "../../../core/errors.js";
import type { WritablePaths } from "../overlay/writable.js";
import { namesIn } from "../trees.js";

/**
 * Docker's visible layout of overlay2:
 *
 *   <root>/<id>/diff          what the snapshot changed
 *   <root>/<id>/link          its short name, 26 characters
 *   <root>/<id>/lower         `l/A:l/B`: short names of its parents, nearest first; absent without parents
 *   <root>/<id>/work, merged  overlayfs's scratch and where the whole is mounted; writable snapshots only
 *   <root>/<id>/tar-split.gz  what puts the layer's tar together again; committed snapshots only
 *   <root>/<id>/committed     the snapshot is complete
 *   <root>/l/<SHORT>          -> ../<id>/diff
 */
export class Layout {
  constructor(readonly root: string) {}
  get links(): string { return join(this.root, "l"); }
  snapshot(id: SnapshotId): string { return join(this.root, id); }
  diff(id: SnapshotId): string { return join(this.root, id, "diff"); }
  work(id: SnapshotId): string { return join(this.root, id, "work"); }
  merged(id: SnapshotId): string { return join(this.root, id, "merged"); }
  writable(id: SnapshotId): WritablePaths {
    return { upper: this.diff(id), work: this.work(id), merged: this.merged(id), compare: join(this.root, id, "compare") };
  }
  link(id: SnapshotId): string { return join(this.root, id, "link"); }
  lower(id: SnapshotId): string { return join(this.root, id, "lower"); }
  split(id: SnapshotId): string { return join(this.root, id, "tar-split.gz"); }
  committed(id: SnapshotId): string { return join(this.root, id, "committed"); }

  /** Short name of a snapshot; undefined when it is half-made or gone. */
  readLink(id: SnapshotId): string | undefined { return readIfThere(this.link(id)); }
  /** `l/A`, `l/B` …: parents, nearest first. */
  readLower(id: SnapshotId): string[] {
    const text = readIfThere(this.lower(id));
    return text === undefined || text === "" ? [] : text.split(":");
  }
  /** Where its short name lies; nowhere when it has none. */
  linkOf(id: SnapshotId): string[] {
    const link = this.readLink(id);
    return link === undefined ? [] : [join(this.links, link)];
  }
  removeLink(id: SnapshotId): void {
    const link = this.readLink(id);
    if (link !== undefined && /^[A-Z2-7]{26}$/.test(link)) rmSync(join(this.links, link), { force: true });
  }
  /** Short names of snapshots that are gone. */
  async clearLinks(): Promise<void> {
    for (const link of await namesIn(this.links)) {
      if (!existsSync(join(this.links, link))) rmSync(join(this.links, link), { force: true });
    }
  }
  /** Gives a snapshot its short name: the file first, so that whoever removes the snapshot knows which link to remove. */
  makeLink(id: SnapshotId): void {
    const name = shortName();
    writeFileSync(this.link(id), name, { mode: 0o644 });
    const link = join(this.links, name);
    const target = join("..", id, "diff");
    try { symlinkSync(target, link); }
    catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
      mkdirSync(this.links, { recursive: true, mode: 0o700 });
      symlinkSync(target, link);
    }
  }
}

function readIfThere(file: string): string | undefined {
  try { return readFileSync(file, "utf8"); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** 26 characters of RFC 4648 base 32. */
function shortName(): string {
  let name = "";
  for (const byte of randomBytes(26)) name += BASE32[byte & 31]!;
  return name;
}
