import { defineCommand } from "../command.js";
import { parseFilters } from "../filters.js";
import { pruneOptions, type PruneFlags } from "../options.js";
import { confirmPrune, printPruned, pruneContainers, pruneImages, pruneNetworks, pruneVolumes, type Pruned } from "../prune.js";

export const command = defineCommand<PruneFlags & { all?: boolean; volumes?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => pruneOptions(options)
    .flag("-a, --all", "Every image that no container uses, not only those without a name")
    .flag("--volumes", "Anonymous volumes too"),
  async run(cli, _args, { all = false, volumes = false, filter, force }) {
    const kinds = ["stopped containers", "networks that no container is on", ...(volumes ? ["anonymous volumes that no container uses"] : []), all ? "images that no container uses" : "images without a name"];
    await confirmPrune(cli, force, `This will remove:\n${kinds.map((kind) => `  - all ${kind}\n`).join("")}`);
    const filters = parseFilters(filter);
    // In this order: what a container held is free once it is gone.
    const pruned: Pruned[] = [await pruneContainers(cli, filters), await pruneNetworks(cli, filters)];
    if (volumes) pruned.push(await pruneVolumes(cli, filters, false));
    pruned.push(await pruneImages(cli, filters, all));
    printPruned(cli, pruned);
  },
});
