import { defineCommand } from "../command.js";
import { formatListing } from "../format/listing.js";
import { shortId } from "../format/units.js";
import { runItemListing, runListing, shortfallLines } from "../listings/gc.js";

export const command = defineCommand<{ format?: string; noTrunc?: boolean; quiet?: boolean }>({
  usage: "[OPTIONS] [RUN]",
  args: [0, 1],
  options: (options) => options.value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'").flag("--no-trunc", "Whole IDs and names").flag("-q, --quiet", "Only IDs"),
  async run(cli, [id], { format, noTrunc, quiet }) {
    if (id !== undefined) {
      const run = await cli.client.gc.inspectRun(id);
      cli.printAll(formatListing(runItemListing, run.Items, { format, noTrunc, defaults: ["Kind", "Name", "Outcome", "Freed", "Policy", "Reason", "Why"] }));
      if (format === undefined) cli.printAll(shortfallLines(run.Shortfalls));
      return;
    }
    const runs = await cli.client.gc.runs();
    if (quiet === true && format === undefined) cli.printAll(runs.map(({ Id }) => (noTrunc === true ? Id : shortId(Id))));
    else cli.printAll(formatListing(runListing, runs, { format, noTrunc, defaults: ["ID", "Trigger", "Policies", "Started", "State", "Freed", "Trashed"] }));
  },
});
