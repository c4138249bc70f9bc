import { chainIdOf, isDigest, type ChainId, type DiffId } from "@strata/oci";
import type { RootReader } from "./files.js";

/** One layer as layerdb has it. */
export interface Layer {
  readonly chain: string;
  readonly diff: string;
  readonly parent: string | null;
  /** Its directory's name. */
  readonly cacheId: string;
  /** What its files hold, as Docker counts. */
  readonly size: number;
  /** Of its record, below the root. */
  readonly path: string;
  /** Why the record cannot be right. */
  readonly damage?: string;
}
/** A writable layer: a container's, or one that BuildKit mounts. */
export interface Writable {
  readonly owner: string;
  readonly mountId: string;
  readonly initId: string;
  readonly parent: string | null;
  readonly path: string;
}
export interface LayerDb {
  readonly layers: ReadonlyMap<string, Layer>;
  readonly writables: ReadonlyMap<string, Writable>;
  /** Records of layers whose removal was cut off; Docker ends it at its next start. */
  readonly removing: readonly Layer[];
  /** Records of layers that were never finished. */
  readonly unfinished: readonly { readonly path: string; readonly cacheId: string }[];
}

export interface LayerReport {
  readonly chainId: string;
  readonly diffId: string;
  readonly parent: string | null;
  readonly directory: string;
  readonly size: number;
  /** On disk. */
  readonly bytes: number;
  /** How many images have it. */
  readonly images: number;
  readonly containers: number;
  readonly buildCache: boolean;
}

export function readLayerDb(reader: RootReader, driver: string): LayerDb {
  const base = `image/${driver}/layerdb`;
  const layers = new Map<string, Layer>(), removing: Layer[] = [];
  for (const name of reader.names(`${base}/sha256`)) {
    const layer = readLayer(reader, `${base}/sha256/${name}`, name);
    if (name.endsWith("-removing")) removing.push(layer);
    else layers.set(layer.chain, layer);
  }
  const writables = new Map(reader.names(`${base}/mounts`).map((owner): [string, Writable] => {
    const path = `${base}/mounts/${owner}`, text = (file: string): string => reader.text(`${path}/${file}`) ?? "";
    return [owner, { owner, path, mountId: text("mount-id"), initId: text("init-id"), parent: text("parent") || null }];
  }));
  const unfinished = reader.names(`${base}/tmp`).map((name) => ({ path: `${base}/tmp/${name}`, cacheId: reader.text(`${base}/tmp/${name}/cache-id`) ?? "" }));
  return { layers, writables, removing, unfinished };
}

function readLayer(reader: RootReader, path: string, name: string): Layer {
  const text = (file: string): string => reader.text(`${path}/${file}`) ?? "";
  const chain = `sha256:${name.replace(/-.*$/, "")}`, diff = text("diff"), parent = text("parent") || null, cacheId = text("cache-id");
  const damage = cacheId === "" ? "it names no directory"
    : !isDigest(diff) ? "it has no diff ID"
    : chainIdOf(parent as ChainId | null, diff as DiffId) !== chain ? "its chain ID is not that of its parent and its diff ID" : undefined;
  return { chain, diff, parent, cacheId, size: Number(text("size")) || 0, path, ...(damage === undefined ? {} : { damage }) };
}

/** A layer and all below it, as far as they are known. */
export function* lineage(layers: ReadonlyMap<string, Layer>, chain: string | null): Generator<Layer> {
  const seen = new Set<string>();
  for (let at = chain; at !== null && !seen.has(at); ) {
    seen.add(at);
    const layer = layers.get(at);
    if (layer === undefined) return;
    yield layer;
    at = layer.parent;
  }
}
