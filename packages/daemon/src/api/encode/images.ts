import type { HistoryEntry, ImageDetail, LayerView, Removed, SearchResult } from "../../services/types.js";
import { rfc3339Nano, type ImageSummary } from "../../core/index.js";
import type { RunConfig } from "@strata/oci";
import type { components } from "../generated/openapi.js";
import { familiar } from "./names.js";

type Schemas = components["schemas"];

export function encodeImageSummary(image: ImageSummary, shared: boolean): Schemas["ImageSummary"] {
  return {
    Containers: shared ? image.containers : -1,
    Created: Math.floor(image.createdAt / 1000),
    Id: image.id,
    Labels: Object.keys(image.labels).length > 0 ? { ...image.labels } : null,
    ParentId: image.parent ?? "",
    RepoDigests: image.digests.map(familiar),
    RepoTags: image.tags.map(familiar),
    SharedSize: shared ? image.sharedSize : -1,
    Size: image.size,
  };
}

/** A configuration with every member Docker's inspect has; lists that were not given are null. */
export function encodeConfig(c: RunConfig): Schemas["ContainerConfig"] {
  const config = {
    Hostname: c.Hostname ?? "", Domainname: c.Domainname ?? "", User: c.User ?? "",
    AttachStdin: c.AttachStdin ?? false, AttachStdout: c.AttachStdout ?? false, AttachStderr: c.AttachStderr ?? false,
    ...(c.ExposedPorts && Object.keys(c.ExposedPorts).length > 0 ? { ExposedPorts: c.ExposedPorts } : {}),
    Tty: c.Tty ?? false, OpenStdin: c.OpenStdin ?? false, StdinOnce: c.StdinOnce ?? false,
    Env: c.Env ?? null, Cmd: c.Cmd ?? null,
    ...(c.Healthcheck ? { Healthcheck: c.Healthcheck } : {}),
    ...(c.ArgsEscaped ? { ArgsEscaped: true } : {}),
    Image: c.Image ?? "", Volumes: c.Volumes && Object.keys(c.Volumes).length > 0 ? c.Volumes : null,
    WorkingDir: c.WorkingDir ?? "", Entrypoint: c.Entrypoint ?? null,
    ...(c.NetworkDisabled ? { NetworkDisabled: true } : {}),
    OnBuild: c.OnBuild && c.OnBuild.length > 0 ? c.OnBuild : null, Labels: c.Labels ?? {},
    ...(c.StopSignal ? { StopSignal: c.StopSignal } : {}),
    ...(c.StopTimeout === undefined ? {} : { StopTimeout: c.StopTimeout }),
    ...(c.Shell ? { Shell: c.Shell } : {}),
  };
  return config as Schemas["ContainerConfig"];
}

export function encodeImage({ image, graphDriver }: ImageDetail): Schemas["ImageInspect"] {
  const c = image.config;
  return {
    Id: image.id,
    RepoTags: image.tags.map(familiar),
    RepoDigests: image.digests.map(familiar),
    Parent: image.parent ?? "",
    Comment: c.history?.at(-1)?.comment ?? "",
    ...(c.created ? { Created: c.created } : {}),
    Container: c.container ?? "",
    ContainerConfig: encodeConfig(c.container_config ?? {}),
    DockerVersion: c.docker_version ?? "",
    Author: c.author ?? "",
    Config: encodeConfig(c.config ?? {}),
    Architecture: c.architecture,
    ...(c.variant === undefined ? {} : { Variant: c.variant }),
    Os: c.os,
    ...(c["os.version"] === undefined ? {} : { OsVersion: c["os.version"] }),
    Size: image.size,
    VirtualSize: image.size,
    GraphDriver: { Data: Object.keys(graphDriver.data).length > 0 ? { ...graphDriver.data } : null, Name: graphDriver.name },
    RootFS: { Type: c.rootfs.type, ...(c.rootfs.diff_ids.length > 0 ? { Layers: [...c.rootfs.diff_ids] } : {}) },
    Metadata: { LastTagTime: rfc3339Nano(image.lastTaggedAt ?? undefined) },
  };
}

export function encodeHistory(entry: HistoryEntry): Schemas["HistoryEntry"] {
  return {
    Comment: entry.comment ?? "",
    // Other tools leave it out, or write what is no time.
    Created: Math.floor((Date.parse(entry.created ?? "") || 0) / 1000),
    CreatedBy: entry.created_by ?? "",
    Id: entry.id ?? "<missing>",
    Size: entry.size,
    Tags: entry.tags.length > 0 ? entry.tags.map(familiar) : null,
  };
}

export function encodeRemoved(removed: Removed): Schemas["ImageDeleteItem"] {
  return "untagged" in removed ? { Untagged: familiar(removed.untagged) } : { Deleted: removed.deleted };
}

export function encodeFound({ name, description, stars, official }: SearchResult): Schemas["SearchResult"] {
  return { name, description, star_count: stars, is_official: official, is_automated: false };
}

export function encodeLayer(layer: LayerView): Schemas["Layer"] {
  return {
    ChainId: layer.chainId, DiffId: layer.diffId, Parent: layer.parent, Driver: layer.driver, Snapshot: layer.snapshot,
    Size: layer.size, TarSize: layer.tarSize, DiskBytes: layer.usage.bytes, DiskInodes: layer.usage.inodes,
    Copies: layer.copies.map(({ driver, snapshot, usage }) => ({ Driver: driver, Snapshot: snapshot, DiskBytes: usage.bytes, DiskInodes: usage.inodes })),
    Created: rfc3339Nano(layer.createdAt), LastUsed: rfc3339Nano(layer.lastUsedAt),
    Images: [...layer.images], TopOf: [...layer.topOf], ImageNames: layer.names.map(familiar), Containers: layer.containers,
  };
}
