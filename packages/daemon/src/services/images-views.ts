import { chainIdsOf } from "@strata/oci";
import type { ChainId, ImageId } from "@strata/oci";
import type { ImageStore, LayerStore } from "../core/index.js";
import type { HistoryEntry } from "./types.js";

/** How an image came about, newest step first. Steps at which a local image stands (its own, its parents') carry that image's ID. */
export function imageHistory(images: ImageStore, layers: LayerStore, id: ImageId): HistoryEntry[] {
  const { config } = images.get(id);
  const chain = chainIdsOf(config.rootfs.diff_ids);
  let next = 0;
  const steps = (config.history ?? []).map((step) => {
    const layer = step.empty_layer ? undefined : chain[next++];
    return { ...step, size: layer === undefined ? 0 : layers.get(layer).size };
  }).reverse();
  let current: ImageId | null = id;
  return steps.map((step): HistoryEntry => {
    if (current === null) return { ...step, tags: [] };
    const image = images.get(current);
    const entry = { ...step, id: current, tags: image.tags };
    current = image.parent;
    return entry;
  });
}

/** Which images hold each layer. */
export function imagesByLayer(images: ImageStore, layers: LayerStore): ReadonlyMap<ChainId, readonly ImageId[]> {
  const users = new Map<ChainId, ImageId[]>();
  for (const { id } of images.list({ sharedSize: false })) {
    let chainId = images.get(id).top;
    while (chainId !== null) {
      const known = users.get(chainId);
      if (known === undefined) users.set(chainId, [id]);
      else known.push(id);
      chainId = layers.get(chainId).parent;
    }
  }
  return users;
}
