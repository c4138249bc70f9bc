import { StrataApiError, type StrataClient } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { printInspected } from "../inspect.js";

/** In the order they are tried. */
const KINDS: Readonly<Record<string, (client: StrataClient, name: string, size: boolean) => Promise<unknown>>> = {
  container: (client, name, size) => client.containers.inspect(name, { size }),
  image: (client, name) => client.images.inspect(name),
  network: (client, name) => client.networks.inspect(name),
  volume: (client, name) => client.volumes.inspect(name),
  layer: (client, name) => client.layers.inspect(name),
};

export const command = defineCommand<{ format?: string; size?: boolean; type?: string }>({
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  args: [1, Infinity],
  options: (options) => options
    .value("-f, --format <string>", "A Go template or 'json'")
    .flag("-s, --size", "For containers, with what they wrote")
    .value("--type <string>", `Only this kind: ${Object.keys(KINDS).join(", ")}`),
  async run(cli, names, { format, size = false, type }) {
    if (type !== undefined && !Object.hasOwn(KINDS, type)) throw new CliError(`unknown type: ${JSON.stringify(type)}: must be one of ${Object.keys(KINDS).map((kind) => JSON.stringify(kind)).join(", ")}`);
    await printInspected(cli, names, format, async (name) => {
      if (type !== undefined) return KINDS[type]!(cli.client, name, size);
      for (const look of Object.values(KINDS)) {
        try {
          return await look(cli.client, name, size);
        } catch (error) {
          // What is not a name of one kind may be one of another; a daemon that lacks a kind says 404 too.
          if (!(error instanceof StrataApiError && (error.status === 404 || error.status === 400))) throw error;
        }
      }
      throw new CliError(`Error: No such object: ${name}`);
    });
  },
});
