import { defineCommand } from "../command.js";
import { formatListing } from "../format/listing.js";
import { humanSize } from "../format/units.js";
import { planListing, shortfallLines } from "../listings/gc.js";

export const command = defineCommand<{ policy?: string; format?: string; noTrunc?: boolean; quiet?: boolean }>({
  usage: "[OPTIONS] [PLAN]",
  args: [0, 1],
  options: (options) => options.value("--policy <name>", "Only this policy").value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'").flag("--no-trunc", "Whole IDs and names").flag("-q, --quiet", "Only the plan's ID"),
  async run(cli, [id], { policy, format, noTrunc, quiet }) {
    const plan = id === undefined ? await cli.client.gc.plan({ policy }) : await cli.client.gc.inspectPlan(id);
    if (quiet === true) return cli.print(plan.Id);
    cli.printAll(formatListing(planListing, plan.Items, { format, noTrunc, defaults: ["Kind", "Name", "Bytes", "Policy", "Reason"] }));
    if (format !== undefined) return;
    cli.printAll(shortfallLines(plan.Shortfalls));
    cli.print(`Plan ${plan.Id.slice(0, 12)}: ${plan.Items.length} to go, ${humanSize(plan.Bytes)}`);
  },
});
