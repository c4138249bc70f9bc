import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { keyValues } from "../key-values.js";

export const command = defineCommand<{ driver?: string; label: string[]; name?: string; opt: string[] }>({
  usage: "[OPTIONS] [VOLUME]",
  args: [0, 1],
  options: (options) => options
    .value("-d, --driver <string>", "Who keeps it (local)")
    .list("--label <list>", "A label, key=value")
    .value("--name <string>", "Older way to give its name")
    .list("-o, --opt <list>", "An option of the driver, key=value"),
  async run(cli, [given], { driver, label, name, opt }) {
    if (given !== undefined && name !== undefined) throw new CliError("conflicting options: cannot specify a volume-name through both --name and as a positional arg");
    const volume = await cli.client.volumes.create({ Name: given ?? name, Driver: driver, DriverOpts: keyValues(opt), Labels: keyValues(label) });
    cli.print(volume.Name);
  },
});
