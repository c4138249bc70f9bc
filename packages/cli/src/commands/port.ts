import { CliError } from "../cli.js";
import { defineCommand } from "../command.js";

export const command = defineCommand({
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  args: [1, 2],
  async run(cli, [name, wanted]) {
    const { NetworkSettings } = await cli.client.containers.inspect(name!);
    const ports = NetworkSettings.Ports ?? {};
    const shown = (binding: { HostIp?: string; HostPort?: string }): string => `${binding.HostIp?.includes(":") === true ? `[${binding.HostIp}]` : binding.HostIp ?? ""}:${binding.HostPort ?? ""}`;
    if (wanted !== undefined) {
      const key = wanted.includes("/") ? wanted : `${wanted}/tcp`;
      const bindings = ports[key] ?? [];
      if (bindings.length === 0) throw new CliError(`Error: No public port '${wanted}' published for ${name!}`);
      cli.printAll(bindings.map(shown));
      return;
    }
    const lines = Object.entries(ports).flatMap(([key, bindings]) => (bindings ?? []).map((binding) => `${key} -> ${shown(binding)}`));
    cli.printAll(lines.sort((a, b) => parseInt(a) - parseInt(b) || (a < b ? -1 : 1)));
  },
});
