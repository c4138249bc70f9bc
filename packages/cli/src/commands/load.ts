import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { openInput } from "../files.js";
import { ProgressPrinter } from "../progress.js";

export const command = defineCommand<{ input?: string; platform?: string; quiet?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .value("-i, --input <string>", "A file instead of standard input")
    .value("--platform <string>", "The variant for this platform")
    .flag("-q, --quiet", "No progress"),
  async run(cli, _args, { input, platform, quiet }) {
    if (input === undefined && cli.streams.stdin.isTTY === true) throw new CliError("requested load from stdin, but stdin is empty");
    const archive = await openInput(cli, input ?? "-");
    const progress = new ProgressPrinter(cli.streams.stdout);
    // Without a terminal bars would not be shown: the daemon need not send them.
    await cli.client.images.load(archive, { platform, quiet: quiet === true || cli.streams.stdout.isTTY !== true, onProgress: progress.print });
  },
});
