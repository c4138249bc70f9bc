import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { ProgressPrinter } from "../progress.js";
import { parseReference } from "../reference.js";
import { authFor } from "../registry-auth.js";

export const command = defineCommand<{ allTags?: boolean; platform?: string; quiet?: boolean }>({
  usage: "[OPTIONS] NAME[:TAG]",
  args: [1, 1],
  options: (options) => options
    .flag("-a, --all-tags", "Every tag of the repository")
    .flag("--disable-content-trust", "Accepted; nothing is signed", true)
    .value("--platform <string>", "The variant for this platform: os[/arch[/variant]]")
    .flag("-q, --quiet", "No progress"),
  async run(cli, [reference], { allTags, platform, quiet }) {
    const { name, tag } = parseReference(reference!);
    if (allTags === true && tag !== undefined) throw new CliError("tag can't be used with --all-tags/-a");
    if (tag === undefined && allTags !== true && quiet !== true) cli.print("Using default tag: latest");
    const progress = new ProgressPrinter(cli.streams.stdout);
    await cli.client.images.push(reference!, { all: allTags, platform, auth: await authFor(cli, reference!), onProgress: quiet === true ? undefined : progress.print });
    if (quiet === true) cli.print(`${name}${allTags === true ? "" : `:${tag ?? "latest"}`}`);
  },
});
