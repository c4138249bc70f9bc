import { parsePlatform } from "@strata/oci";
import { InvalidArgument, type ContainerConfig, type EndpointSpec, type HostConfig } from "../core/index.js";
import type { CreateContainer } from "../services/types.js";
import type { components } from "./generated/openapi.js";
import type { ApiVersion } from "./version.js";

type Schemas = components["schemas"];

/** One string stands for a list of one. */
const list = (command: string[] | string | undefined): string[] | undefined => (typeof command === "string" ? [command] : command);

export function toContainerConfig(config: Schemas["ContainerConfig"]): ContainerConfig {
  const { MacAddress: _, Cmd, Entrypoint, ...rest } = config;
  const [cmd, entrypoint] = [list(Cmd), list(Entrypoint)];
  return { ...(rest as ContainerConfig), ...(cmd === undefined ? {} : { Cmd: cmd }), ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }) };
}

/** What the user asks of one network; the addresses an inspect would show are not asked for. */
export function toEndpointSpec(settings: Schemas["EndpointSettings"] | null | undefined): EndpointSpec {
  const { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority } = settings ?? {};
  return {
    ...(IPAMConfig ? { IPAMConfig } : {}), ...(Links ? { Links } : {}), ...(Aliases ? { Aliases } : {}), ...(MacAddress ? { MacAddress } : {}),
    ...(DriverOpts ? { DriverOpts } : {}), ...(GwPriority ? { GwPriority } : {}),
  };
}

/** The body of a create, with what older versions meant by leaving something out. */
export function toCreate(body: Schemas["ContainerCreateRequest"], query: { name?: string; platform?: string }, version: ApiVersion): CreateContainer {
  const { HostConfig: given, NetworkingConfig, ...config } = body;
  const hostConfig = { ...(given as HostConfig | undefined) };
  if (version < 40 && !hostConfig.IpcMode) hostConfig.IpcMode = "shareable";
  if (version < 41 && !hostConfig.CgroupnsMode) hostConfig.CgroupnsMode = "host";
  if (version < 42) delete hostConfig.Annotations;
  // Until then what was mounted below a read-only mount stayed as it was.
  if (version < 44 && hostConfig.Mounts) hostConfig.Mounts = hostConfig.Mounts.map((m) => (m.Type === "bind" ? { ...m, BindOptions: { ...m.BindOptions, ReadOnlyNonRecursive: true } } : m));
  delete hostConfig["KernelMemory"];
  // What the image exposes is another matter: it is not asked for here.
  if (hostConfig.NetworkMode?.startsWith("container:") && Object.keys(config.ExposedPorts ?? {}).length > 0 && Object.keys(hostConfig.PortBindings ?? {}).length === 0) throw new InvalidArgument("conflicting options: port exposing and the container type network mode");
  const networks = Object.fromEntries(Object.entries(NetworkingConfig?.EndpointsConfig ?? {}).map(([name, e]) => [name, toEndpointSpec(e)]));
  if (config.MacAddress) {
    const mode = hostConfig.NetworkMode;
    const primary = !mode || mode === "default" ? "bridge" : mode;
    networks[primary] = { ...networks[primary], MacAddress: config.MacAddress };
  }
  if (/^(container:|host$)/.test(hostConfig.NetworkMode ?? "") && Object.values(networks).some((n) => n.MacAddress)) throw new InvalidArgument("conflicting options: mac-address and the network mode");
  const platform = query.platform ? parsePlatform(query.platform) : undefined;
  if (query.platform && platform === undefined) throw new InvalidArgument(`invalid platform: "${query.platform}"`);
  const name = query.name?.replace(/^\//, "");
  return { ...(name ? { name } : {}), ...(platform === undefined ? {} : { platform }), config: toContainerConfig(config), hostConfig, networks };
}
