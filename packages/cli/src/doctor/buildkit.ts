import { isDigest } from "@strata/oci";
import { openBolt } from "./bolt.js";
import type { RootReader } from "./files.js";

/** What BuildKit holds: its snapshots are directories and layers of the same driver as the images'. */
export interface BuildCacheReport {
  /** On disk: its databases and the directories that only it needs. */
  readonly bytes: number;
  readonly snapshots: number;
  /** `read`; `scanned` when the database cannot be made sense of and every name that stands in it counts as held; `none`. */
  readonly database: "read" | "scanned" | "none";
}

export interface BuildCache {
  readonly database: BuildCacheReport["database"];
  readonly snapshots: number;
  /** Those of its snapshots that are known by name. */
  readonly directories: ReadonlySet<string>;
  /** Whether a directory of the driver is one of its snapshots. */
  owns(directory: string): boolean;
  /** Whether it may hold a layer, by its chain ID. */
  keeps(chain: string): boolean;
}

const DATABASE = "buildkit/snapshots.db";
const TRIES = 3;

/**
 * A bucket for each snapshot, named as its directory or as a layer's chain ID; its values name others: the directory that was committed to it, the
 * parent, the layer that it has become. A running daemon may write meanwhile, so what makes no sense is read again.
 */
export function readBuildCache(reader: RootReader): BuildCache {
  let bytes: Buffer | undefined;
  for (let tries = 0; tries < TRIES; tries++) {
    bytes = reader.bytes(DATABASE);
    if (bytes === undefined) return cache("none", new Set(), new Set(), 0);
    try {
      return parse(bytes);
    } catch {
      continue;
    }
  }
  return scan(bytes!);
}

function parse(bytes: Buffer): BuildCache {
  const directories = new Set<string>(), chains = new Set<string>();
  let snapshots = 0;
  for (const [name, bucket] of openBolt(bytes).buckets()) {
    snapshots++;
    for (const text of [name, ...[...bucket.values()].map(([, value]) => value.toString())]) (isDigest(text) ? chains : directories).add(text);
  }
  return cache("read", directories, chains, snapshots);
}

const cache = (database: "read" | "none", directories: ReadonlySet<string>, chains: ReadonlySet<string>, snapshots: number): BuildCache =>
  ({ database, snapshots, directories, owns: (directory) => directories.has(directory.replace(/-init$/, "")), keeps: (chain) => chains.has(chain) });

/** Pages that are free again still hold old names, so this may hold on to too much, never to too little. */
function scan(bytes: Buffer): BuildCache {
  return { database: "scanned", snapshots: 0, directories: new Set(), owns: (directory) => bytes.includes(directory.replace(/-init$/, "")), keeps: (chain) => bytes.includes(chain) };
}
