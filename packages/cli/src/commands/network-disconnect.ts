import { defineCommand } from "../command.js";

export const command = defineCommand<{ force?: boolean }>({
  usage: "[OPTIONS] NETWORK CONTAINER",
  args: [2, 2],
  options: (options) => options.flag("-f, --force", "Even when the container is gone"),
  run: (cli, [network, container], { force }) => cli.client.networks.disconnect(network!, container!, { force }),
});
