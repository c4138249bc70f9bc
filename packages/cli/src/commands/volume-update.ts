import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ size?: string }>({
  usage: "[OPTIONS] VOLUME",
  args: [1, 1],
  options: (options) => options.value("--size <bytes>", "Most that it may hold (40m)"),
  async run(cli, [name], { size }) {
    if (size === undefined) throw new CliError("what to change? --size is missing");
    const volume = await cli.client.volumes.update(name!, { Options: { size } });
    cli.print(volume.Name);
  },
});
