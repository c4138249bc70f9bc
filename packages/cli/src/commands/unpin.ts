import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "NAME [NAME...]",
  args: [1, Infinity],
  async run(cli, names) {
    for (const name of names) {
      await cli.client.gc.unpin(name);
      cli.print(name);
    }
  },
});
