import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "[NAME...]",
  args: [0, Infinity],
  async run(cli, names) {
    if (names.length === 0) return cli.printAll(await cli.client.gc.pins());
    for (const name of names) {
      await cli.client.gc.pin(name);
      cli.print(name);
    }
  },
});
