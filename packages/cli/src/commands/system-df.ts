import type { DiskUsage } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { formatListing } from "../format/listing.js";
import { humanSize } from "../format/units.js";
import { containerListing } from "../listings/containers.js";
import { cacheListing, type CacheRecord, usageListing, usageRows } from "../listings/disk-usage.js";
import { imageListing, imageRows } from "../listings/images.js";
import { volumeListing } from "../listings/volumes.js";

export const command = defineCommand<{ format?: string; verbose?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options.value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'").flag("-v, --verbose", "Each image, container and volume"),
  async run(cli, _args, { format, verbose }) {
    if (verbose === true && format !== undefined && format !== "json") throw new CliError("--verbose goes with the format 'json' only");
    const usage = await cli.client.system.df();
    if (verbose !== true) cli.printAll(formatListing(usageListing, usageRows(usage), { format, defaults: ["Type", "TotalCount", "Active", "Size", "Reclaimable"] }));
    else if (format === "json") cli.print(JSON.stringify(verboseRows(usage)));
    else cli.printAll(verboseTables(usage));
  },
});

function parts(usage: DiskUsage) {
  // Each image once: its bytes are there once, whatever its names.
  return { images: (usage.Images ?? []).flatMap((image) => imageRows([image], false).slice(0, 1)), containers: usage.Containers ?? [], volumes: usage.Volumes ?? [] };
}

function verboseRows(usage: DiskUsage): Record<string, unknown[]> {
  const { images, containers, volumes } = parts(usage);
  const json = (lines: readonly string[]): unknown[] => lines.map((line) => JSON.parse(line) as unknown);
  const options = { format: "json", defaults: [], noTrunc: true };
  return {
    Images: json(formatListing(imageListing, images, options)), Containers: json(formatListing(containerListing, containers, options)),
    Volumes: json(formatListing(volumeListing, volumes, options)), BuildCache: usage.BuildCache ?? [],
  };
}

function verboseTables(usage: DiskUsage): string[] {
  const { images, containers, volumes } = parts(usage);
  const written = { ...containerListing, columns: { ...containerListing.columns, Size: { header: "SIZE", value: ({ SizeRw }: { SizeRw?: number }) => humanSize(SizeRw ?? 0) } } };
  return [
    "Images space usage:", "",
    ...formatListing(imageListing, images, { defaults: ["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"] }),
    "", "Containers space usage:", "",
    ...formatListing(written, containers, { defaults: ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"] }),
    "", "Local Volumes space usage:", "",
    ...formatListing(volumeListing, volumes, { defaults: ["Name", "Links", "Size"] }),
    "", `Build cache usage: ${humanSize(usageRows(usage)[3]!.bytes, 4)}`, "",
    ...formatListing(cacheListing, (usage.BuildCache ?? []) as readonly CacheRecord[], { defaults: ["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"] }),
  ];
}
