import { createHash } from "node:crypto";
import { chainIdsOf, isDigest, type DiffId } from "@strata/oci";
import { fieldsOf, type RootReader, textOf } from "./files.js";

/** One image as imagedb has it. */
export interface Image {
  readonly id: string;
  readonly path: string;
  readonly tags: readonly string[];
  readonly created: string;
  /** Chain IDs, the base's first. */
  readonly chains: readonly string[];
  readonly damage?: string;
}

export interface ImageReport {
  readonly id: string;
  readonly tags: readonly string[];
  readonly created: string;
  readonly layers: number;
  /** What its files hold, as `docker images` counts. */
  readonly size: number;
  /** On disk, of the layers that no other image has. */
  readonly unique: number;
  readonly containers: number;
  /** Layers of it that are not there. */
  readonly missing: number;
}

/** Which image each name stands for; names of repositories are left out. */
export function readTags(reader: RootReader, driver: string): Map<string, string> {
  const repositories = fieldsOf(reader.json(`image/${driver}/repositories.json`)?.["Repositories"]);
  const tags = new Map<string, string>();
  for (const names of Object.values(repositories)) for (const [name, id] of Object.entries(fieldsOf(names))) tags.set(name, textOf(id));
  return tags;
}

export function readImages(reader: RootReader, driver: string, tags: ReadonlyMap<string, string>): Image[] {
  const named = new Map<string, string[]>();
  for (const [name, id] of tags) if (!name.includes("@")) named.set(id, [...(named.get(id) ?? []), name]);
  const base = `image/${driver}/imagedb/content/sha256`;
  return reader.names(base).map((name) => readImage(reader, `${base}/${name}`, `sha256:${name}`, named.get(`sha256:${name}`) ?? []));
}

function readImage(reader: RootReader, path: string, id: string, tags: readonly string[]): Image {
  const damaged = (damage: string): Image => ({ id, path, tags, created: "", chains: [], damage });
  const bytes = reader.bytes(path);
  if (bytes === undefined) return damaged("its configuration cannot be read");
  if (`sha256:${createHash("sha256").update(bytes).digest("hex")}` !== id) return damaged("its configuration is not what its ID says");
  try {
    const config = fieldsOf(JSON.parse(bytes.toString("utf8")));
    const diffs = fieldsOf(config["rootfs"])["diff_ids"] ?? [];
    if (!Array.isArray(diffs) || !diffs.every((diff) => typeof diff === "string" && isDigest(diff))) return damaged("its configuration names no layers");
    return { id, path, tags, created: textOf(config["created"]), chains: chainIdsOf(diffs as DiffId[]) };
  } catch {
    return damaged("its configuration is no JSON");
  }
}
