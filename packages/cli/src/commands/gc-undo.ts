import { defineCommand } from "../command.js";
import { shortId } from "../format/units.js";

export const command = defineCommand({
  usage: "RUN",
  args: [1, 1],
  async run(cli, [run]) {
    for (const { Id, Names, Left } of await cli.client.gc.undo(run!)) {
      cli.print(`${shortId(Id)}${Names.length > 0 ? `: ${Names.join(", ")}` : ""}`);
      if (Left.length > 0) cli.warn(`${shortId(Id)} is not named ${Left.join(", ")} again: another image is`);
    }
  },
});
