import type { Readable } from "node:stream";
import type { ChainId } from "@strata/oci";
import type { Layer, LayerStore, Lease } from "../core/index.js";
import { decompress } from "../archive/compress.js";

/** Registers a layer from a tar as it comes: plain, gzip or zstd. */
export async function registerPacked(layers: LayerStore, packed: Readable, parent: ChainId | null, lease: Lease): Promise<Layer> {
  try {
    return await layers.register(decompress(packed), parent, lease);
  } finally {
    packed.destroy();
  }
}
