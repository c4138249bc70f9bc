import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { formatListing } from "../format/listing.js";
import { humanSize } from "../format/units.js";
import { runItemListing, shortfallLines } from "../listings/gc.js";

export const command = defineCommand<{ policy?: string; format?: string; noTrunc?: boolean; quiet?: boolean }>({
  usage: "[OPTIONS] [PLAN]",
  args: [0, 1],
  options: (options) => options.value("--policy <name>", "Without a plan: only this policy").value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'").flag("--no-trunc", "Whole IDs and names").flag("-q, --quiet", "Only the run's ID"),
  async run(cli, [plan], { policy, format, noTrunc, quiet }) {
    if (plan !== undefined && policy !== undefined) throw new CliError("--policy goes with a new plan only");
    const run = await cli.client.gc.run(plan ?? (await cli.client.gc.plan({ policy })).Id);
    if (quiet === true) return cli.print(run.Id);
    cli.printAll(formatListing(runItemListing, run.Items, { format, noTrunc, defaults: ["Kind", "Name", "Outcome", "Freed", "Policy", "Why"] }));
    if (format !== undefined) return;
    cli.printAll(shortfallLines(run.Shortfalls));
    const undo = run.UndoUntil === null ? "" : `, ${humanSize(run.Trashed)} in the trash until ${run.UndoUntil} ('strata gc undo ${run.Id.slice(0, 12)}' brings it back)`;
    cli.print(`Run ${run.Id.slice(0, 12)}: ${humanSize(run.Freed)} freed${undo}`);
  },
});
