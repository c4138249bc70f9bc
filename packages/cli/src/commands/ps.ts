import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { formatListing, mentions } from "../format/listing.js";
import { shortId } from "../format/units.js";
import { CONTAINER_COLUMNS, containerListing } from "../listings/containers.js";

export const command = defineCommand<{ all?: boolean; filter: string[]; format?: string; last?: number; latest?: boolean; noTrunc?: boolean; quiet?: boolean; size?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .flag("-a, --all", "Those that do not run too")
    .list("-f, --filter <filter>", "Only those that fit, such as status=exited")
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .integer("-n, --last <int>", "The n newest, running or not")
    .flag("-l, --latest", "The newest, running or not")
    .flag("--no-trunc", "Whole IDs and commands")
    .flag("-q, --quiet", "Only IDs")
    .flag("-s, --size", "With what each wrote"),
  async run(cli, _args, options) {
    const limit = options.latest === true ? 1 : options.last;
    const containers = await cli.client.containers.list({
      all: options.all === true || (limit ?? -1) > 0, limit, filters: parseFilters(options.filter),
      size: options.size ?? (options.quiet !== true && mentions(options.format, "Size")),
    });
    if (options.quiet === true && options.format === undefined) {
      cli.printAll(containers.map(({ Id }) => (options.noTrunc === true ? Id : shortId(Id))));
      return;
    }
    cli.printAll(formatListing(containerListing, containers, {
      format: options.format, noTrunc: options.noTrunc, defaults: options.size === true ? [...CONTAINER_COLUMNS, "Size"] : CONTAINER_COLUMNS,
    }));
  },
});
