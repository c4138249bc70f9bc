import { defineCommand } from "../command.js";
import { openInput } from "../files.js";

export const command = defineCommand<{ change: string[]; message?: string; platform?: string }>({
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  args: [1, 2],
  options: (options) => options
    .list("-c, --change <list>", "A Dockerfile instruction for the image")
    .value("-m, --message <string>", "What for, kept in the history")
    .value("--platform <string>", "What it runs on: os[/arch[/variant]]"),
  async run(cli, [source, reference], { change, message, platform }) {
    const from = /^https?:\/\//.test(source!) ? source! : await openInput(cli, source!);
    cli.print(await cli.client.images.import(from, { reference, changes: change, message, platform }));
  },
});
