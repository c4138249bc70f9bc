import type { ImageSummary, Layer } from "@strata/client";
import { defineCommand } from "../command.js";
import { formatListing, type Listing } from "../format/listing.js";
import { ago, humanSize, shortId } from "../format/units.js";

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
    DiskSize: { header: "ON DISK", value: ({ layer }) => humanSize(layer.DiskBytes) },
    Inodes: { header: "INODES", value: ({ layer }) => String(layer.DiskInodes) },
    SharedBy: { header: "SHARED BY", value: ({ layer }) => `${layer.Images.length} image${layer.Images.length === 1 ? "" : "s"}` },
    Driver: { header: "DRIVER", value: ({ layer }) => layer.Driver },
    Snapshot: { header: "SNAPSHOT", value: ({ layer }) => layer.Snapshot },
    LastUsed: { header: "LAST USED", value: ({ layer }, { now }) => ago(Date.parse(layer.LastUsed) / 1000, now) },
    CreatedSince: { header: "CREATED", value: ({ layer }, { now }) => ago(Date.parse(layer.Created) / 1000, now) },
    Images: { header: "IMAGES", value: ({ names }) => names.join(", ") },
  },
};

export const command = defineCommand<{ format?: string; noTrunc?: boolean; quiet?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .flag("--no-trunc", "Whole IDs")
    .flag("-q, --quiet", "Only chain IDs"),
  async run(cli, _args, { format, noTrunc, quiet }) {
    const [layers, images] = await Promise.all([cli.client.layers.list(), cli.client.images.list({ all: true })]);
    const rows = layerTree(layers, images);
    if (quiet === true) cli.printAll(rows.map(({ layer }) => (noTrunc === true ? layer.ChainId : shortId(layer.ChainId))));
    else cli.printAll(formatListing(listing, rows, { format, noTrunc, defaults: ["Layer", "Size", "DiskSize", "SharedBy", "Driver", "LastUsed", "Images"] }));
  },
});

/** The layers with each below its parent, oldest first. */
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
      const above = new Set((children.get(layer.ChainId) ?? []).flatMap((child) => child.Images));
      const tops = layer.Images.filter((id) => !above.has(id));
      rows.push({ layer, indent: parent === null ? "" : `${prefix}${isLast ? "└─ " : "├─ "}`, names: tops.flatMap((id) => named.get(id) ?? [shortId(id)]) });
      walk(layer.ChainId, parent === null ? "" : `${prefix}${isLast ? "   " : "│  "}`);
    });
  };
  walk(null, "");
  return rows;
}
