import { StrataApiError } from "@strata/client";
import { CliError, messageOf } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand<{ force?: boolean; link?: boolean; volumes?: boolean }>({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  args: [1, Infinity],
  options: (options) => options
    .flag("-f, --force", "Kill it first when it runs; none of that name is success")
    .flag("-l, --link", "Remove the link of this name instead")
    .flag("-v, --volumes", "Its anonymous volumes too"),
  async run(cli, names, { force, link, volumes }) {
    const results = await Promise.allSettled(names.map((name) => cli.client.containers.remove(name.replace(/^\/+/, ""), { force, link, volumes })));
    let isGrave = false;
    const failures: string[] = [];
    results.forEach((result, at) => {
      if (result.status === "fulfilled") return cli.print(names[at]!);
      failures.push(messageOf(result.reason));
      isGrave ||= force !== true || !(result.reason instanceof StrataApiError && result.reason.status === 404);
    });
    if (isGrave) throw new CliError(failures.join("\n"));
    for (const failure of failures) cli.warn(failure);
  },
});
