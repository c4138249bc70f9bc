import { defineCommand } from "../command.js";

export const command = defineCommand<{ author?: string; change: string[]; message?: string; pause?: boolean }>({
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  args: [1, 2],
  options: (options) => options
    .value("-a, --author <string>", "Who made it")
    .list("-c, --change <list>", "A Dockerfile instruction for the new image")
    .value("-m, --message <string>", "What for, kept in the history")
    .flag("-p, --pause", "Hold the container still meanwhile (the default)", true),
  async run(cli, [container, reference], { author, change, message, pause }) {
    cli.print(await cli.client.images.commit(container!, { reference, author, message, changes: change, pause }));
  },
});
