import { stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type DataRoot, errnoOf, InvalidArgument, type RotatedLog, type RotatedLogs } from "../core/index.js";
import { namesIn } from "./names.js";

/** Files that the log drivers have rotated away: `<id>-json.log.1`, `local-logs/container.log.2.gz`. */
const ROTATED = /\.log\.\d+(\.gz)?$/;

/** Old log files in containers' directories. */
export class FileRotatedLogs implements RotatedLogs {
  constructor(private readonly root: DataRoot) {}

  async list(containers: readonly string[]): Promise<RotatedLog[]> {
    const found: RotatedLog[] = [];
    for (const container of containers) {
      for (const folder of ["", "local-logs"]) {
        for (const name of await namesIn(join(this.root.containers, container, folder))) {
          if (!ROTATED.test(name)) continue;
          const about = await this.about(container, join(folder, name));
          if (about !== undefined) found.push(about);
        }
      }
    }
    return found;
  }

  async remove(container: string, file: string): Promise<number> {
    if (!ROTATED.test(file) || file.includes("..")) throw new InvalidArgument(`${file} is no rotated log`);
    const about = await this.about(container, file);
    if (about === undefined) return 0;
    await unlink(join(this.root.containers, container, file));
    return about.bytes;
  }

  private async about(container: string, file: string): Promise<RotatedLog | undefined> {
    try {
      const { blocks, mtimeMs } = await stat(join(this.root.containers, container, file));
      return { container, file, bytes: blocks * 512, writtenAt: mtimeMs };
    } catch (e) {
      if (errnoOf(e) === "ENOENT" || errnoOf(e) === "ENOTDIR") return undefined;
      throw e;
    }
  }
}
