import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { formatListing, type Listing } from "../format/listing.js";
import type { FilesystemChange } from "@strata/client";

const KINDS = ["C", "A", "D"];
const listing: Listing<FilesystemChange> = {
  name: "Change",
  columns: {
    Type: { header: "CHANGE TYPE", value: ({ Kind }) => KINDS[Kind] ?? String(Kind) },
    Path: { header: "PATH", value: ({ Path }) => Path },
  },
};

export const command = defineCommand<{ format?: string }>({
  usage: "CONTAINER",
  args: [1, 1],
  options: (options) => options.value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'"),
  async run(cli, [name], { format }) {
    if (name === "") throw new CliError("Container name cannot be empty");
    cli.printAll(formatListing(listing, await cli.client.containers.changes(name!), { format: format ?? "{{.Type}} {{.Path}}", defaults: ["Type", "Path"] }));
  },
});
