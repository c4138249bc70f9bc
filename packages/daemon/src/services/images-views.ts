import { chainIdsOf } from "@strata/oci";
import type { ImageId } from "@strata/oci";
import type { ImageStore, LayerStore } from "../core/index.js";
import { booleanFilter, rejectUnknown } from "./filter-match.js";
import type { Filters, HistoryEntry, LayerView } from "./types.js";

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

const KNOWN = ["dangling", "driver", "image", "unused"];

/**
 * Layers with what holds them. Filters: `image` (name or ID; NotFound for an unknown one), `driver`, `dangling` (no image with a tag holds it),
 * `unused` (no container stands on it).
 */
export function listLayers(images: ImageStore, layers: LayerStore, { filters, prefix }: { filters: Filters; prefix?: string }): LayerView[] {
  rejectUnknown(filters, KNOWN);
  const [dangling, unused] = [booleanFilter(filters, "dangling"), booleanFilter(filters, "unused")];
  const wanted = filters.get("image")?.map((name) => images.resolve(name));
  const drivers = filters.get("driver");
  const tags = new Map(images.list().map((image) => [image.id, image.tags]));
  const views: LayerView[] = [];
  for (const layer of layers.list(prefix === undefined ? {} : { prefix })) {
    if (wanted !== undefined && !wanted.some((id) => layer.images.includes(id))) continue;
    if (drivers !== undefined && !layer.copies.some((copy) => drivers.includes(copy.driver))) continue;
    if (unused !== undefined && unused !== (layer.containers === 0)) continue;
    const names = layer.images.flatMap((id) => tags.get(id) ?? []);
    if (dangling !== undefined && dangling !== (names.length === 0)) continue;
    views.push({ ...layer, names });
  }
  return views;
}
