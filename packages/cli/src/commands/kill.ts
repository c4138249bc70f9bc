import { forEachName } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ signal?: string }>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: (options) => options.value("-s, --signal <string>", "Name or number of the signal"),
  run: (cli, names, { signal }) => forEachName(cli, names, (name) => cli.client.containers.kill(name, signal)),
});
