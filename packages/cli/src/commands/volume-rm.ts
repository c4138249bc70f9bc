import { forEachName } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ force?: boolean }>({
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  args: [1, Infinity],
  options: (options) => options.flag("-f, --force", "None of that name is success"),
  run: (cli, names, { force }) => forEachName(cli, names, (name) => cli.client.volumes.remove(name, { force })),
});
