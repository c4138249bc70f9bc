import { digestOf, hexOf, isIndexType, isManifestType, parseReference, platformScore } from "@strata/oci";
import type { Descriptor, ImageConfig, Index, Platform } from "@strata/oci";
import { DataLoss, InvalidArgument } from "../core/index.js";
import { mediaTypeOf, parseConfig, parseIndex, parseManifest } from "./manifest.js";
import { memberPath } from "./tar-members.js";

/** An image that an archive holds: its configuration, names, and where its layers lie, bottom first. */
export interface ArchivedImage {
  readonly configBytes: Buffer;
  readonly config: ImageConfig;
  /** As users would write them. */
  readonly tags: readonly string[];
  readonly layers: readonly string[];
}
/** Bytes of a small member; undefined when it has not been seen. */
export type ReadMember = (path: string) => Promise<Buffer | undefined>;

/** Paths of the configurations that manifest.json names. */
export function configPaths(manifestJson: Buffer): string[] {
  return entriesOf(manifestJson).map((e) => e.config);
}

/** Images of manifest.json (Docker's image-spec v1.2, "Combined Image JSON"); undefined while a configuration is missing. */
export async function dockerImages(manifestJson: Buffer, read: ReadMember): Promise<ArchivedImage[] | undefined> {
  const images: ArchivedImage[] = [];
  for (const { config, tags, layers } of entriesOf(manifestJson)) {
    const configBytes = await read(config);
    if (configBytes === undefined) return undefined;
    images.push({ configBytes, config: parseConfig(configBytes, layers.length), tags, layers });
  }
  return images;
}

interface Entry { readonly config: string; readonly tags: readonly string[]; readonly layers: readonly string[] }

function entriesOf(manifestJson: Buffer): Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(manifestJson.toString("utf8"));
  } catch (e) {
    throw new InvalidArgument("manifest.json of the archive is not valid JSON", { cause: e });
  }
  const strings = (v: unknown): v is string[] => Array.isArray(v) && v.every((s) => typeof s === "string");
  if (!Array.isArray(value)) throw new InvalidArgument("manifest.json of the archive is not a list");
  return value.map((entry: unknown): Entry => {
    const { Config, RepoTags, Layers } = (entry ?? {}) as Record<string, unknown>;
    if (typeof Config !== "string" || !strings(Layers ?? []) || !strings(RepoTags ?? [])) throw new InvalidArgument("manifest.json of the archive has a malformed entry");
    return { config: memberPath(Config), tags: (RepoTags ?? []) as string[], layers: ((Layers ?? []) as string[]).map(memberPath) };
  });
}

const blobPath = (d: Descriptor): string => `blobs/sha256/${hexOf(d.digest)}`;
const MAX_DEPTH = 3;

/** Images of an OCI image layout (image-spec, image-layout.md); of a multi-platform image the one that serves the platform best. */
export async function ociImages(indexJson: Buffer, platform: Platform, read: ReadMember): Promise<ArchivedImage[]> {
  const blob = async (d: Descriptor): Promise<Buffer | undefined> => {
    const bytes = await read(blobPath(d));
    if (bytes !== undefined && digestOf(bytes) !== d.digest) throw new DataLoss(`blob ${d.digest} of the archive has digest ${digestOf(bytes)}`);
    return bytes;
  };
  const needed = async (d: Descriptor): Promise<Buffer> => {
    const bytes = await blob(d);
    if (bytes === undefined) throw new InvalidArgument(`the archive lacks blob ${d.digest}`);
    return bytes;
  };
  const image = async (d: Descriptor, depth: number): Promise<Omit<ArchivedImage, "tags"> | undefined> => {
    const bytes = await blob(d);
    // An archive may hold one platform of a multi-platform index.
    if (bytes === undefined) return undefined;
    if (isIndexType(mediaTypeOf(bytes, d.mediaType))) {
      if (depth === MAX_DEPTH) throw new InvalidArgument("image indexes are nested too deeply");
      for (const entry of ranked(parseIndex(bytes), platform)) {
        const found = await image(entry, depth + 1);
        if (found !== undefined) return found;
      }
      return undefined;
    }
    const manifest = parseManifest(bytes);
    const configBytes = await needed(manifest.config);
    return { configBytes, config: parseConfig(configBytes, manifest.layers.length), layers: manifest.layers.map(blobPath) };
  };
  const images = new Map<string, ArchivedImage & { tags: string[] }>();
  for (const d of parseIndex(indexJson).manifests) {
    if ((!isManifestType(d.mediaType) && !isIndexType(d.mediaType)) || d.artifactType !== undefined) continue;
    if (d.platform !== undefined && platformScore(platform, d.platform) < 0) continue;
    const found = images.get(d.digest) ?? (await image(d, 0).then((i) => (i === undefined ? undefined : { ...i, tags: [] as string[] })));
    if (found === undefined) continue;
    images.set(d.digest, found);
    const name = nameOf(d);
    if (name !== undefined && !found.tags.includes(name)) found.tags.push(name);
  }
  return [...images.values()];
}

/** Entries that run on a platform, best first. */
function ranked(index: Index, platform: Platform): Descriptor[] {
  const score = (d: Descriptor): number => (d.platform === undefined ? 0 : platformScore(platform, d.platform));
  return index.manifests.filter((d) => score(d) >= 0 && d.artifactType === undefined).toSorted((a, b) => score(b) - score(a));
}

/** A full name from containerd's or podman's annotation; a mere tag names no repository. */
function nameOf({ annotations }: Descriptor): string | undefined {
  const full = annotations?.["io.containerd.image.name"];
  if (full !== undefined) return full;
  const ref = annotations?.["org.opencontainers.image.ref.name"];
  if (ref === undefined || !/[:/]/.test(ref)) return undefined;
  try {
    parseReference(ref);
    return ref;
  } catch {
    return undefined;
  }
}
