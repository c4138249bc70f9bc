import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { AlreadyExists, errnoOf, InvalidArgument } from "../../core/errors.js";
import type { SnapshotId } from "../../core/ids.js";
import type { MountPlan, OpenedDriver, SnapshotOptions, Usage } from "../../core/storage.js";
import { FileSystemSync } from "../../kernel/sync.js";
import type { DriverSetup } from "./setup.js";
import { Trash } from "./trash.js";
import { namesIn, TreeDriver, type Trees } from "./trees.js";

/** Every snapshot a directory, copied from its parent: needs nothing of the kernel, and much of the disk. */
export function vfsDriver(setup: DriverSetup): OpenedDriver {
  const trash = new Trash(setup.trash, setup.workers, setup.logger);
  return new TreeDriver("vfs", setup, new CopiedTrees(setup, trash), trash);
}

/** `<root>/dir/<id>`: the tree. */
class CopiedTrees implements Trees {
  private readonly disk: FileSystemSync;

  constructor(private readonly setup: DriverSetup, private readonly trash: Trash) {
    this.disk = new FileSystemSync(setup.root);
  }

  async make(id: SnapshotId, parent: SnapshotId | undefined, { size }: SnapshotOptions): Promise<void> {
    if (size !== undefined) throw new InvalidArgument("the storage driver vfs cannot limit the size of a container");
    mkdirSync(join(this.setup.root, "dir"), { recursive: true, mode: 0o700 });
    try { mkdirSync(this.tree(id), { mode: 0o755 }); }
    catch (error) { throw errnoOf(error) === "EEXIST" ? new AlreadyExists(`snapshot ${id} exists already`) : error; }
    try {
      if (parent !== undefined) await this.setup.workers.run("copyTree", { from: this.tree(parent), to: this.tree(id) });
      await this.disk.flush();
    } catch (error) {
      await this.remove(id);
      throw error;
    }
  }

  has(id: SnapshotId): boolean { return existsSync(this.tree(id)); }
  async plan(id: SnapshotId): Promise<MountPlan> { return { target: this.tree(id), mounts: [] }; }
  async unmounted(): Promise<void> {}
  open<T>(id: SnapshotId, use: (path: string) => Promise<T>): Promise<T> { return use(this.tree(id)); }
  commit(): Promise<void> { return this.disk.flush(); }
  usage(id: SnapshotId): Promise<Usage> { return this.setup.workers.run("usage", { path: this.tree(id) }); }

  remove(id: SnapshotId): Promise<void> { return this.trash.take(this.tree(id)); }
  async *list(): AsyncIterable<SnapshotId> { for (const name of await namesIn(join(this.setup.root, "dir"))) yield name as SnapshotId; }
  describe(): Readonly<Record<string, string>> { return {}; }
  async status(): Promise<[]> { return []; }
  async reconfigure(): Promise<void> {}
  async common(): ReturnType<Trees["common"]> { return { paths: [join(this.setup.root, "dir")], pool: false }; }
  drain(): Promise<void> { return this.trash.drain(); }
  async close(): Promise<void> {}

  private tree(id: SnapshotId): string { return join(this.setup.root, "dir", id); }
}
