import { StrataApiError } from "@strata/client";
import { forEachName } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ force?: boolean }>({
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  args: [1, Infinity],
  options: (options) => options.flag("-f, --force", "None of that name is success"),
  run: (cli, names, { force }) => forEachName(cli, names, async (name) => {
    try {
      await cli.client.networks.remove(name);
    } catch (error) {
      if (force !== true || !(error instanceof StrataApiError && error.status === 404)) throw error;
    }
  }),
});
