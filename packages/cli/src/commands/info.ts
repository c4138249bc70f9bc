import type { SystemInfo } from "@strata/client";
import { defineCommand } from "../command.js";
import { binarySize } from "../format/units.js";
import { documentTemplate } from "../inspect.js";
import { VERSION } from "../version.js";

export const command = defineCommand<{ format?: string }>({
  usage: "[OPTIONS]",
  args: [0, 0],
  options: (options) => options.value("-f, --format <string>", "A Go template or 'json'"),
  async run(cli, _args, { format }) {
    const info = await cli.client.system.info();
    if (format !== undefined) {
      const document = { ...info, ClientInfo: { Version: VERSION, Debug: cli.globals.debug === true } };
      cli.print(format === "json" ? JSON.stringify(document) : documentTemplate(format)(document));
      return;
    }
    cli.printAll(["Client: Strata", ` Version:    ${VERSION}`, ` Debug Mode: ${cli.globals.debug === true}`, "", "Server:", ...serverLines(info)]);
    for (const warning of info.Warnings ?? []) cli.warn(warning);
  },
});

/** A name with a value, or with lines of its own; undefined is left out. */
type Line = readonly [string, string | number | boolean | undefined] | readonly [string, undefined, readonly string[]];

function serverLines(info: SystemInfo): string[] {
  const registry = info.RegistryConfig;
  const lines: Line[] = [
    ["Containers", info.Containers],
    [" Running", info.ContainersRunning], [" Paused", info.ContainersPaused], [" Stopped", info.ContainersStopped],
    ["Images", info.Images],
    ["Server Version", info.ServerVersion],
    ["Storage Driver", info.Driver],
    ...(info.DriverStatus ?? []).map(([name = "", value = ""]): Line => [` ${name}`, value]),
    ["Logging Driver", info.LoggingDriver],
    ["Cgroup Driver", info.CgroupDriver],
    ["Cgroup Version", info.CgroupVersion],
    ["Plugins", undefined, ([["Volume", info.Plugins?.Volume], ["Network", info.Plugins?.Network], ["Log", info.Plugins?.Log]] as const).map(([name, list]) => ` ${name}: ${(list ?? []).join(" ")}`)],
    ["Runtimes", Object.keys(info.Runtimes ?? {}).sort().join(" ")],
    ["Default Runtime", info.DefaultRuntime],
    ["Init Binary", info.InitBinary],
    ["containerd version", info.ContainerdCommit?.ID], ["runc version", info.RuncCommit?.ID], ["init version", info.InitCommit?.ID],
    ["Security Options", undefined, securityLines(info.SecurityOptions ?? [])],
    ["Kernel Version", info.KernelVersion],
    ["Operating System", info.OperatingSystem],
    ["OSType", info.OSType],
    ["Architecture", info.Architecture],
    ["CPUs", info.NCPU],
    ["Total Memory", binarySize(info.MemTotal)],
    ["Name", info.Name],
    ["ID", info.ID],
    ["Docker Root Dir", info.DockerRootDir],
    ["Debug Mode", info.Debug],
    ["HTTP Proxy", info.HttpProxy], ["HTTPS Proxy", info.HttpsProxy], ["No Proxy", info.NoProxy],
    ["Labels", undefined, (info.Labels ?? []).map((label) => ` ${label}`)],
    ["Experimental", info.ExperimentalBuild],
    ["Insecure Registries", undefined, [...Object.entries(registry?.IndexConfigs ?? {}).filter(([, one]) => one?.Secure === false).map(([name]) => ` ${name}`), ...(registry?.InsecureRegistryCIDRs ?? []).map((cidr) => ` ${cidr}`)]],
    ["Registry Mirrors", undefined, (registry?.Mirrors ?? []).map((mirror) => ` ${mirror}`)],
    ["Live Restore Enabled", info.LiveRestoreEnabled],
  ];
  return lines.flatMap(([name, value, below]) => {
    if (below) return below.length > 0 ? [` ${name}:`, ...below.map((line) => ` ${line}`)] : [];
    return value === undefined || value === "" ? [] : [` ${name}: ${value}`];
  });
}

/** `name=seccomp,profile=default` as a name and what is known of it. */
function securityLines(options: readonly string[]): string[] {
  return options.flatMap((option) => {
    const [first = "", ...rest] = option.split(",").map((pair) => pair.split("=") as [string, string?]).map(([key, value]) => (key === "name" ? (value ?? "") : `${key[0]!.toUpperCase()}${key.slice(1)}: ${value ?? ""}`));
    return [` ${first}`, ...rest.map((line) => `  ${line}`)];
  });
}
