import type { ExecConfig } from "@strata/client";
import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { readEnvironment } from "../run/values.js";
import { followSize, join, requireTty } from "../terminal/join.js";

interface Flags { detach?: boolean; detachKeys?: string; env: string[]; envFile: string[]; interactive?: boolean; privileged?: boolean; tty?: boolean; user?: string; workdir?: string }

export const command = defineCommand<Flags>({
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  args: [2, Infinity],
  passThrough: true,
  options: (options) => options
    .flag("-d, --detach", "Leave it running")
    .value("--detach-keys <string>", "Keys that leave it running (ctrl-p,ctrl-q)")
    .list("-e, --env <list>", "An environment variable: NAME=value, or NAME to take it from here")
    .list("--env-file <list>", "A file of them")
    .flag("-i, --interactive", "Keep standard input open")
    .flag("--privileged", "All rights on the host")
    .flag("-t, --tty", "A terminal")
    .value("-u, --user <string>", "User and group: name or number")
    .value("-w, --workdir <string>", "Working directory"),
  async run(cli, [name, ...words], flags) {
    const { containers } = cli.client;
    const tty = flags.tty === true;
    const stdin = flags.interactive === true && flags.detach !== true;
    requireTty(cli, stdin, tty);
    const { rows = 0, columns = 0, isTTY } = cli.streams.stdout;
    const size = tty && isTTY === true ? { rows, columns } : undefined;
    const spec: ExecConfig = {
      Cmd: words, Tty: tty, AttachStdin: stdin, AttachStdout: flags.detach !== true, AttachStderr: flags.detach !== true, Env: readEnvironment(flags.env, flags.envFile, cli.env),
      User: flags.user, WorkingDir: flags.workdir, Privileged: flags.privileged, DetachKeys: flags.detachKeys, ConsoleSize: size && [size.rows, size.columns],
    };
    if (flags.detach === true) {
      await containers.execDetached(name!, spec);
      return 0;
    }
    const exec = await containers.exec(name!, spec, { size });
    const joined = join(cli, exec.session, { tty, stdin, detachKeys: flags.detachKeys });
    const stopSize = size ? followSize(cli, (to) => exec.session.resize(to)) : undefined;
    try {
      if (await joined.over) throw new CliError("read escape sequence");
      return await exec.exitCode();
    } finally {
      joined.leave();
      stopSize?.();
    }
  },
});
