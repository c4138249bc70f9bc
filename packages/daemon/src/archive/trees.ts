import type { Readable } from "node:stream";
import type { PathStat, TreeArchiver, TreeCopier, TreePorter, TreeView, WriteOptions } from "../core/rootfs.js";
import { decompress } from "./compress.js";
import type { WorkerPool } from "./workers/pool.js";

/** Whole trees and parts of them, handled in worker threads. */
export class Trees implements TreeCopier, TreeArchiver, TreePorter {
  constructor(private readonly workers: WorkerPool) {}

  async copy(root: string, path: string, to: string): Promise<void> { await this.workers.run("copyTreeFromRoot", { root, path, to }); }

  /** A tree as a tar, sorted by name, holes as zeros (`docker export`). */
  tar(root: string): Readable { return this.workers.produce("treeTar", { root, kind: "plain", sparse: false, withRoot: false }); }

  stat(view: TreeView, path: string): Promise<PathStat> { return this.workers.run("viewStat", { view, path }); }
  read(view: TreeView, path: string): Readable { return this.workers.produce("viewTar", { view, path }); }
  write(view: TreeView, path: string, tar: Readable, options: WriteOptions): Promise<void> {
    return this.workers.consume("viewWrite", { view, path, ...options }, decompress(tar));
  }
}
