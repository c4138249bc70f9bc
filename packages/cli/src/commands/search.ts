import type { SearchResult } from "@strata/client";
import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing, type Listing } from "../format/listing.js";
import { ellipsis } from "../format/units.js";
import { authForTerm } from "../registry-auth.js";

const listing: Listing<SearchResult> = {
  name: "SearchResult",
  columns: {
    Name: { header: "NAME", value: ({ name }) => name },
    Description: { header: "DESCRIPTION", value: ({ description }, { noTrunc }) => { const text = description.replace(/[\r\n]/g, " "); return noTrunc ? text : ellipsis(text, 45); } },
    StarCount: { header: "STARS", value: ({ star_count }) => String(star_count) },
    IsOfficial: { header: "OFFICIAL", value: ({ is_official }) => (is_official ? "[OK]" : ""), json: ({ is_official }) => String(is_official) },
  },
};

export const command = defineCommand<{ filter: string[]; format?: string; limit?: number; noTrunc?: boolean }>({
  usage: "[OPTIONS] TERM",
  args: [1, 1],
  options: (options) => options
    .list("-f, --filter <filter>", "Only those that fit, as key=value: is-official, stars")
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .integer("--limit <int>", "Results at most, 1 to 100")
    .flag("--no-trunc", "Whole descriptions"),
  async run(cli, [term], { filter, format, limit, noTrunc }) {
    const results = await cli.client.images.search(term!, { filters: parseFilters(filter), limit, auth: await authForTerm(cli, term!) });
    cli.printAll(formatListing(listing, results, { format, noTrunc, defaults: ["Name", "Description", "StarCount", "IsOfficial"] }));
  },
});
