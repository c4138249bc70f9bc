import { InvalidArgument, NotFound, parseIp, PermissionDenied, Unavailable, type Network } from "../core/index.js";
import { DRIVERS, PREDEFINED } from "./networks-parts.js";
import type { NetworkSpec } from "./types.js";

/** What the name of an interface may be. */
export const INTERFACE_NAME = /^[A-Za-z0-9_.-]{1,15}$/;
/** Options of bridge networks that the services read, by Docker's names. */
export const OPTION = {
  name: "com.docker.network.bridge.name", mtu: "com.docker.network.driver.mtu", prefix: "com.docker.network.container_iface_prefix",
  binding: "com.docker.network.bridge.host_binding_ipv4",
  gateway4: "com.docker.network.bridge.gateway_mode_ipv4", gateway6: "com.docker.network.bridge.gateway_mode_ipv6",
} as const;
const BOOLEANS = ["enable_icc", "enable_ip_masquerade", "inhibit_ipv4", "default_bridge"].map((name) => `com.docker.network.bridge.${name}`);
const GATEWAY_MODES = ["nat", "nat-unprotected", "routed", "isolated"];
const SWARM = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

export const driverOf = ({ driver, configOnly }: NetworkSpec): string => (configOnly === true ? "null" : driver === undefined || driver === "" || driver === "default" ? "bridge" : driver);

/** Checks a network that a user asks for; InvalidArgument, NotFound, PermissionDenied, in Docker's words. */
export function checkSpec(spec: NetworkSpec): void {
  if (spec.name.trim() === "") throw new InvalidArgument(`invalid network name: "${spec.name}"`);
  if (PREDEFINED.has(spec.name) || spec.name === "default") throw new PermissionDenied(`operation is not permitted on predefined ${spec.name} network `);
  checkScope(spec);
  checkDriver(spec);
  if (spec.ipv4 === false && spec.ipv6 !== true) throw new InvalidArgument("IPv4 or IPv6 must be enabled");
  if (spec.ipv4 === false && spec.ipam?.some((p) => p.subnet !== "" && !p.subnet.includes(":"))) throw new InvalidArgument("a subnet of IPv4 was given, but IPv4 is disabled");
  if (spec.configOnly === true) return;
  checkOptions(spec.options ?? {}, spec.internal ?? false);
  if (driverOf(spec) !== "bridge") return;
  for (const six of [false, true]) {
    if ((spec.ipam ?? []).filter((p) => p.subnet !== "" && p.subnet.includes(":") === six).length > 1) throw new PermissionDenied("bridge driver doesn't support multiple subnets");
  }
}

/** Networks of this machine are all there is. */
function checkScope({ scope = "", ingress, configOnly, configFrom, ...spec }: NetworkSpec): void {
  if (ingress === true) throw new PermissionDenied("Ingress network can only be global scope network");
  if (scope === "swarm") throw new PermissionDenied("cannot create a swarm scoped network when swarm is not active");
  if (scope !== "" && scope !== "local") throw new InvalidArgument(`invalid network scope: "${scope}"`);
  if (configOnly === true) {
    if (configFrom !== undefined) throw new PermissionDenied("a configuration network cannot depend on another configuration network");
    if (spec.internal === true || spec.attachable === true || scope !== "") {
      throw new PermissionDenied("configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.");
    }
  }
  const own = spec.ipv6 === true || [spec.ipam, Object.keys(spec.labels ?? {}), Object.keys(spec.options ?? {}), Object.keys(spec.ipamOptions ?? {})].some((given) => (given?.length ?? 0) > 0);
  if (configFrom !== undefined && own) throw new PermissionDenied("user specified configurations are not supported if the network depends on a configuration network");
}

function checkDriver(spec: NetworkSpec): void {
  const driver = driverOf(spec);
  if (spec.configOnly === true) return;
  if (driver === "host" || driver === "null") throw new PermissionDenied(`only one instance of "${driver}" network is allowed`);
  if (driver === "overlay") throw new Unavailable(SWARM);
  if (!DRIVERS.has(driver)) throw new NotFound(`could not find plugin ${driver} in v1 plugin registry: plugin not found`);
}

function checkOptions(options: Readonly<Record<string, string>>, internal: boolean): void {
  const { [OPTION.name]: name, [OPTION.mtu]: mtu, [OPTION.prefix]: prefix } = options;
  if (name !== undefined && name !== "" && !INTERFACE_NAME.test(name)) throw new InvalidArgument(`${OPTION.name}: invalid interface name "${name}"`);
  // A digit follows, and there are 15 characters in all.
  if (prefix !== undefined && prefix !== "" && (!INTERFACE_NAME.test(prefix) || prefix.length > 12)) throw new InvalidArgument(`${OPTION.prefix}: invalid beginning of interface names "${prefix}"`);
  if (mtu !== undefined && !(/^\d+$/.test(mtu) && Number(mtu) >= 68 && Number(mtu) <= 65_535)) throw new InvalidArgument(`${OPTION.mtu}: invalid MTU "${mtu}"`);
  for (const key of BOOLEANS) {
    const value = options[key];
    if (value !== undefined && value !== "" && booleanOption(value) === undefined) throw new InvalidArgument(`failed to parse ${key} value: "${value}" is neither true nor false`);
  }
  const binding = options[OPTION.binding];
  if (binding !== undefined && binding !== "" && parseIp(binding)?.family !== 4) throw new InvalidArgument(`failed to parse ${OPTION.binding} value: invalid IPv4 address "${binding}"`);
  for (const key of [OPTION.gateway4, OPTION.gateway6]) {
    const mode = options[key];
    if (mode === undefined || mode === "") continue;
    if (!GATEWAY_MODES.includes(mode)) throw new InvalidArgument(`invalid value for ${key}: unknown gateway mode "${mode}"`);
    if (mode === "isolated" && !internal) throw new InvalidArgument(`gateway mode 'isolated' can only be used for an internal network: ${key}`);
  }
}

/** Whether others know the way to this network's addresses of a family. */
export const isRouted = ({ options }: Pick<Network, "options">, family: 4 | 6): boolean => options[family === 4 ? OPTION.gateway4 : OPTION.gateway6] === "routed";

/** What a text means that stands for a boolean, as Go's ParseBool reads it. */
export function booleanOption(text: string): boolean | undefined {
  return /^(1|t|T|TRUE|true|True)$/.test(text) ? true : /^(0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}
