import { CliError, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { createContainer, runError } from "../run/create.js";
import { createOptions, type CreateFlags } from "../run/flags.js";
import { buildSpec, type Spec } from "../run/spec.js";
import { parseDetachKeys } from "../terminal/detach-keys.js";
import { followSize, join, passSignals, requireTty, type Joined } from "../terminal/join.js";

type RunFlags = CreateFlags & { detach?: boolean; detachKeys?: string; sigProxy?: boolean };

export const command = defineCommand<RunFlags>({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  args: [1, Infinity],
  passThrough: true,
  options: (options) => createOptions(options)
    .flag("-d, --detach", "Leave it running and print its ID")
    .value("--detach-keys <string>", "Keys that leave it running (ctrl-p,ctrl-q)")
    .flag("--sig-proxy", "Pass signals on to it (the default)", true),
  async run(cli, [image, ...words], flags) {
    if (flags.detach !== true) requireTty(cli, flags.interactive === true, flags.tty === true);
    try {
      const spec = buildSpec(flags, image!, words, cli.env, flags.detach === true);
      parseDetachKeys(flags.detachKeys);
      if (spec.request.Tty === true && cli.streams.stdout.isTTY === true) spec.request.HostConfig!.ConsoleSize = [cli.streams.stdout.rows ?? 0, cli.streams.stdout.columns ?? 0];
      const id = await createContainer(cli, spec.request, flags);
      if (flags.detach === true) {
        await cli.client.containers.start(id, { detachKeys: flags.detachKeys });
        cli.print(id);
        return 0;
      }
      return await runAttached(cli, id, spec, flags);
    } catch (error) {
      throw runError(error, "run");
    }
  },
});

/** Attaches and waits before it starts the container, so that nothing it does can be missed. */
async function runAttached(cli: Cli, id: string, { request, attach }: Spec, flags: RunFlags): Promise<number> {
  const { containers } = cli.client;
  const tty = request.Tty === true;
  const attached = attach.stdin || attach.stdout || attach.stderr;
  const session = attached ? await containers.attach(id, { ...attach, tty, detachKeys: flags.detachKeys }) : undefined;
  const { exit } = await containers.waiting(id, { condition: flags.rm === true ? "removed" : "next-exit" });
  const joined: Joined | undefined = session && join(cli, session, { tty, stdin: attach.stdin, detachKeys: flags.detachKeys });
  const stopSignals = !tty && flags.sigProxy !== false ? passSignals(cli, id) : undefined;
  let stopSize: (() => void) | undefined;
  try {
    try {
      await containers.start(id);
    } catch (error) {
      session?.close();
      // With --rm the daemon takes it away again; when this command ends it should be gone.
      if (flags.rm === true) await exit.catch(() => undefined);
      throw error;
    }
    if (tty && cli.streams.stdout.isTTY === true) stopSize = followSize(cli, (size) => containers.resize(id, size));
    // Without an output to end, its own end is what counts.
    if (joined && (attach.stdout || attach.stderr) && (await joined.over)) return 0;
    const { StatusCode, Error: failure } = await exit;
    if (failure?.Message) throw new CliError(failure.Message, 125);
    return StatusCode;
  } finally {
    joined?.leave();
    stopSize?.();
    stopSignals?.();
  }
}
