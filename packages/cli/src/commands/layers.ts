import type { ImageSummary, Layer } from "@strata/client";
import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing, type Listing } from "../format/listing.js";
import { ago, humanSize, shortId } from "../format/units.js";
import { listOptions, type ListFlags } from "../options.js";

/** A layer where it stands in the tree. */
export interface LayerRow {
  readonly layer: Layer;
  /** Lines to its parents: `├─ `. */
  readonly indent: string;
  /** Names of the images whose topmost layer it is. */
  readonly names: readonly string[];
}

const listing: Listing<LayerRow> = {
  name: "Layer",
  columns: {
    Layer: { header: "LAYER", value: ({ layer, indent }, { noTrunc }) => indent + (noTrunc ? layer.ChainId : shortId(layer.ChainId)) },
    ID: { header: "CHAIN ID", value: ({ layer }, { noTrunc }) => (noTrunc ? layer.ChainId : shortId(layer.ChainId)) },
    DiffID: { header: "DIFF ID", value: ({ layer }, { noTrunc }) => (noTrunc ? layer.DiffId : shortId(layer.DiffId)) },
    Parent: { header: "PARENT", value: ({ layer }, { noTrunc }) => (layer.Parent === null ? "" : noTrunc ? layer.Parent : shortId(layer.Parent)) },
    Size: { header: "SIZE", value: ({ layer }) => humanSize(layer.Size) },
    TarSize: { header: "TAR SIZE", value: ({ layer }) => humanSize(layer.TarSize) },
    DiskSize: { header: "ON DISK", value: ({ layer }) => humanSize(total(layer, "DiskBytes")) },
    Inodes: { header: "INODES", value: ({ layer }) => String(total(layer, "DiskInodes")) },
    SharedBy: { header: "SHARED BY", value: ({ layer }) => `${layer.Images.length} image${layer.Images.length === 1 ? "" : "s"}` },
    Containers: { header: "CONTAINERS", value: ({ layer }) => String(layer.Containers) },
    Driver: { header: "DRIVER", value: ({ layer }) => layer.Copies.map(({ Driver }) => Driver).join(", ") },
    Snapshot: { header: "SNAPSHOT", value: ({ layer }) => layer.Snapshot },
    LastUsed: { header: "LAST USED", value: ({ layer }, { now }) => ago(Date.parse(layer.LastUsed) / 1000, now) },
    LastUsedAt: { header: "LAST USED AT", value: ({ layer }) => layer.LastUsed },
    CreatedSince: { header: "CREATED", value: ({ layer }, { now }) => ago(Date.parse(layer.Created) / 1000, now) },
    CreatedAt: { header: "CREATED AT", value: ({ layer }) => layer.Created },
    Images: { header: "IMAGES", value: ({ names }) => names.join(", ") },
    ImageNames: { header: "ALL IMAGES", value: ({ layer }) => layer.ImageNames.join(", ") },
  },
};

/** Over every driver that it lies on. */
const total = (layer: Layer, what: "DiskBytes" | "DiskInodes"): number => layer.Copies.reduce((sum, copy) => sum + copy[what], 0);

export const command = defineCommand<ListFlags>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: listOptions,
  async run(cli, _args, { filter, format, noTrunc, quiet }) {
    const [layers, images] = await Promise.all([cli.client.layers.list({ filters: parseFilters(filter) }), cli.client.images.list({ all: true })]);
    const rows = layerTree(layers, images);
    if (quiet === true && format === undefined) cli.printAll(rows.map(({ layer }) => (noTrunc === true ? layer.ChainId : shortId(layer.ChainId))));
    else cli.printAll(formatListing(listing, rows, { format, noTrunc, defaults: ["Layer", "DiffID", "Size", "DiskSize", "Driver", "SharedBy", "Containers", "CreatedSince", "LastUsed", "Images"] }));
  },
});

/** The layers with each below its parent (or below none, when that is not among them), oldest first. */
export function layerTree(layers: readonly Layer[], images: readonly ImageSummary[]): LayerRow[] {
  const known = new Set(layers.map(({ ChainId }) => ChainId));
  const children = new Map<string | null, Layer[]>();
  for (const layer of layers) {
    const parent = layer.Parent !== null && known.has(layer.Parent) ? layer.Parent : null;
    children.set(parent, [...(children.get(parent) ?? []), layer]);
  }
  for (const siblings of children.values()) siblings.sort((a, b) => Date.parse(a.Created) - Date.parse(b.Created) || (a.ChainId < b.ChainId ? -1 : 1));
  const named = new Map(images.map((image) => [image.Id, image.RepoTags?.length ? image.RepoTags : [shortId(image.Id)]]));
  const rows: LayerRow[] = [];
  const walk = (parent: string | null, prefix: string): void => {
    const siblings = children.get(parent) ?? [];
    siblings.forEach((layer, at) => {
      const isLast = at === siblings.length - 1;
      rows.push({ layer, indent: parent === null ? "" : `${prefix}${isLast ? "└─ " : "├─ "}`, names: layer.TopOf.flatMap((id) => named.get(id) ?? [shortId(id)]) });
      walk(layer.ChainId, parent === null ? "" : `${prefix}${isLast ? "   " : "│  "}`);
    });
  };
  walk(null, "");
  return rows;
}
