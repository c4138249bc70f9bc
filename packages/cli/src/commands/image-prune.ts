import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { pruneOptions, type PruneFlags } from "../options.js";
import { confirmPrune, printPruned, pruneImages } from "../prune.js";

export const command = defineCommand<PruneFlags & { all?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => pruneOptions(options).flag("-a, --all", "Every image that no container uses, not only those without a name"),
  async run(cli, _args, { all = false, filter, force }) {
    await confirmPrune(cli, force, all ? "This will remove all images that no container uses." : "This will remove all images without a name.");
    printPruned(cli, [await pruneImages(cli, parseFilters(filter), all)]);
  },
});
