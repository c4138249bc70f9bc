import { defineCommand } from "../command.js";
import { keyValues } from "../key-values.js";

export const command = defineCommand<{ alias: string[]; driverOpt: string[]; gwPriority?: number; ip?: string; ip6?: string; link: string[]; linkLocalIp: string[] }>({
  usage: "[OPTIONS] NETWORK CONTAINER",
  args: [2, 2],
  options: (options) => options
    .list("--alias <list>", "One more name for the container on this network")
    .list("--driver-opt <list>", "An option of the driver, key=value")
    .integer("--gw-priority <int>", "The highest has the default route")
    .value("--ip <string>", "IPv4 address to take")
    .value("--ip6 <string>", "IPv6 address to take")
    .list("--link <list>", "A name for another container: container:alias")
    .list("--link-local-ip <list>", "A link-local address to take"),
  run: (cli, [network, container], { alias, driverOpt, gwPriority, ip, ip6, link, linkLocalIp }) =>
    cli.client.networks.connect(network!, container!, {
      endpoint: {
        IPAMConfig: { IPv4Address: ip, IPv6Address: ip6, LinkLocalIPs: linkLocalIp.length > 0 ? linkLocalIp : undefined },
        Aliases: alias, Links: link, DriverOpts: keyValues(driverOpt), GwPriority: gwPriority,
      },
    }),
});
