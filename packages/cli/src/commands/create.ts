import { defineCommand } from "../command.js";
import { createContainer, runError } from "../run/create.js";
import { createOptions, type CreateFlags } from "../run/flags.js";
import { buildSpec } from "../run/spec.js";

export const command = defineCommand<CreateFlags>({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  args: [1, Infinity],
  passThrough: true,
  options: createOptions,
  async run(cli, [image, ...words], flags) {
    try {
      cli.print(await createContainer(cli, buildSpec(flags, image!, words, cli.env).request, flags));
    } catch (error) {
      throw runError(error, "create");
    }
  },
});
