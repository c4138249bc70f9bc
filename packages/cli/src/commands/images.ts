import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing, mentions } from "../format/listing.js";
import { shortId } from "../format/units.js";
import { IMAGE_COLUMNS, imageListing, imageRows } from "../listings/images.js";
import { listOptions, type ListFlags } from "../options.js";

export const command = defineCommand<ListFlags & { all?: boolean; digests?: boolean }>({
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  args: [0, 1],
  options: (options) => listOptions(options).flag("-a, --all", "Also those that only serve as parents").flag("--digests", "With digests"),
  async run(cli, [reference], { all, digests, filter, format, noTrunc, quiet }) {
    const filters = parseFilters(reference === undefined ? filter : [...filter, `reference=${reference}`]);
    const images = await cli.client.images.list({ all, filters, sharedSize: mentions(format, "SharedSize") || mentions(format, "UniqueSize") });
    const rows = imageRows(images, digests === true || mentions(format, "Digest"));
    if (quiet === true && format === undefined) {
      cli.printAll(rows.map(({ image }) => (noTrunc === true ? image.Id : shortId(image.Id))));
      return;
    }
    cli.printAll(formatListing(imageListing, rows, { format, noTrunc, defaults: digests === true ? ["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"] : IMAGE_COLUMNS }));
  },
});
