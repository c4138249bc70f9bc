import type { HistoryEntry } from "@strata/client";
import { defineCommand } from "../command.js";
import { formatListing, type Listing } from "../format/listing.js";
import { ago, ellipsis, humanSize, shortId } from "../format/units.js";

const rfc3339 = (unixSeconds: number): string => new Date(unixSeconds * 1000).toISOString().replace(".000Z", "Z");

const listing = (human: boolean): Listing<HistoryEntry> => ({
  name: "HistoryEntry",
  columns: {
    ID: { header: "IMAGE", value: ({ Id }, { noTrunc }) => (noTrunc ? Id : shortId(Id)) },
    CreatedAt: { header: "CREATED AT", value: ({ Created }) => rfc3339(Created) },
    CreatedSince: { header: human ? "CREATED" : "CREATED AT", value: ({ Created }, { now }) => (human ? ago(Created, now) || "N/A" : rfc3339(Created)) },
    CreatedBy: { header: "CREATED BY", value: ({ CreatedBy }, { noTrunc }) => { const by = CreatedBy.replaceAll("\t", " "); return noTrunc ? by : ellipsis(by, 45); } },
    Size: { header: "SIZE", value: ({ Size }) => (human ? humanSize(Size) : String(Size)) },
    Comment: { header: "COMMENT", value: ({ Comment }) => Comment },
  },
});

export const command = defineCommand<{ format?: string; human?: boolean; noTrunc?: boolean; quiet?: boolean; platform?: string }>({
  usage: "[OPTIONS] IMAGE",
  args: [1, 1],
  options: (options) => options
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .flag("-H, --human", "Sizes and times for people (the default)", true)
    .flag("--no-trunc", "Whole IDs and commands")
    .value("--platform <string>", "The variant for this platform")
    .flag("-q, --quiet", "Only IDs"),
  async run(cli, [name], { format, human = true, noTrunc, quiet, platform }) {
    const entries = await cli.client.images.history(name!, { platform });
    if (quiet === true && format === undefined) {
      cli.printAll(entries.map(({ Id }) => (noTrunc === true ? Id : shortId(Id))));
      return;
    }
    cli.printAll(formatListing(listing(human), entries, { format, noTrunc, defaults: ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"] }));
  },
});
