import type { GraphUsage } from "@strata/client";
import { defineCommand } from "../command.js";
import { formatListing, type Listing } from "../format/listing.js";
import { ago, humanSize, shortId } from "../format/units.js";

type Kind = Omit<GraphUsage["Kinds"][number], "Kind"> & { readonly Kind: string };
type Owners = GraphUsage["Owners"];

const since = (time: string | null, now: number): string => (time === null ? "" : ago(Date.parse(time) / 1000, now));

const kinds: Listing<Kind> = {
  name: "Kind",
  columns: {
    Kind: { header: "KIND", value: ({ Kind }) => Kind },
    Count: { header: "COUNT", value: ({ Count }) => String(Count) },
    Size: { header: "ON DISK", value: ({ Bytes }) => humanSize(Bytes, 4) },
    Inodes: { header: "INODES", value: ({ Inodes }) => String(Inodes) },
    Reclaimable: { header: "RECLAIMABLE", value: ({ ReclaimableBytes }) => humanSize(ReclaimableBytes, 4) },
    Measured: { header: "MEASURED", value: ({ Kind, MeasuredAt, Unmeasured }, { now }) => [Kind === "total" || MeasuredAt !== null ? since(MeasuredAt, now) : "exact", ...(Unmeasured > 0 ? [`${Unmeasured} not yet`] : [])].join(", ") },
    Bytes: { header: "BYTES", value: ({ Bytes }) => String(Bytes) },
  },
};
const images: Listing<Owners["Images"][number]> = {
  name: "Image",
  columns: {
    Image: { header: "IMAGE", value: ({ Names, Id }, { noTrunc }) => Names[0] ?? (noTrunc ? Id : shortId(Id)) },
    ID: { header: "IMAGE ID", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    Size: { header: "ON DISK", value: ({ Bytes }) => humanSize(Bytes, 4) },
    Unique: { header: "UNIQUE", value: ({ UniqueBytes }) => humanSize(UniqueBytes, 4) },
    Shared: { header: "SHARED", value: ({ SharedBytes }) => humanSize(SharedBytes, 4) },
    Containers: { header: "CONTAINERS", value: ({ Containers }) => String(Containers) },
    LastUsed: { header: "LAST USED", value: ({ LastUsed }, { now }) => since(LastUsed, now) },
  },
};
const containers: Listing<Owners["Containers"][number]> = {
  name: "Container",
  columns: {
    Name: { header: "CONTAINER", value: ({ Name }) => Name },
    Status: { header: "STATUS", value: ({ Status }) => Status },
    Layer: { header: "WRITTEN", value: ({ Layer }) => humanSize(Layer.Bytes, 4) },
    Logs: { header: "LOGS", value: ({ Logs }) => humanSize(Logs.Bytes, 4) },
    Files: { header: "FILES", value: ({ Files }) => humanSize(Files.Bytes, 4) },
    Measured: { header: "MEASURED", value: ({ Layer, Files }, { now }) => (Layer.Exact && Files.Exact ? "exact" : Layer.MeasuredAt === null ? "not yet" : since(Layer.MeasuredAt, now)) },
  },
};
const volumes: Listing<Owners["Volumes"][number]> = {
  name: "Volume",
  columns: {
    Name: { header: "VOLUME", value: ({ Name }) => Name },
    Size: { header: "ON DISK", value: ({ Bytes }) => humanSize(Bytes, 4) },
    Containers: { header: "CONTAINERS", value: ({ Containers }) => String(Containers) },
    LastUsed: { header: "LAST USED", value: ({ LastUsed }, { now }) => since(LastUsed, now) },
    Measured: { header: "MEASURED", value: ({ Exact, MeasuredAt }, { now }) => (Exact ? "exact" : MeasuredAt === null ? "not yet" : since(MeasuredAt, now)) },
  },
};
const records: Listing<Owners["BuildCache"][number]> = {
  name: "BuildRecord",
  columns: {
    ID: { header: "RECORD", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    Size: { header: "ON DISK", value: ({ Bytes }) => humanSize(Bytes, 4) },
    LastUsed: { header: "LAST USED", value: ({ LastUsed }, { now }) => since(LastUsed, now) },
    Description: { header: "STEP", value: ({ Description }, { noTrunc }) => (noTrunc || Description.length <= 60 ? Description : `${Description.slice(0, 59)}…`) },
  },
};

export const command = defineCommand<{ format?: string; refresh?: boolean; verbose?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json', of each kind")
    .flag("--refresh", "Measure first what may have changed")
    .flag("-v, --verbose", "Images, containers, volumes and build records, the largest first"),
  async run(cli, _args, { format, refresh = false, verbose = false }) {
    const usage = await cli.client.graph.usage({ refresh, ...(verbose ? {} : { limit: 0 }) });
    if (format === "json") return cli.print(JSON.stringify(usage));
    cli.printAll(formatListing(kinds, format === undefined ? [...usage.Kinds, total(usage)] : usage.Kinds, { format, defaults: ["Kind", "Count", "Size", "Inodes", "Reclaimable", "Measured"] }));
    if (format !== undefined) return;
    const { Images, BuildCache } = usage;
    cli.printAll(["", `Of the layers, ${humanSize(Images.Bytes, 4)} are ${Images.Count} images' (${humanSize(Images.UniqueBytes, 4)} unique, ${humanSize(Images.SharedBytes, 4)} shared, ${humanSize(Images.ReclaimableBytes, 4)} reclaimable), ${humanSize(BuildCache.Bytes, 4)} only the build cache's.`]);
    if (verbose) cli.printAll(tables(usage.Owners));
  },
});

/** The sum, as one more line. */
function total({ Bytes, Inodes, Kinds }: GraphUsage): Kind {
  const sum = (of: "ReclaimableBytes" | "Unmeasured"): number => Kinds.reduce((all, kind) => all + kind[of], 0);
  return { Kind: "total", Count: Kinds.length, Bytes, Inodes, ReclaimableBytes: sum("ReclaimableBytes"), MeasuredAt: null, Unmeasured: sum("Unmeasured") };
}

function tables({ Images, Containers, Volumes, BuildCache }: Owners): string[] {
  return [
    "", ...formatListing(images, Images, { defaults: ["Image", "ID", "Size", "Unique", "Shared", "Containers", "LastUsed"] }),
    "", ...formatListing(containers, Containers, { defaults: ["Name", "Status", "Layer", "Logs", "Files", "Measured"] }),
    "", ...formatListing(volumes, Volumes, { defaults: ["Name", "Size", "Containers", "LastUsed", "Measured"] }),
    "", ...formatListing(records, BuildCache, { defaults: ["ID", "Size", "LastUsed", "Description"] }),
  ];
}
