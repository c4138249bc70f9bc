import { defineCommand } from "../command.js";
import { alignTabs } from "../format/table.js";

export const command = defineCommand({
  usage: "CONTAINER [ps OPTIONS]",
  args: [1, Infinity],
  passThrough: true,
  async run(cli, [name, ...psArgs]) {
    const { Titles, Processes } = await cli.client.containers.top(name!, { psArgs: psArgs.length > 0 ? psArgs.join(" ") : undefined });
    cli.printAll(alignTabs([Titles, ...Processes].map((cells) => cells.join("\t")), 20));
  },
});
