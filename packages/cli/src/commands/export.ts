import { defineCommand } from "../command.js";
import { writeOutput } from "../files.js";

export const command = defineCommand<{ output?: string }>({
  usage: "[OPTIONS] CONTAINER",
  args: [1, 1],
  options: (options) => options.value("-o, --output <string>", "A file instead of standard output"),
  run: (cli, [name], { output }) => writeOutput(cli, output, () => cli.client.containers.export(name!), "export"),
});
