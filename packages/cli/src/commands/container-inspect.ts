import { defineCommand } from "../command.js";
import { printInspected } from "../inspect.js";

export const command = defineCommand<{ format?: string; size?: boolean }>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: (options) => options.value("-f, --format <string>", "A Go template or 'json'").flag("-s, --size", "With what it wrote"),
  run: (cli, names, { format, size }) => printInspected(cli, names, format, (name) => cli.client.containers.inspect(name, { size })),
});
