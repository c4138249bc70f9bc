import type { Readable } from "node:stream";
import { existsSync, mkdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, InvalidArgument, NotFound } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import type { Parents, LayerFault, LayerSource, Change, MountMode, MountPlan, OpenedDriver, SnapshotOptions, StatusLines, StorageOptions, TreeUsage, Usage, DriverUsage } from "../../core/storage.js";
import { allocatedTo } from "../../kernel/usage.js";
import { auditTree } from "./audit.js";
import { parentsOf } from "./below.js";
import type { DriverSetup } from "./setup.js";
import type { Trash } from "./trash.js";

/** How a driver that keeps every snapshot as a whole tree (directory, subvolume, dataset, thin device) makes and shows its trees. */
export interface Trees {
  /** Makes an empty tree, or one that is as its parent's is. When it throws, nothing of it is there (AlreadyExists: what was there is unharmed). */
  make(id: SnapshotId, parent: SnapshotId | undefined, options: SnapshotOptions): Promise<void>;
  has(id: SnapshotId): boolean;
  /** As `StorageDriver.mounts` and `unmounted`. */
  plan(id: SnapshotId, mode: MountMode): Promise<MountPlan>;
  unmounted(id: SnapshotId): Promise<void>;
  /** Has the tree in sight while `use` runs, whoever else has it. */
  open<T>(id: SnapshotId, use: (path: string) => Promise<T>): Promise<T>;
  /** The tree is complete: puts it on disk. Called with the tree open. */
  commit(id: SnapshotId): Promise<void>;
  /** What it takes on disk beyond what it shares with its parent (the sweep does not know it), where that can be told. */
  usage(id: SnapshotId, parent: SnapshotId | undefined): Promise<Usage>;
  /** Absent is success. */
  remove(id: SnapshotId): Promise<void>;
  list(): AsyncIterable<SnapshotId>;
  describe(id: SnapshotId): Readonly<Record<string, string>>;
  status(): Promise<StatusLines>;
  reconfigure(options: StorageOptions): Promise<void>;
  /** What it takes in the driver's directory besides its trees; `pool`: the trees lie within that. */
  common(): Promise<{ readonly paths: readonly string[]; readonly pool: boolean }>;
  /** What `remove` has left for later is done, as far as it can be. */
  drain(): Promise<void>;
  /** As StorageControl's. */
  close(): Promise<void>;
}

/**
 * A storage driver of whole trees: a snapshot is its parent's tree with its own changes made in it.
 *
 *   <root>/split/<id>.gz    what puts the layer's tar together again
 */
export class TreeDriver implements OpenedDriver {
  constructor(readonly name: string, private readonly setup: DriverSetup, private readonly trees: Trees, private readonly trash: Trash) {}

  async create(id: SnapshotId, parents: readonly SnapshotId[], options: SnapshotOptions = {}): Promise<void> {
    checkId(id);
    await this.trees.make(id, parents[0], options);
  }

  async mounts(id: SnapshotId, _parents: readonly SnapshotId[], mode: MountMode): Promise<MountPlan> {
    this.mustExist(id);
    if (mode !== "ro" && existsSync(this.split(id))) throw new InvalidArgument(`snapshot ${id} is committed and cannot be mounted for writing`);
    return this.trees.plan(id, mode);
  }
  unmounted(id: SnapshotId): Promise<void> { return this.trees.unmounted(id); }

  async apply(id: SnapshotId, below: Parents, tar: LayerSource): Promise<TreeUsage> {
    const parents = await parentsOf(below, tar);
    try {
      checkId(id);
      mkdirSync(join(this.setup.root, "split"), { recursive: true, mode: 0o700 });
      await this.trees.make(id, parents[0], {});
    } catch (error) { tar.destroy(); throw error; }
    try {
      return await this.trees.open(id, async (root) => {
        const { size } = await this.setup.workers.consume("apply", { root, whiteouts: "delete", split: this.split(id) }, tar);
        await this.trees.commit(id);
        const [tree, split] = await Promise.all([this.trees.usage(id, parents[0]), this.setup.workers.run("usage", { path: this.split(id) })]);
        return { bytes: tree.bytes + split.bytes, inodes: tree.inodes + split.inodes, size };
      });
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  async tar(id: SnapshotId): Promise<Readable> {
    if (!existsSync(this.split(id))) throw new NotFound(`snapshot ${id} is no layer, or has no split file`);
    return this.produce(id, undefined, (root) => this.setup.workers.produce("reassemble", { root, split: this.split(id) }));
  }

  /** What lies in it of the layers below is theirs to answer for. */
  audit(id: SnapshotId): Promise<LayerFault | undefined> {
    return this.trees.open(id, (root) => auditTree(this.setup.workers, { root, source: { split: this.split(id) }, lowers: null }));
  }

  async *changes(id: SnapshotId, [parent]: readonly SnapshotId[]): AsyncIterable<Change> {
    yield* await this.both(id, parent, (root, lowers) => this.setup.workers.run("changes", { root, kind: "plain", lowers }));
  }

  async diff(id: SnapshotId, [parent]: readonly SnapshotId[]): Promise<Readable> {
    this.mustExist(id);
    return this.produce(id, parent, (root, lowers) => this.setup.workers.produce("changesTar", { root, kind: "plain", lowers }));
  }

  async usage(id: SnapshotId, [parent]: readonly SnapshotId[]): Promise<TreeUsage> {
    const split = await this.setup.workers.run("usage", { path: this.split(id) });
    if (!this.trees.has(id)) return { bytes: split.bytes, inodes: split.inodes, size: 0 };
    const [tree, size] = await Promise.all([
      this.trees.usage(id, parent),
      this.both(id, parent, (root, lowers) => this.setup.workers.run("changesSize", { root, kind: "plain", lowers })),
    ]);
    return { bytes: tree.bytes + split.bytes, inodes: tree.inodes + split.inodes, size };
  }

  async remove(id: SnapshotId): Promise<void> {
    // The tree last: as long as it is there, `list` shows the snapshot by its own name.
    for (const path of [`${this.split(id)}.kept`, `${this.split(id)}.next`, this.split(id)]) await this.trash.take(path);
    await this.trees.remove(id);
  }

  async *list(): AsyncIterable<SnapshotId> {
    const ids = new Set<string>();
    for await (const id of this.trees.list()) ids.add(id);
    for (const name of await namesIn(join(this.setup.root, "split"))) ids.add(name.replace(/\.gz(?:\.kept|\.next)?$/, ""));
    for (const id of ids) yield id as SnapshotId;
  }

  describe(id: SnapshotId): Readonly<Record<string, string>> { return this.trees.describe(id); }
  status(): Promise<StatusLines> { return this.trees.status(); }
  reconfigure(options: StorageOptions): Promise<void> { return this.trees.reconfigure(options); }
  async drainTrash(): Promise<void> { await this.trees.drain(); await this.trash.drain(); }
  async overhead(): Promise<DriverUsage> {
    const { paths, pool } = await this.trees.common();
    return { name: this.name, ...await allocatedTo([this.setup.root, join(this.setup.root, "split"), ...paths]), holdsSnapshots: pool };
  }
  close(): Promise<void> { return this.trees.close(); }

  private split(id: SnapshotId): string { return join(this.setup.root, "split", `${id}.gz`); }
  private mustExist(id: SnapshotId): void { if (!this.trees.has(id)) throw new NotFound(`No such snapshot: ${id}`); }

  private both<T>(id: SnapshotId, parent: SnapshotId | undefined, use: (root: string, lowers: string[]) => Promise<T>): Promise<T> {
    return this.trees.open(id, (root) => (parent === undefined ? use(root, []) : this.trees.open(parent, (lower) => use(root, [lower]))));
  }

  /** A stream that has the trees open until it ends, whatever way. */
  private produce(id: SnapshotId, parent: SnapshotId | undefined, start: (root: string, lowers: string[]) => Readable): Promise<Readable> {
    return new Promise((resolve, reject) => {
      this.both(id, parent, async (root, lowers) => {
        const stream = start(root, lowers);
        resolve(stream);
        await new Promise((over) => stream.once("close", over));
      }).catch(reject);
    });
  }
}

export function checkId(id: string): void {
  if (id === "" || id.includes("/") || id.startsWith(".")) throw new InvalidArgument(`not a snapshot id: ${JSON.stringify(id)}`);
}

/** Names in a directory; none when it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  try { return await readdir(directory); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
