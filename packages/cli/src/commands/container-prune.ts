import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { pruneOptions, type PruneFlags } from "../options.js";
import { confirmPrune, printPruned, pruneContainers } from "../prune.js";

export const command = defineCommand<PruneFlags>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: pruneOptions,
  async run(cli, _args, { filter, force }) {
    await confirmPrune(cli, force, "This will remove all stopped containers.");
    printPruned(cli, [await pruneContainers(cli, parseFilters(filter))]);
  },
});
