import type { components } from "../generated/openapi.js";
import type { ApiVersion } from "../version.js";

/**
 * What differs between API versions, and nothing else does. Encoders give the newest shape; these functions turn it
 * into the one that was asked for.
 */
type Schemas = components["schemas"];

/** `VirtualSize` repeated `Size` until 1.43; images without a name were `<none>` until 1.42. */
export function imageSummary(image: Schemas["ImageSummary"], version: ApiVersion): Schemas["ImageSummary"] {
  if (version >= 44) return image;
  const unnamed = version < 43 && image.RepoTags.length === 0 && image.RepoDigests.length === 0;
  return {
    ...image, VirtualSize: image.Size,
    ...(unnamed ? { RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] } : {}),
  };
}

/** Members of an image's `Config` that only containers have; shown until 1.49. */
const CONTAINER_ONLY = ["Hostname", "Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Image", "NetworkDisabled", "StopTimeout"] as const;

/** Container-only configuration went in 1.50, the build container in 1.45, `VirtualSize` in 1.44. */
export function imageInspect(image: Schemas["ImageInspect"], version: ApiVersion): Schemas["ImageInspect"] {
  const { Container, ContainerConfig, VirtualSize, ...rest } = image;
  if (version >= 50) {
    const config = { ...rest.Config };
    for (const name of CONTAINER_ONLY) delete config[name];
    return { ...rest, Config: config };
  }
  if (version >= 45) return rest;
  return { ...rest, Container, ContainerConfig, ...(version < 44 ? { VirtualSize } : {}) };
}

/** Until 1.44 the container's short ID was among its aliases; the names in DNS came then too. `GwPriority` is of 1.48. */
function endpoints(networks: Schemas["NetworkSettings"]["Networks"], id: string, version: ApiVersion): Schemas["NetworkSettings"]["Networks"] {
  if (version >= 48) return networks;
  return Object.fromEntries(Object.entries(networks).map(([name, { GwPriority: _, ...e }]) => {
    if (version >= 45) return [name, e];
    const Aliases = !e.Aliases && ["bridge", "host", "none"].includes(name) ? null : [...(e.Aliases ?? []), id.slice(0, 12)];
    const { DNSNames, ...old } = e;
    return [name, version >= 44 ? { ...old, Aliases, DNSNames } : { ...old, Aliases }];
  }));
}

/** `Config.MacAddress` until 1.43 (the endpoint has it since), `HostConfig.KernelMemory` and `KernelMemoryTCP` until 1.41, `Annotations` since 1.43. */
export function containerInspect(container: Schemas["ContainerInspect"], version: ApiVersion): Schemas["ContainerInspect"] {
  if (version >= 48) return container;
  const { NetworkSettings, HostConfig, Config } = container;
  const { Annotations, ...host } = HostConfig;
  return {
    ...container,
    HostConfig: { ...(version < 42 ? { KernelMemory: 0, KernelMemoryTCP: 0 } : {}), ...host, ...(version >= 43 && Annotations !== undefined ? { Annotations } : {}) },
    Config: version < 44 && NetworkSettings.MacAddress ? { ...Config, MacAddress: NetworkSettings.MacAddress } : Config,
    NetworkSettings: { ...NetworkSettings, Networks: endpoints(NetworkSettings.Networks, container.Id, version) },
  };
}

/** `HostConfig.Annotations` came in 1.46. */
export function containerSummary(container: Schemas["ContainerSummary"], version: ApiVersion): Schemas["ContainerSummary"] {
  if (version >= 48) return container;
  return {
    ...container,
    HostConfig: version >= 46 ? container.HostConfig : { NetworkMode: container.HostConfig.NetworkMode },
    NetworkSettings: { Networks: endpoints(container.NetworkSettings.Networks ?? {}, container.Id, version) },
  };
}

/** The firewall is told since 1.49, bridge filtering was until then, the expected commits until 1.48, non-distributable artifacts until 1.46, kernel memory until 1.41. */
export function systemInfo(info: Schemas["SystemInfo"], version: ApiVersion): Schemas["SystemInfo"] {
  const { BridgeNfIptables, BridgeNfIp6tables, KernelMemory, KernelMemoryTCP, RegistryConfig, FirewallBackend, ...rest } = info;
  const commit = (c: Schemas["Commit"] | undefined): Schemas["Commit"] => (version >= 49 ? { ID: c?.ID ?? "" } : { ID: c?.ID ?? "", Expected: c?.ID ?? "" });
  const { AllowNondistributableArtifactsCIDRs, AllowNondistributableArtifactsHostnames, ...registry } = RegistryConfig ?? {};
  return {
    ...rest,
    ...(version >= 49 ? { FirewallBackend } : {}),
    ...(version < 50 ? { BridgeNfIptables, BridgeNfIp6tables } : {}),
    ...(version < 42 ? { KernelMemory, KernelMemoryTCP } : {}),
    RegistryConfig: version < 47 ? { AllowNondistributableArtifactsCIDRs, AllowNondistributableArtifactsHostnames, ...registry } : registry,
    ContainerdCommit: commit(info.ContainerdCommit), RuncCommit: commit(info.RuncCommit), InitCommit: commit(info.InitCommit),
  };
}

/** Until 1.41 `BuilderSize`. Lists have the shape of the version already. */
export function diskUsage(usage: Schemas["DiskUsage"], builderSize: number, version: ApiVersion): Schemas["DiskUsage"] {
  return version < 42 ? { ...usage, BuilderSize: builderSize } : usage;
}
/** A record had one `Parent` until 1.41, and has `Parents` since. */
export function buildRecord({ Parent, Parents, ...record }: Schemas["BuildCache"], version: ApiVersion): Schemas["BuildCache"] {
  return { ...record, ...(version < 42 ? Parent === undefined ? {} : { Parent } : Parents === undefined ? {} : { Parents }) };
}

/** `EnableIPv4` came in 1.48. */
export function network(value: Schemas["Network"], version: ApiVersion): Schemas["Network"] {
  if (version >= 48) return value;
  const { EnableIPv4: _, ...rest } = value;
  return rest;
}
