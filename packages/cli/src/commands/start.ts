import { CliError, messageOf, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { followSize, join, passSignals, requireTty } from "../terminal/join.js";

interface Flags { attach?: boolean; detachKeys?: string; interactive?: boolean; sigProxy?: boolean }

export const command = defineCommand<Flags>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: (options) => options
    .flag("-a, --attach", "Join its output and pass signals on")
    .value("--detach-keys <string>", "Keys that leave it running (ctrl-p,ctrl-q)")
    .flag("-i, --interactive", "Join its standard input")
    .flag("--sig-proxy", "Pass signals on to it (the default)", true),
  async run(cli, names, flags) {
    if (flags.attach === true || flags.interactive === true) {
      if (names.length > 1) throw new CliError("you cannot start and attach multiple containers at once");
      return startAttached(cli, names[0]!, flags);
    }
    const failed: string[] = [];
    const results = await Promise.allSettled(names.map((name) => cli.client.containers.start(name)));
    results.forEach((result, at) => {
      if (result.status === "fulfilled") return cli.print(names[at]!);
      cli.warn(messageOf(result.reason));
      failed.push(names[at]!);
    });
    if (failed.length > 0) throw new CliError(`Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
});

async function startAttached(cli: Cli, name: string, flags: Flags): Promise<number> {
  const { containers } = cli.client;
  const { Id, Config, HostConfig } = await containers.inspect(name);
  const tty = Config.Tty === true;
  const stdin = flags.interactive === true && Config.OpenStdin === true;
  requireTty(cli, stdin, tty);
  const session = await containers.attach(Id, { stdin, tty, detachKeys: flags.detachKeys });
  const { exit } = await containers.waiting(Id, { condition: HostConfig.AutoRemove === true ? "removed" : "next-exit" });
  const joined = join(cli, session, { tty, stdin, detachKeys: flags.detachKeys });
  const stopSignals = !tty && flags.sigProxy !== false ? passSignals(cli, Id) : undefined;
  let stopSize: (() => void) | undefined;
  try {
    await containers.start(Id).catch((error: unknown) => {
      session.close();
      throw error;
    });
    if (tty && cli.streams.stdout.isTTY === true) stopSize = followSize(cli, (size) => containers.resize(Id, size));
    return (await joined.over) ? 0 : (await exit).StatusCode;
  } finally {
    joined.leave();
    stopSize?.();
    stopSignals?.();
  }
}
