import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  args: [2, 2],
  run: (cli, [source, target]) => cli.client.images.tag(source!, target!),
});
