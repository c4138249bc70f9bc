import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExists, DataLoss, errnoOf, InvalidArgument, Unavailable } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import { parseSize } from "../../core/sizes.js";
import type { MountPlan, OpenedDriver, SnapshotOptions, StatusLines, StorageOptions, Usage } from "../../core/storage.js";
import { createSubvolume, deleteSubvolume, isBtrfs, isSubvolume, limitSubvolume, ownUsage, quotaEnabled, setReadOnly, snapshotSubvolume } from "../../kernel/btrfs.js";
import { DeletedSubvolumes } from "../../kernel/btrfs-deleted.js";
import { FileSystemSync } from "../../kernel/sync.js";
import type { DriverSetup } from "./setup.js";
import { Trash } from "./trash.js";
import { namesIn, TreeDriver, type Trees } from "./trees.js";

export const BTRFS_OPTIONS = ["btrfs.min_space"] as const;
/** How long the first limit on a file system waits for its quotas to have counted what there is. */
const FIRST_COUNT = 60_000;

/** Unavailable where the data root does not lie on btrfs. */
export async function openBtrfs(setup: DriverSetup): Promise<OpenedDriver> { return btrfsDriver(setup); }

/** Every snapshot a subvolume: made and deleted in no time, whatever it holds. */
export function btrfsDriver(setup: DriverSetup): OpenedDriver {
  mkdirSync(setup.root, { recursive: true, mode: 0o700 });
  if (!isBtrfs(setup.root)) throw new Unavailable(`${setup.root} does not lie on btrfs`);
  const trash = new Trash(setup.trash, setup.workers, setup.logger);
  return new TreeDriver("btrfs", setup, new Subvolumes(setup, trash), trash);
}

/** `<root>/subvolumes/<id>`: the tree. */
class Subvolumes implements Trees {
  private readonly disk: FileSystemSync;
  private readonly deleted: DeletedSubvolumes;
  private minSpace: number;

  constructor(private readonly setup: DriverSetup, private readonly trash: Trash) {
    this.minSpace = minSpaceOf(setup.options);
    this.disk = new FileSystemSync(setup.root);
    this.deleted = new DeletedSubvolumes(setup.root, (err) => setup.logger.warn({ err }, "btrfs: cannot clean up after deleted subvolumes"));
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  async make(id: SnapshotId, parent: SnapshotId | undefined, { size }: SnapshotOptions): Promise<void> {
    if (size !== undefined && size < this.minSpace) throw new InvalidArgument(`storage-opt size: ${size} bytes are less than btrfs.min_space (${this.minSpace})`);
    if (parent !== undefined && !this.has(parent)) throw new DataLoss(`the subvolume of ${parent} is missing`);
    try { await (parent === undefined ? createSubvolume(this.tree(id)) : snapshotSubvolume(this.tree(parent), this.tree(id))); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    try {
      if (parent === undefined) chmodSync(this.tree(id), 0o755);
      if (size !== undefined && !await limitSubvolume(this.tree(id), size, FIRST_COUNT)) {
        this.setup.logger.warn({ snapshot: id }, "btrfs has not yet counted what the file system holds: limits hold once it has");
      }
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  has(id: SnapshotId): boolean { return existsSync(this.tree(id)); }
  async plan(id: SnapshotId): Promise<MountPlan> { return { target: this.tree(id), mounts: [] }; }
  async unmounted(): Promise<void> {}
  open<T>(id: SnapshotId, use: (path: string) => Promise<T>): Promise<T> { return use(this.tree(id)); }
  async commit(id: SnapshotId): Promise<void> {
    await setReadOnly(this.tree(id));
    await this.disk.flush();
  }
  usage(id: SnapshotId): Promise<Usage> { return ownUsage(this.tree(id)); }

  async remove(id: SnapshotId): Promise<void> {
    if (this.has(id) && !isSubvolume(this.tree(id))) return this.trash.take(this.tree(id));
    await this.deleted.add(await deleteSubvolume(this.tree(id)));
  }
  async *list(): AsyncIterable<SnapshotId> { for (const name of await namesIn(this.folder)) yield name as SnapshotId; }
  drain(): Promise<void> { return this.deleted.drain(); }
  async common(): ReturnType<Trees["common"]> { return { paths: [this.folder], pool: false }; }
  async close(): Promise<void> {}

  describe(): Readonly<Record<string, string>> { return {}; }
  async status(): Promise<StatusLines> { return [["Btrfs", ""], ["Quota", await quotaEnabled(this.setup.root) ? "enabled" : "disabled"]]; }
  async reconfigure(options: StorageOptions): Promise<void> { this.minSpace = minSpaceOf(options); }

  private get folder(): string { return join(this.setup.root, "subvolumes"); }
  private tree(id: SnapshotId): string { return join(this.folder, id); }
}

function minSpaceOf(options: StorageOptions): number {
  const text = options.get("btrfs.min_space");
  return text === undefined ? 0 : parseSize("storage-opt btrfs.min_space", text);
}
