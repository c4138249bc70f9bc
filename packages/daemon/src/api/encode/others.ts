import { rfc3339Nano, type BuildCacheView, type Network, type StrataEvent, type Volume } from "../../core/index.js";
import type { NetworkView, VolumeView } from "../../services/types.js";
import type { components } from "../generated/openapi.js";

type Schemas = components["schemas"];

export function encodeVolume(volume: Volume | VolumeView, usage = false): Schemas["Volume"] {
  const whole = rfc3339Nano(volume.createdAt).replace(/\.\d+Z$/, "Z");
  return {
    CreatedAt: whole,
    Driver: volume.driver,
    Labels: volume.anonymous ? { "com.docker.volume.anonymous": "", ...volume.labels } : Object.keys(volume.labels).length > 0 ? { ...volume.labels } : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? { ...volume.options } : null,
    Scope: "scope" in volume && volume.scope !== undefined ? volume.scope : "local",
    ...("status" in volume && volume.status !== undefined ? { Status: volume.status } : {}),
    ...(usage && "refs" in volume ? { UsageData: { RefCount: volume.refs, Size: volume.size ?? -1 } } : {}),
  };
}

export function encodeNetwork(network: Network, endpoints: NetworkView["endpoints"]): Schemas["Network"] {
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339Nano(network.createdAt),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.ipv4 !== false,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: "default", Options: network.ipamOptions ? { ...network.ipamOptions } : null,
      Config: network.ipam.length === 0 && network.driver !== "bridge" ? null
        : network.ipam.map((p) => ({ Subnet: p.subnet, ...(p.range === undefined ? {} : { IPRange: p.range }), ...(p.gateway === undefined ? {} : { Gateway: p.gateway }), ...(p.reserved === undefined ? {} : { AuxiliaryAddresses: { ...p.reserved } }) })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? "" },
    ConfigOnly: network.configOnly === true,
    Containers: Object.fromEntries(endpoints.map((e) => [e.container, {
      Name: e.containerName, EndpointID: e.id, MacAddress: e.mac,
      IPv4Address: e.ipv4 === null ? "" : `${e.ipv4}/${e.prefix}`, IPv6Address: e.ipv6 === null ? "" : `${e.ipv6}/${e.prefix6}`,
    }])),
    Options: { ...network.options },
    Labels: { ...network.labels },
  };
}

export function encodeEvent(event: StrataEvent): Schemas["EventMessage"] {
  const actor = { ID: event.id, Attributes: { ...event.attributes } };
  const old = event.type === "container" || event.type === "image" ? { status: event.action, id: event.id, ...(event.attributes["image"] === undefined ? {} : { from: event.attributes["image"] }) } : {};
  return { ...old, Type: event.type, Action: event.action, Actor: actor, scope: "local", time: Math.floor(event.time / 1000), timeNano: Math.round(event.time * 1e6) };
}

export function encodeBuildRecord(record: BuildCacheView): Schemas["BuildCache"] {
  return {
    ID: record.key, ...(record.parent === null ? {} : { Parent: record.parent, Parents: [record.parent] }), Type: record.type, Description: record.description, InUse: record.inUse, Shared: record.shared,
    Size: record.size, CreatedAt: rfc3339Nano(record.createdAt), LastUsedAt: rfc3339Nano(record.lastUsedAt), UsageCount: record.uses,
  };
}
