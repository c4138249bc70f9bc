import { forEachName } from "../cli.js";
import { defineCommand } from "../command.js";
import { stopOptions, type StopFlags } from "./stop.js";

export const command = defineCommand<StopFlags>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: stopOptions,
  run: (cli, names, { signal, timeout, time }) => forEachName(cli, names, (name) => cli.client.containers.restart(name, { stopSignal: signal, timeout: timeout ?? time })),
});
