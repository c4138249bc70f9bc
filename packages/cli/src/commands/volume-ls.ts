import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing } from "../format/listing.js";
import { volumeListing } from "../listings/volumes.js";
import { listOptions, type ListFlags } from "../options.js";

export const command = defineCommand<ListFlags>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: listOptions,
  async run(cli, _args, { filter, format, noTrunc, quiet }) {
    const volumes = (await cli.client.volumes.list({ filters: parseFilters(filter) })).Volumes ?? [];
    volumes.sort((a, b) => (a.Name < b.Name ? -1 : 1));
    if (quiet === true && format === undefined) cli.printAll(volumes.map(({ Name }) => Name));
    else cli.printAll(formatListing(volumeListing, volumes, { format, noTrunc, defaults: ["Driver", "Name"] }));
  },
});
