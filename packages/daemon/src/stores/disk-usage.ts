import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Sum of the sizes of the files in a tree, each inode once, as Docker counts a volume. What vanishes meanwhile is
 * left out. A few directories are read at a time, so the event loop and the disk stay free for others.
 */
export async function apparentSize(directory: string): Promise<number> {
  const seen = new Set<string>();
  let total = 0;
  const queue = [directory];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const here = next;
    const entries = await readdir(here, { withFileTypes: true }).catch(() => []);
    await inBatches(entries, 64, async (entry) => {
      const path = join(here, entry.name);
      if (entry.isDirectory()) queue.push(path);
      const stat = await lstat(path).catch(() => undefined);
      if (stat === undefined) return;
      if (stat.nlink > 1 && !entry.isDirectory()) {
        const inode = `${stat.dev}:${stat.ino}`;
        if (seen.has(inode)) return;
        seen.add(inode);
      }
      total += stat.size;
    });
  }
  return total;
}

async function inBatches<T>(items: readonly T[], size: number, work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += size) await Promise.all(items.slice(i, i + size).map(work));
}
