import { mkdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { errnoOf } from "./errors.js";

/**
 * A directory and those above it that are not there; the first that was made, if any. Node's own way says ENOENT of a disk
 * that is full, which nobody takes for what it is.
 */
export async function makeDirectories(path: string, mode: number): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true, mode });
  } catch (e) {
    if (errnoOf(e) !== "ENOENT") throw e;
    return mkdirSync(path, { recursive: true, mode });
  }
}
