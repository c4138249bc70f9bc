import type { Readable } from "node:stream";
import type { TreeCopier } from "../core/rootfs.js";
import type { WorkerPool } from "./workers/pool.js";

/** Whole trees, handled in a worker thread. */
export class Trees implements TreeCopier {
  constructor(private readonly workers: WorkerPool) {}

  async copy(root: string, path: string, to: string): Promise<void> { await this.workers.run("copyTreeFromRoot", { root, path, to }); }

  /** A tree as a tar, sorted by name, holes as zeros (`docker export`). */
  tar(root: string): Readable { return this.workers.produce("treeTar", { root, kind: "plain", sparse: false, withRoot: false }); }
}
