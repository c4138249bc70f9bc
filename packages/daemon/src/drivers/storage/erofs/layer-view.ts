import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, statSync, writeFileSync } from "node:fs";
import type { WorkerPool } from "../../../archive/workers/pool.js";
import { INODES_AT, parseHead, type Origin } from "../../../archive/erofs/superblock.js";
import { DataLoss, errnoOf, InvalidArgument } from "../../../core/errors.js";
import type { SnapshotId } from "../../../core/ids.js";
import type { LayerFault } from "../../../core/storage.js";
import type { Logger } from "../../../core/logger.js";
import { mountLayer } from "../../../kernel/layer-mount.js";
import { unmountAll } from "../../../kernel/mount.js";
import { flushFiles, type FileSystemSync } from "../../../kernel/sync.js";
import { auditTree } from "../audit.js";
import type { Trash } from "../trash.js";
import { inheritRoot } from "./inherit-root.js";
import { uuidOf, type Layout } from "./layout.js";

/** How layers are shown on this machine: mounted straight from their files, through loop devices, or unpacked. */
export type LayerMode = "file" | "loop" | "extract";

export interface LayerWays {
  readonly mode: LayerMode;
  /** Files can be read past the cache of the tar that they lie in. */
  readonly direct: boolean;
}

/** Files of this size (the average of a layer, bytes) are read directly: small ones are better off with the tar's own read-ahead. */
const LARGE = 1 << 20;

/** KiB that are read ahead of who reads a file from its beginning to its end. More makes the kernel look for larger pages, at times for a second. */
export const READ_AHEAD = 512;

/** What the kernel answers when it cannot make sense of an index. */
const DAMAGED: ReadonlySet<string> = new Set(["EINVAL", "EUCLEAN", "EIO", "EBADMSG", "EOPNOTSUPP"]);

/** Shows layers in their directories, and hides them. A layer of any machine can be shown on any other: the tar is what counts. */
export class LayerView {
  constructor(
    private readonly layout: Layout, private readonly ways: LayerWays, private readonly workers: WorkerPool, private readonly trash: Trash, private readonly disk: FileSystemSync, private readonly logger: Logger,
  ) {}

  /** Whether the layer's tree is in sight. Asks the kernel: a former daemon may have mounted it, an administrator unmounted it. */
  isShown(id: SnapshotId): boolean {
    const outside = statOf(this.layout.snapshot(id)), inside = statOf(this.layout.diff(id));
    return outside !== undefined && inside !== undefined && (outside.dev !== inside.dev || existsSync(this.layout.extracted(id)));
  }

  /** `below`: its parents, all of which are in sight. DataLoss when the layer's files are damaged. */
  async show(id: SnapshotId, below: readonly SnapshotId[]): Promise<void> {
    if (this.isShown(id)) return;
    if (this.ways.mode === "extract") return this.extract(id, below);
    const rebuilt = this.origin(id) === undefined;
    if (rebuilt) await this.rebuild(id, below);
    try { this.mount(id); }
    catch (error) {
      if (rebuilt || !DAMAGED.has(errnoOf(error) ?? "")) throw error;
      this.logger.warn({ err: error, snapshot: id }, "the index of a layer cannot be mounted: it is made anew");
      await this.rebuild(id, below);
      this.mount(id);
    }
  }

  async hide(id: SnapshotId): Promise<void> { await unmountAll(this.layout.diff(id)); }

  /** What a sound index says of its tar. DataLoss when the tar is missing, or not as long. */
  origin(id: SnapshotId): Origin | undefined {
    const tar = statOf(this.layout.tar(id));
    if (!tar?.isFile()) throw new DataLoss(`${this.layout.tar(id)} is missing`);
    const origin = readOrigin(this.layout.index(id));
    if (origin && origin.tarBytes !== tar.size) throw new DataLoss(`${this.layout.tar(id)} is ${tar.size} bytes long, and was ${origin.tarBytes}`);
    return origin;
  }

  /** What is wrong with how a layer is shown whose tar is sound. `below`: its parents, all of which are in sight. */
  async audit(id: SnapshotId, below: readonly SnapshotId[]): Promise<LayerFault | undefined> {
    const { layout, workers } = this, lowers = below.map((parent) => layout.diff(parent));
    if (existsSync(layout.extracted(id))) return auditTree(workers, { root: layout.diff(id), source: { tar: layout.tar(id) }, lowers });
    return await workers.run("checkIndex", this.indexed(id, below)) ? undefined : { detail: `${layout.index(id)} is missing, or is not the index that its tar makes` };
  }

  /** Makes what shows a layer anew from its tar. Whoever comes from now on sees that; who is there already keeps what was mounted. */
  async renew(id: SnapshotId, below: readonly SnapshotId[]): Promise<void> {
    if (existsSync(this.layout.extracted(id))) {
      await this.trash.take(this.layout.extracted(id));
      return this.extract(id, below);
    }
    await this.rebuild(id, below);
    // Over the one that is mounted: nobody finds the place empty.
    if (this.isShown(id)) this.mount(id);
  }

  /** Unpacks a layer into its directory, if that was not done before. */
  async extract(id: SnapshotId, below: readonly SnapshotId[]): Promise<void> {
    const { layout } = this, root = layout.diff(id);
    this.origin(id);
    await this.trash.take(root);
    inheritRoot(root, below[0] && layout.diff(below[0]));
    try { await this.workers.run("extractTar", { tar: layout.tar(id), root, whiteouts: { lowers: below.map((parent) => layout.diff(parent)) } }); }
    catch (error) { throw error instanceof InvalidArgument ? new DataLoss(`${layout.tar(id)} is damaged: ${error.message}`, { cause: error }) : error; }
    await this.disk.flush();
    writeFileSync(layout.extracted(id), "");
  }

  private mount(id: SnapshotId): void {
    const { layout, ways } = this, { size = 0, inodes = 1 } = readOrigin(layout.index(id)) ?? {};
    mkdirSync(layout.diff(id), { recursive: true, mode: 0o755 });
    mountLayer({ index: layout.index(id), data: layout.tar(id), loop: ways.mode === "loop", direct: ways.direct && size >= inodes * LARGE, readAhead: READ_AHEAD }, layout.diff(id));
  }

  private indexed(id: SnapshotId, below: readonly SnapshotId[]): { tar: string; index: string; lowers: string[]; uuid: string } {
    const { layout } = this;
    return { tar: layout.tar(id), index: layout.index(id), lowers: below.map((parent) => layout.diff(parent)), uuid: uuidOf(id) };
  }
  private async rebuild(id: SnapshotId, below: readonly SnapshotId[]): Promise<void> {
    const { layout } = this;
    this.logger.warn({ snapshot: id }, "the index of a layer is missing or damaged: it is made anew");
    await this.workers.run("makeIndex", this.indexed(id, below));
    await flushFiles([layout.index(id), layout.snapshot(id)]);
  }
}

function statOf(path: string): ReturnType<typeof statSync> {
  return statSync(path, { throwIfNoEntry: false });
}

/** What an index says of its tar; undefined when there is none, or it is damaged. */
export function readOrigin(index: string): ReturnType<typeof parseHead> {
  let fd: number;
  try { fd = openSync(index, "r"); }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const head = Buffer.alloc(INODES_AT);
    readSync(fd, head, 0, INODES_AT, 0);
    return parseHead(head, fstatSync(fd).size);
  } finally { closeSync(fd); }
}
