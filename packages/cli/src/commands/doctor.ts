import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";
import { examine } from "../doctor/examine.js";
import { removalScript } from "../doctor/script.js";
import { showReport } from "../doctor/show.js";

export const command = defineCommand<{ dockerRoot?: string; script?: boolean; json?: boolean }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options
    .value("--docker-root <directory>", "Data root of Docker to examine (/var/lib/docker unless given)")
    .flag("--script", "Print a shell script that removes what nothing refers to, for a stopped daemon")
    .flag("--json", "Everything that was found, as JSON"),
  run(cli, _args, { dockerRoot = "/var/lib/docker", script, json }) {
    if (script === true && json === true) throw new CliError("--script and --json exclude each other");
    const report = examine(dockerRoot);
    if (script === true) cli.streams.stdout.write(removalScript(report));
    else if (json === true) cli.print(JSON.stringify(report, null, 2));
    else cli.printAll(showReport(report));
    return Promise.resolve();
  },
});
