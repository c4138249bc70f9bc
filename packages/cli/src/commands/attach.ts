import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { followSize, join, passSignals, requireTty } from "../terminal/join.js";

export const command = defineCommand<{ detachKeys?: string; noStdin?: boolean; sigProxy?: boolean }>({
  usage: "[OPTIONS] CONTAINER",
  args: [1, 1],
  options: (options) => options
    .value("--detach-keys <string>", "Keys that leave it running (ctrl-p,ctrl-q)")
    .flag("--no-stdin", "Only its output")
    .flag("--sig-proxy", "Pass signals on to it (the default)", true),
  async run(cli, [name], flags) {
    const { containers } = cli.client;
    const { Id, Config, State } = await containers.inspect(name!);
    if (!State.Running) throw new CliError("cannot attach to a stopped container, start it first");
    if (State.Paused) throw new CliError("cannot attach to a paused container, unpause it first");
    if (State.Restarting) throw new CliError("cannot attach to a restarting container, wait until it is running");
    const tty = Config.Tty === true;
    const stdin = flags.noStdin !== true && Config.OpenStdin === true;
    requireTty(cli, stdin, tty);
    const { exit } = await containers.waiting(Id);
    const session = await containers.attach(Id, { stdin, tty, detachKeys: flags.detachKeys });
    const joined = join(cli, session, { tty, stdin, detachKeys: flags.detachKeys });
    const stopSignals = !tty && flags.sigProxy !== false ? passSignals(cli, Id) : undefined;
    const { rows = 0, columns = 0, isTTY } = cli.streams.stdout;
    // A program draws anew only when the size changes: it does for a moment.
    if (tty && isTTY === true) await containers.resize(Id, { rows: rows + 1, columns: columns + 1 }).catch(() => undefined);
    const stopSize = tty ? followSize(cli, (size) => containers.resize(Id, size)) : undefined;
    try {
      if (await joined.over) return 0;
      const { StatusCode, Error: failure } = await exit;
      if (failure?.Message) throw new CliError(failure.Message);
      return StatusCode;
    } finally {
      joined.leave();
      stopSize?.();
      stopSignals?.();
    }
  },
});
