import { readdir, readFile } from "node:fs/promises";
import { basename } from "node:path";

/** Monitors (conmon) whose command lines name something below `directory`, each with the container that it was started for. */
export async function monitorsBelow(directory: string): Promise<{ readonly container: string; readonly pid: number }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(async (pid) => {
    // Gone meanwhile, it has none.
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    const container = words[words.indexOf("-c") + 1];
    const ours = basename(words[0]!) === "conmon" && words.some((word) => word.startsWith(`${directory}/`));
    return ours && container !== undefined ? [{ container, pid: Number(pid) }] : [];
  }));
  return found.flat();
}
