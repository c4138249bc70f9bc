import { defineCommand } from "../command.js";
import { writeOutput } from "../files.js";

export const command = defineCommand<{ output?: string; platform?: string }>({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: [1, Infinity],
  options: (options) => options.value("-o, --output <string>", "A file instead of standard output").value("--platform <string>", "The variant for this platform"),
  run: (cli, names, { output, platform }) => writeOutput(cli, output, () => cli.client.images.save(names, { platform }), "save"),
});
