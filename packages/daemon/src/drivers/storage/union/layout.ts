import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataLoss, InvalidArgument } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import { Layout } from "../overlay2/layout.js";
import type { Trash } from "../trash.js";
import { namesIn } from "../trees.js";

/** Where a driver that stacks directories keeps what belongs to a snapshot. */
export interface UnionLayout {
  /** What the snapshot changed; it is there when the snapshot is. */
  diff(id: SnapshotId): string;
  /** Scratch of the mount; same file system as `diff`. */
  work(id: SnapshotId): string;
  /** Where the whole is mounted. */
  target(id: SnapshotId): string;
  /** What puts the layer's tar together again. */
  split(id: SnapshotId): string;
  /** All that lies on disk of the snapshot, for counting. */
  parts(id: SnapshotId): readonly string[];
  /** What is there for all snapshots together. */
  readonly common: readonly string[];
  isCommitted(id: SnapshotId): boolean;
  commit(id: SnapshotId): void;
  /** Takes the name, makes `diff` and notes the parents. EEXIST when the name is taken. */
  make(id: SnapshotId, parents: readonly SnapshotId[], writable: boolean): void;
  /** Directories to be stacked, nearest first, by paths that are short. */
  stacked(ids: readonly SnapshotId[]): string[];
  remove(id: SnapshotId, trash: Trash): Promise<void>;
  list(): AsyncIterable<SnapshotId>;
  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>>;
}

/** As overlay2 lies on disk (see its Layout). */
export class LinkedLayout implements UnionLayout {
  private readonly layout: Layout;

  constructor(root: string) {
    this.layout = new Layout(root);
    mkdirSync(this.layout.links, { recursive: true, mode: 0o700 });
  }

  diff(id: SnapshotId): string { return this.layout.diff(id); }
  work(id: SnapshotId): string { return this.layout.work(id); }
  target(id: SnapshotId): string { return this.layout.merged(id); }
  split(id: SnapshotId): string { return this.layout.split(id); }
  parts(id: SnapshotId): readonly string[] { return [this.layout.snapshot(id), ...this.layout.linkOf(id)]; }
  get common(): readonly string[] { return [this.layout.root, this.layout.links]; }
  isCommitted(id: SnapshotId): boolean { return existsSync(this.layout.committed(id)); }
  commit(id: SnapshotId): void { writeFileSync(this.layout.committed(id), ""); }

  make(id: SnapshotId, parents: readonly SnapshotId[], writable: boolean): void {
    const { layout } = this;
    if (id === "l") throw new InvalidArgument("not a snapshot id: the folder of short names has it");
    mkdirSync(layout.snapshot(id), { mode: 0o710 });
    mkdirSync(layout.diff(id), { mode: 0o755 });
    if (parents.length > 0) writeFileSync(layout.lower(id), parents.map((parent) => this.link(parent)).join(":"), { mode: 0o644 });
    layout.makeLink(id);
    if (!writable) return;
    mkdirSync(layout.work(id), { mode: 0o700 });
    mkdirSync(layout.merged(id), { mode: 0o700 });
  }
  stacked(ids: readonly SnapshotId[]): string[] { return ids.map((id) => join(this.layout.root, this.link(id))); }

  async remove(id: SnapshotId, trash: Trash): Promise<void> {
    this.layout.removeLink(id);
    await trash.take(this.layout.snapshot(id));
  }
  async *list(): AsyncIterable<SnapshotId> {
    for (const name of await readdir(this.layout.root)) if (name !== "l") yield name as SnapshotId;
    await this.layout.clearLinks();
  }

  describe(id: SnapshotId, parents: readonly SnapshotId[]): Readonly<Record<string, string>> {
    const { layout } = this;
    return {
      ...(parents.length > 0 ? { LowerDir: parents.map((parent) => layout.diff(parent)).join(":") } : {}),
      MergedDir: layout.merged(id), UpperDir: layout.diff(id), WorkDir: layout.work(id),
    };
  }

  private link(id: SnapshotId): string {
    const link = this.layout.readLink(id);
    if (link === undefined) throw new DataLoss(`layer directory of ${id} is missing or damaged`);
    return `l/${link}`;
  }
}

/**
 * Docker's visible layout of aufs:
 *
 *   <root>/diff/<id>        what the snapshot changed
 *   <root>/layers/<id>      its parents, one a line, nearest first
 *   <root>/mnt/<id>         where the whole is mounted
 *   <root>/.split/<id>.gz   what puts the layer's tar together again; committed snapshots only
 *   <root>/.work/<id>       scratch of fuse-overlayfs; snapshots that were mounted for writing
 */
export class AufsLayout implements UnionLayout {
  readonly common: readonly string[];

  constructor(readonly root: string) {
    const folders = ["diff", "layers", "mnt", ".split", ".work"].map((name) => join(root, name));
    for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o755 });
    this.common = [root, ...folders];
  }

  diff(id: SnapshotId): string { return join(this.root, "diff", id); }
  work(id: SnapshotId): string { return join(this.root, ".work", id); }
  target(id: SnapshotId): string { return join(this.root, "mnt", id); }
  split(id: SnapshotId): string { return join(this.root, ".split", `${id}.gz`); }
  parts(id: SnapshotId): readonly string[] { return [this.diff(id), this.layers(id), this.work(id), this.split(id)]; }
  isCommitted(id: SnapshotId): boolean { return existsSync(this.split(id)); }
  /** The split file says it. */
  commit(): void {}

  make(id: SnapshotId, parents: readonly SnapshotId[]): void {
    for (const parent of parents) if (!existsSync(this.diff(parent))) throw new DataLoss(`layer directory of ${parent} is missing`);
    mkdirSync(this.diff(id), { mode: 0o755 });
    mkdirSync(this.target(id), { recursive: true, mode: 0o755 });
    writeFileSync(this.layers(id), parents.map((parent) => `${parent}\n`).join(""), { mode: 0o644 });
  }
  stacked(ids: readonly SnapshotId[]): string[] { return ids.map((id) => this.diff(id)); }

  /** What the snapshot changed goes last: as long as that is there, `make` refuses the name. */
  async remove(id: SnapshotId, trash: Trash): Promise<void> {
    for (const path of [this.target(id), this.work(id), `${this.split(id)}.kept`, `${this.split(id)}.next`, this.split(id)]) await trash.take(path);
    rmSync(this.layers(id), { force: true });
    await trash.take(this.diff(id));
  }
  async *list(): AsyncIterable<SnapshotId> {
    const ids = new Set<string>();
    for (const folder of ["diff", "layers", "mnt", ".work"]) for (const name of await namesIn(join(this.root, folder))) ids.add(name);
    for (const name of await namesIn(join(this.root, ".split"))) ids.add(name.replace(/\.gz(?:\.kept|\.next)?$/, ""));
    for (const id of ids) yield id as SnapshotId;
  }

  /** Docker's driver told nothing. */
  describe(): Readonly<Record<string, string>> { return {}; }

  private layers(id: SnapshotId): string { return join(this.root, "layers", id); }
}
