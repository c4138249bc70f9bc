import { forEachName } from "../cli.js";
import { defineCommand, type Options } from "../command.js";

export interface StopFlags { signal?: string; timeout?: number; time?: number }

export function stopOptions(options: Options): Options {
  return options
    .value("-s, --signal <string>", "Instead of the container's stop signal")
    .integer("-t, --timeout <int>", "Seconds before it is killed, -1 for ever")
    .integer("--time <int>", "Older name of --timeout");
}

export const command = defineCommand<StopFlags>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: stopOptions,
  run: (cli, names, { signal, timeout, time }) => forEachName(cli, names, (name) => cli.client.containers.stop(name, { stopSignal: signal, timeout: timeout ?? time })),
});
