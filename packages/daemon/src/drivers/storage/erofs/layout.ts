import { createHash } from "node:crypto";
import { join } from "node:path";
import type { SnapshotId } from "../../../core/ids.js";
import type { WritablePaths } from "../overlay/writable.js";

/**
 *   <root>/<id>/layer.tar     a layer's tar as it came; its SHA-256 is the diff ID
 *   <root>/<id>/layer.erofs   the index of it, which can be mounted; made anew from the tar when it is lost
 *   <root>/<id>/diff          where a layer is mounted (or unpacked, see `extracted`); what a container changed
 *   <root>/<id>/extracted     `diff` holds the whole layer unpacked: it was used where nothing can be mounted
 *   <root>/<id>/lower         `<id>/diff:<id>/diff`: a container's layers, nearest first; absent without layers
 *   <root>/<id>/work, merged  overlayfs's scratch, and where the whole is mounted
 */
export class Layout {
  constructor(readonly root: string) {}
  snapshot(id: SnapshotId): string { return join(this.root, id); }
  tar(id: SnapshotId): string { return join(this.root, id, "layer.tar"); }
  index(id: SnapshotId): string { return join(this.root, id, "layer.erofs"); }
  diff(id: SnapshotId): string { return join(this.root, id, "diff"); }
  extracted(id: SnapshotId): string { return join(this.root, id, "extracted"); }
  lower(id: SnapshotId): string { return join(this.root, id, "lower"); }
  merged(id: SnapshotId): string { return join(this.root, id, "merged"); }
  writable(id: SnapshotId): WritablePaths {
    return { upper: this.diff(id), work: join(this.root, id, "work"), merged: this.merged(id), compare: join(this.root, id, "compare") };
  }
}

/** 32 hexadecimal digits for the file system that a layer's index is. */
export function uuidOf(id: SnapshotId): string { return createHash("sha256").update(id).digest("hex").slice(0, 32); }
