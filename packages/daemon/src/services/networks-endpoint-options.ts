import { InvalidArgument, parseIp, PermissionDenied, type EndpointSpec, type Network } from "../core/index.js";
import { INTERFACE_NAME, OPTION } from "./networks-spec.js";

/** What may be asked of one container's place on one network, by Docker's names. */
const IFNAME = "com.docker.network.endpoint.ifname", SYSCTLS = "com.docker.network.endpoint.sysctls";
const SYSCTL = /^net\.(ipv4|ipv6|mpls)\.[a-z]+\.IFNAME\.[a-z0-9_]+=[^,]*$/;

/** InvalidArgument names the option. */
export function checkEndpointOptions(spec: EndpointSpec): void {
  const name = spec.DriverOpts?.[IFNAME];
  if (name !== undefined && (!INTERFACE_NAME.test(name) || ["lo", ".", ".."].includes(name))) throw new InvalidArgument(`${IFNAME}: invalid interface name "${name}"`);
  for (const text of sysctlsOf(spec)) {
    if (!SYSCTL.test(text)) throw new InvalidArgument(`${SYSCTLS}: "${text}" is not of the form net.X.Y.IFNAME.Z=value`);
  }
  for (const address of spec.IPAMConfig?.LinkLocalIPs ?? []) if (!parseIp(address)) throw new InvalidArgument(`invalid endpoint settings:\ninvalid link-local IP address: ${address}`);
}

/** Settings of the interface in its namespace, in order. */
export function sysctlsOf(spec: EndpointSpec): string[] {
  return (spec.DriverOpts?.[SYSCTLS] ?? "").split(",").filter((text) => text !== "");
}

/** The name asked for, else the first free one that the network's interfaces have. */
export function interfaceNameFor(network: Network, spec: EndpointSpec, taken: ReadonlySet<string>): string {
  const wanted = spec.DriverOpts?.[IFNAME];
  if (wanted !== undefined) {
    if (taken.has(wanted)) throw new PermissionDenied(`${IFNAME}: the container has an interface ${wanted} already`);
    return wanted;
  }
  const prefix = network.options[OPTION.prefix] || "eth";
  for (let n = 0; ; n++) if (!taken.has(`${prefix}${n}`)) return `${prefix}${n}`;
}
