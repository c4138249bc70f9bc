import { CliError, messageOf } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "CONTAINER NEW_NAME",
  args: [2, 2],
  async run(cli, [from, to]) {
    if (from!.trim() === "" || to!.trim() === "") throw new CliError("Error: Neither old nor new names may be empty");
    await cli.client.containers.rename(from!.trim(), to!.trim()).catch((cause: unknown) => {
      throw new CliError(`${messageOf(cause)}\nError: failed to rename container named ${from!.trim()}`, 1, { cause });
    });
  },
});
