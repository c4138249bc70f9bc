import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ApplyErofsJob } from "../../../archive/erofs/index-job.js";
import { EPOCH, noXattrs } from "../../../archive/tar-entry.js";
import { encodeHeader, padding, TRAILER } from "../../../archive/tar-writer.js";
import { messageOf } from "../../../core/errors.js";
import { mountLayer } from "../../../kernel/layer-mount.js";
import { unmountSync } from "../../../kernel/mount.js";
import type { LayerMode, LayerWays } from "./layer-view.js";

/** The best ways to show layers that work here. */
export interface ErofsProbe extends LayerWays {
  /** Why the better ways do not. */
  readonly reasons: readonly string[];
}

const WORDS = Buffer.from("a layer in two files");

/** Makes a tiny layer below `root` (made if missing), and mounts and reads it in one way after the other until one works. */
export function probeErofs(root: string, ways: readonly Exclude<LayerMode, "extract">[] = ["file", "loop"]): ErofsProbe {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(join(root, "probe-"));
  const tar = join(dir, "layer.tar"), index = join(dir, "layer.erofs"), target = join(dir, "merged");
  const reasons: string[] = [];
  try {
    mkdirSync(target);
    const job = new ApplyErofsJob({ tar, index, uuid: "73747261746100000000000000000001" });
    job.write(Buffer.concat([
      encodeHeader({ type: "file", name: "f", linkName: "", mode: 0o644, uid: 0, gid: 0, size: WORDS.length, mtime: EPOCH, major: 0, minor: 0, xattrs: noXattrs }), WORDS, padding(WORDS.length), TRAILER,
    ]));
    job.end([]);
    const failure = (loop: boolean, direct: boolean): string | undefined => {
      try {
        mountLayer({ index, data: tar, loop, direct, readAhead: 128 }, target);
        return readFileSync(join(target, "f")).equals(WORDS) ? undefined : "a mounted layer shows other bytes";
      } catch (error) {
        return messageOf(error);
      } finally { unmountSync(target); }
    };
    for (const mode of ways) {
      const reason = failure(mode === "loop", false);
      // Disks with sectors larger than tar's blocks mount directly, too; only reading tells.
      if (reason === undefined) return { mode, direct: mode === "file" && failure(false, true) === undefined, reasons };
      reasons.push(`${mode === "file" ? "mounted from its files" : "mounted through loop devices"}: ${reason}`);
    }
    return { mode: "extract", direct: false, reasons };
  } finally { rmSync(dir, { recursive: true, force: true }); }
}
