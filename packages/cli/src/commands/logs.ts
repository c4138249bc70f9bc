import { defineCommand } from "../command.js";
import { parseTimestamp } from "../timestamps.js";

export const command = defineCommand<{ details?: boolean; follow?: boolean; since?: string; until?: string; tail?: string; timestamps?: boolean }>({
  usage: "[OPTIONS] CONTAINER",
  args: [1, 1],
  options: (options) => options
    .flag("--details", "Accepted; there are none")
    .flag("-f, --follow", "Go on with what is written from now on")
    .value("--since <string>", "Only from this time, or from so long ago: 42m")
    .value("--until <string>", "Only to this time, or to so long ago")
    .value("-n, --tail <string>", "So many lines from the end, or all")
    .flag("-t, --timestamps", "The time before each line"),
  async run(cli, [name], { follow, since, until, tail, timestamps }) {
    // Logs are asked for by ID: a container that is renamed meanwhile is still the one.
    const { Id, Config } = await cli.client.containers.inspect(name!);
    const output = await cli.client.containers.logs(Id, {
      since: parseTimestamp(since), until: parseTimestamp(until),
      follow, timestamps, tty: Config.Tty === true, tail: tail === undefined || tail === "all" || !/^\d+$/.test(tail) ? "all" : Number(tail),
    });
    await output.pipe(cli.streams.stdout, cli.streams.stderr);
  },
});
