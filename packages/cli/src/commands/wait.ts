import { CliError, messageOf } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  async run(cli, names) {
    const failures: string[] = [];
    for (const name of names) {
      try {
        cli.print(String((await cli.client.containers.wait(name)).StatusCode));
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    if (failures.length > 0) throw new CliError(failures.join("\n"));
  },
});
