import { API_VERSION } from "@strata/client";
import { messageOf, CliError, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { documentTemplate } from "../inspect.js";
import { VERSION } from "../version.js";

export const command = defineCommand<{ format?: string }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options.value("-f, --format <string>", "A Go template or 'json'"),
  async run(cli, _args, { format }) {
    const server = await cli.client.system.version().catch((error: unknown) => error as Error);
    const failed = server instanceof Error;
    const apiVersion = failed ? API_VERSION : await cli.client.system.apiVersion();
    const arch = process.arch === "x64" ? "amd64" : process.arch;
    const client = { Version: VERSION, ApiVersion: apiVersion, DefaultAPIVersion: API_VERSION, NodeVersion: process.version, Os: process.platform, Arch: arch };
    const versions = { Client: client, Server: failed ? null : server };
    if (format !== undefined) cli.print(format === "json" ? JSON.stringify(versions) : documentTemplate(format, "template parsing error")(versions));
    else {
      cli.printAll(["Client: Strata", ...pairs(1, [["Version", VERSION], ["API version", apiVersion === API_VERSION ? apiVersion : `${apiVersion} (downgraded from ${API_VERSION})`], ["Node.js version", process.version], ["OS/Arch", `${process.platform}/${arch}`]])]);
      if (!failed) printServer(cli, server);
    }
    if (failed) throw new CliError(messageOf(server), 1, { cause: server });
  },
});

type ServerVersion = Awaited<ReturnType<Cli["client"]["system"]["version"]>>;

function printServer(cli: Cli, server: ServerVersion): void {
  cli.printAll(["", server.Platform?.Name ? `Server: ${server.Platform.Name}` : "Server:"]);
  const engine: [string, string | undefined][] = [
    ["Version", server.Version], ["API version", `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`], ["Built on", server.GoVersion], ["Git commit", server.GitCommit],
    ["Built", server.BuildTime], ["OS/Arch", `${server.Os}/${server.Arch}`], ["Kernel version", server.KernelVersion],
  ];
  cli.printAll([" Engine:", ...pairs(2, engine)]);
  for (const { Name, Version, Details } of (server.Components ?? []).filter((one) => one.Name !== "Engine")) {
    cli.printAll([` ${Name}:`, ...pairs(2, [["Version", Version], ["Git commit", Details?.["GitCommit"]]])]);
  }
}

/** `Name:   value` lines, aligned; empty values are left out. */
function pairs(indent: number, entries: readonly (readonly [string, string | undefined])[]): string[] {
  return entries.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => `${" ".repeat(indent)}${`${name}:`.padEnd(20 - indent)}${value!}`);
}
