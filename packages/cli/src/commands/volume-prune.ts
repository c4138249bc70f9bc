import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { pruneOptions, type PruneFlags } from "../options.js";
import { confirmPrune, printPruned, pruneVolumes } from "../prune.js";

export const command = defineCommand<PruneFlags & { all?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => pruneOptions(options).flag("-a, --all", "Named volumes too, not only anonymous ones"),
  async run(cli, _args, { all = false, filter, force }) {
    await confirmPrune(cli, force, `This will remove ${all ? "all" : "anonymous"} volumes that no container uses.`);
    printPruned(cli, [await pruneVolumes(cli, parseFilters(filter), all)]);
  },
});
