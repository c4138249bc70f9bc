import { forEachName } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  run: (cli, names) => forEachName(cli, names, (name) => cli.client.containers.unpause(name)),
});
