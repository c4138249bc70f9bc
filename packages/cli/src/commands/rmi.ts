import { StrataApiError } from "@strata/client";
import { CliError, messageOf } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ force?: boolean; noPrune?: boolean }>({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: [1, Infinity],
  options: (options) => options.flag("-f, --force", "Even when stopped containers use it, or it has several names").flag("--no-prune", "Leave parents without a name"),
  async run(cli, names, { force, noPrune }) {
    const failures: string[] = [];
    let isGrave = false;
    for (const name of names) {
      try {
        for (const { Untagged, Deleted } of await cli.client.images.remove(name, { force, noprune: noPrune })) cli.print(Deleted !== undefined ? `Deleted: ${Deleted}` : `Untagged: ${Untagged ?? ""}`);
      } catch (error) {
        isGrave ||= !(error instanceof StrataApiError && error.status === 404);
        failures.push(messageOf(error));
      }
    }
    if (failures.length === 0) return;
    if (force !== true || isGrave) throw new CliError(failures.join("\n"));
    cli.warn(failures.join("\n"));
  },
});
