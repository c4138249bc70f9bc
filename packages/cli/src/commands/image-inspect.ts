import { defineCommand } from "../command.js";
import { printInspected } from "../inspect.js";

export const command = defineCommand<{ format?: string }>({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: [1, Infinity],
  options: (options) => options.value("-f, --format <string>", "A Go template or 'json'"),
  run: (cli, names, { format }) => printInspected(cli, names, format, (name) => cli.client.images.inspect(name)),
});
