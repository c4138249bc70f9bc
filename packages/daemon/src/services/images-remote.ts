import { familiarRepository, isIndexType, withDefaultTag } from "@strata/oci";
import type { Platform } from "@strata/oci";
import { InvalidArgument } from "../core/index.js";
import type { RegistryClient } from "../distribution/client.js";
import { mediaTypeOf, parseConfig, parseIndex, parseManifest } from "../distribution/manifest.js";
import { booleanFilter, rejectUnknown } from "./filter-match.js";
import { readReference } from "./images-names.js";
import type { Filters, RegistryAuth, RemoteImage, SearchResult } from "./types.js";

/** What registries say of images, without pulling any. */

export interface RemoteOptions { readonly auth?: RegistryAuth; readonly signal: AbortSignal }

/** `word`, or `registry.example/word`. */
export async function searchImages(registry: RegistryClient, term: string, { limit = 25, filters, auth, signal }: RemoteOptions & { readonly limit?: number; readonly filters: Filters }): Promise<SearchResult[]> {
  rejectUnknown(filters, ["is-official", "is-automated", "stars"]);
  const [official, automated] = [booleanFilter(filters, "is-official"), booleanFilter(filters, "is-automated")];
  const stars = (filters.get("stars") ?? []).map((text) => {
    if (!/^\d+$/.test(text)) throw new InvalidArgument(`invalid filter 'stars=${text}'`);
    return Number(text);
  });
  if (limit < 1 || limit > 100) throw new InvalidArgument(`limit ${limit} is outside the range of [1, 100]`);
  if (term === "") throw new InvalidArgument("query parameter term is missing");
  const slash = term.indexOf("/"), host = term.slice(0, slash);
  const own = slash > 0 && (/[.:]/.test(host) || host === "localhost");
  const word = own ? term.slice(slash + 1) : term;
  const found = automated === true ? [] : await registry.search(own ? host : "docker.io", word, limit, auth ?? {}, signal);
  return found.filter((f) => (official === undefined || f.official === official) && stars.every((n) => f.stars >= n)).map((f) => (own ? { ...f, name: `${host}/${f.name}` } : f));
}

/** What a name stands for at its registry. */
export async function inspectRemote(registry: RegistryClient, name: string, { auth, signal }: RemoteOptions): Promise<RemoteImage> {
  const reference = withDefaultTag(readReference(name));
  const repository = registry.repository(reference, auth);
  const { body, digest, mediaType: header } = await repository.manifest(reference.digest ?? reference.tag!, signal);
  const mediaType = mediaTypeOf(body, header);
  const descriptor = { mediaType, digest, size: body.length };
  if (isIndexType(mediaType)) return { descriptor, platforms: parseIndex(body).manifests.flatMap((m): Platform[] => (m.platform === undefined ? [] : [m.platform])) };
  const manifest = parseManifest(body);
  const config = parseConfig(await repository.blobBytes(manifest.config, signal), manifest.layers.length);
  if (!config.os) throw new InvalidArgument(`${familiarRepository(reference)} does not say which system it is for`);
  return { descriptor, platforms: [{ architecture: config.architecture, os: config.os, ...(config.variant === undefined ? {} : { variant: config.variant }), ...(config["os.version"] === undefined ? {} : { "os.version": config["os.version"] }) }] };
}
