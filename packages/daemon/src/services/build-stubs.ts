import { lstat, rmdir, unlink } from "node:fs/promises";
import { join, posix } from "node:path";
import { errnoOf, type LayerStore } from "../core/index.js";

/** Takes back what was made in a container's tree only for something to be mounted on: nothing of it belongs into a layer. */
export async function removeMountPoints(layers: Pick<LayerStore, "changes" | "mount">, owner: string, targets: readonly string[]): Promise<void> {
  if (targets.length === 0) return;
  const added = new Set<string>();
  for await (const { path, kind } of layers.changes(owner)) if (kind === 1) added.add(path);
  const mounted = await layers.mount(owner);
  try {
    // What was added is there by that name: no symlink is on the way.
    for (const target of targets.toSorted().toReversed()) for (let path = target; added.has(path) && await removeEmpty(join(mounted.path, path)); path = posix.dirname(path));
  } finally { await mounted.release(); }
}

async function removeEmpty(path: string): Promise<boolean> {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) await rmdir(path);
    else if (stats.isFile() && stats.size === 0) await unlink(path);
    else return false;
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    if (errnoOf(error) === "ENOTEMPTY" || errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}
