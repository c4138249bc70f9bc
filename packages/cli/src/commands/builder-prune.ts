import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { pruneOptions, type PruneFlags } from "../options.js";
import { confirmPrune, printPruned, pruneBuilds } from "../prune.js";

export const command = defineCommand<PruneFlags & { all?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => pruneOptions(options).flag("-a, --all", "Steps that images were made of, too"),
  async run(cli, _args, { all = false, filter, force }) {
    await confirmPrune(cli, force, all ? "This will remove all build cache." : "This will remove all build cache that no image has.");
    printPruned(cli, [await pruneBuilds(cli, parseFilters(filter), all)]);
  },
});
