import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgument, Unavailable } from "../../../core/errors.js";
import type { StorageOptions } from "../../../core/storage.js";
import { mountOf } from "../../../kernel/mount-table.js";

/** The user property that tells whose a dataset is. */
export const MARK = "strata:root";

/**
 * Where a data root's datasets lie, and what marks them as its own: others may have datasets there, too.
 *
 *   <root>/fsname    the dataset that holds the snapshots', and the mark; written before the first of them is made
 *   <root>/graph/<id>    where the snapshot's dataset is mounted; there as long as the snapshot is
 */
export class ZfsHome {
  private constructor(readonly root: string, readonly fsname: string, readonly mark: string) {}

  /** From `zfs.fsname`, else from what the data root holds, else where the data root lies. Unavailable when it does not lie on ZFS. */
  static find(root: string, options: StorageOptions): ZfsHome {
    const wanted = options.get("zfs.fsname");
    if (wanted !== undefined && !/^[a-zA-Z][\w.:-]*(\/[\w.:-]+)*$/.test(wanted)) throw new InvalidArgument(`storage-opt zfs.fsname: "${wanted}" is not the name of a file system of ZFS`);
    const file = join(root, "fsname");
    const [fsname, mark] = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    if (fsname !== undefined && fsname !== "" && mark !== undefined && mark !== "") {
      if (wanted === undefined || wanted === fsname) return new ZfsHome(root, fsname, mark);
      if (holdsSnapshots(root)) throw new InvalidArgument(`storage-opt zfs.fsname: the layers of this data root lie at ${fsname}, not at ${wanted}`);
    }
    const name = wanted ?? datasetOf(root);
    if (name === undefined) throw new Unavailable(`the data root (${root}) does not lie on ZFS, and --storage-opt zfs.fsname does not say which file system to use`);
    return new ZfsHome(root, name, randomBytes(8).toString("hex"));
  }

  /** Marks of what is removed and could not go yet: it is busy, or others are clones of it. */
  get removedMark(): string { return `removed:${this.mark}`; }
  get graph(): string { return join(this.root, "graph"); }
  get pool(): string { return this.fsname.split("/")[0]!; }
  /** For work on a tree that a container may have mounted, too. */
  get open(): string { return join(this.root, "open"); }
  mountpoint(id: string): string { return join(this.graph, id); }
  dataset(id: string): string { return `${this.fsname}/${id}`; }
  idOf(dataset: string): string { return dataset.slice(this.fsname.length + 1); }

  /** Remembers it, for starts with other options. */
  remember(): void {
    mkdirSync(this.graph, { recursive: true, mode: 0o700 });
    const file = join(this.root, "fsname"), text = `${this.fsname}\n${this.mark}\n`;
    if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
  }
  /** There is nothing more to find. */
  forget(): void { if (!holdsSnapshots(this.root)) rmSync(join(this.root, "fsname"), { force: true }); }
}

function holdsSnapshots(root: string): boolean {
  return ["graph", "split"].some((folder) => existsSync(join(root, folder)) && readdirSync(join(root, folder)).length > 0);
}

function datasetOf(root: string): string | undefined {
  const mount = mountOf(root);
  return mount?.type === "zfs" || mount?.type === "fuse.zfs" ? mount.source : undefined;
}
