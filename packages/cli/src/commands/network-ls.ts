import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing } from "../format/listing.js";
import { shortId } from "../format/units.js";
import { networkListing } from "../listings/networks.js";
import { listOptions, type ListFlags } from "../options.js";

export const command = defineCommand<ListFlags>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: listOptions,
  async run(cli, _args, { filter, format, noTrunc, quiet }) {
    const networks = await cli.client.networks.list({ filters: parseFilters(filter) });
    networks.sort((a, b) => (a.Name < b.Name ? -1 : 1));
    if (quiet === true && format === undefined) cli.printAll(networks.map(({ Id }) => (noTrunc === true ? Id : shortId(Id))));
    else cli.printAll(formatListing(networkListing, networks, { format, noTrunc, defaults: ["ID", "Name", "Driver", "Scope"] }));
  },
});
