import { readdir } from "node:fs/promises";
import { errnoOf } from "../core/index.js";

/** Names in a directory; none when it is absent. Read these before the rows they are compared with. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (e) {
    if (errnoOf(e) === "ENOENT" || errnoOf(e) === "ENOTDIR") return [];
    throw e;
  }
}
