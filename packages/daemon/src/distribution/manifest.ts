import { MediaType, formatPlatform, isIndexType, isManifestType, parseDigest, platformScore, withPlatform } from "@strata/oci";
import type { Descriptor, ImageConfig, Index, Manifest, Platform } from "@strata/oci";
import { InvalidArgument, NotFound } from "../core/index.js";
import { checkConfig } from "./config-shape.js";

/** Reading manifests, indexes and configurations that came from elsewhere: every field that is used is checked. */

type Json = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (e) {
    throw new InvalidArgument(`${what} is not valid JSON`, { cause: e });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new InvalidArgument(`${what} is not a JSON object`);
  return value as Json;
}

/** Media type by the document itself where it says so, else by the header it came with, else by its shape. */
export function mediaTypeOf(bytes: Uint8Array, header: string): string {
  const value = parseObject(bytes, "manifest");
  if (typeof value["mediaType"] === "string" && value["mediaType"] !== "") return value["mediaType"];
  if (isIndexType(header) || isManifestType(header)) return header;
  if (value["schemaVersion"] === 1) return "application/vnd.docker.distribution.manifest.v1+prettyjws";
  return Array.isArray(value["manifests"]) ? MediaType.ociIndex : Array.isArray(value["layers"]) ? MediaType.ociManifest : header;
}

function descriptor(value: unknown, what: string): Descriptor {
  const d = value as Partial<Record<keyof Descriptor, unknown>> | null;
  if (typeof d !== "object" || d === null || typeof d.digest !== "string" || typeof d.mediaType !== "string") throw new InvalidArgument(`${what} is not a descriptor`);
  const digest = parseDigest(d.digest);
  if (digest === undefined) throw new InvalidArgument(`${what}: unsupported digest "${d.digest}"`);
  if (typeof d.size !== "number" || !Number.isSafeInteger(d.size) || d.size < 0) throw new InvalidArgument(`${what}: invalid size`);
  return { ...(d as Descriptor), digest };
}

export function parseIndex(bytes: Uint8Array): Index {
  const value = parseObject(bytes, "image index");
  if (!Array.isArray(value["manifests"])) throw new InvalidArgument("image index without manifests");
  return { ...(value as unknown as Index), manifests: value["manifests"].map((m, i) => descriptor(m, `manifest ${i} of the image index`)) };
}

const CONFIG_TYPES: ReadonlySet<string> = new Set([MediaType.dockerConfig, MediaType.ociConfig, "application/octet-stream"]);
const LAYER_TYPES: ReadonlySet<string> = new Set([
  MediaType.dockerLayerGzip, MediaType.dockerLayer, MediaType.dockerForeignLayerGzip, MediaType.ociLayer, MediaType.ociLayerGzip, MediaType.ociLayerZstd,
  "application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.docker.image.rootfs.foreign.diff.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
]);

/** A manifest of a container image; InvalidArgument for artifacts that are none. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseObject(bytes, "image manifest");
  if (value["schemaVersion"] === 1) throw new InvalidArgument("the manifest has schema version 1, which is no longer supported: build and push the image anew");
  if (!Array.isArray(value["layers"])) throw new InvalidArgument("image manifest without layers");
  const config = descriptor(value["config"], "configuration of the image manifest");
  if (!CONFIG_TYPES.has(config.mediaType)) throw new InvalidArgument(`unsupported media type ${config.mediaType}: the artifact is not a container image`);
  const layers = value["layers"].map((l, i) => descriptor(l, `layer ${i} of the image manifest`));
  for (const { mediaType } of layers) if (!LAYER_TYPES.has(mediaType)) throw new InvalidArgument(`unsupported media type ${mediaType}: the artifact is not a container image`);
  return { ...(value as unknown as Manifest), config, layers };
}

/** An image configuration with as many layers as `layers` says. */
export function parseConfig(bytes: Uint8Array, layers: number): ImageConfig {
  const value = parseObject(bytes, "image configuration");
  checkConfig(value);
  const rootfs = value["rootfs"] as { type?: unknown; diff_ids?: unknown } | undefined;
  if (typeof rootfs !== "object" || rootfs === null || rootfs.type !== "layers") throw new InvalidArgument("image configuration without rootfs");
  const ids: unknown[] = Array.isArray(rootfs.diff_ids) ? rootfs.diff_ids : [];
  if (ids.some((d) => typeof d !== "string" || parseDigest(d) === undefined)) throw new InvalidArgument("image configuration with a malformed diff ID");
  if (ids.length !== layers) throw new InvalidArgument(`image configuration lists ${ids.length} layers, the manifest ${layers}`);
  return { ...withPlatform(value as unknown as ImageConfig), rootfs: { type: "layers", diff_ids: ids as ImageConfig["rootfs"]["diff_ids"] } };
}

/** Refuses images of other systems. */
export function needSystem({ os }: ImageConfig, { os: ours }: Platform): void {
  if (os.toLowerCase() !== ours) throw new InvalidArgument(`image operating system ${JSON.stringify(os)} cannot be used on this platform`);
}

/** The entry of an index that serves a platform best; the first of equals. NotFound when none does. */
export function choosePlatform(index: Index, wanted: Platform): Descriptor {
  let best: Descriptor | undefined, bestScore = -1;
  for (const entry of index.manifests) {
    if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) continue;
    // An entry that does not say what it is for serves where nothing better is there.
    const score = entry.platform === undefined ? (entry.artifactType === undefined ? 1 : -1) : platformScore(wanted, entry.platform);
    if (score > bestScore) [best, bestScore] = [entry, score];
  }
  if (best === undefined) throw new NotFound(`no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`);
  return best;
}
