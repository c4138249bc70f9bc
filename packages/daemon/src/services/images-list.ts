import type { ImageId } from "@strata/oci";
import type { ImageStore, ImageSummary } from "../core/index.js";
import { booleanFilter, labelsMatch, rejectUnknown, untilOf } from "./filter-match.js";
import { referenceMatcher } from "./images-names.js";
import type { Filters } from "./types.js";

const KNOWN = ["dangling", "label", "label!", "before", "since", "until", "reference", "id"];

/**
 * Images for `docker images`: without `all`, untagged ones that others were made from are left out. A `reference` filter also narrows
 * the names that are shown. InvalidArgument for unknown filters, NotFound for an unknown image in `before` or `since`.
 */
export function listImages(images: ImageStore, { all, filters }: { all: boolean; filters: Filters }, now: number): ImageSummary[] {
  rejectUnknown(filters, KNOWN);
  const summaries = images.list();
  const parents = new Set<ImageId | null>(summaries.map((i) => i.parent));
  const dangling = booleanFilter(filters, "dangling");
  const patterns = filters.get("reference") ?? [];
  const matches = referenceMatcher(patterns);
  const ids = filters.get("id") ?? [];
  const until = untilOf(filters, now);
  const createdOf = (name: string): number => {
    const id = images.resolve(name);
    return summaries.find((i) => i.id === id)?.createdAt ?? 0;
  };
  const before = Math.min(Infinity, ...(filters.get("before") ?? []).map(createdOf));
  const since = Math.max(-Infinity, ...(filters.get("since") ?? []).map(createdOf));

  const shown: ImageSummary[] = [];
  for (const image of summaries) {
    const named = image.tags.length + image.digests.length > 0;
    if (!named && !all && parents.has(image.id)) continue;
    if (dangling !== undefined && dangling !== isDangling(image, parents)) continue;
    if (!(image.createdAt < before && image.createdAt > since && image.createdAt <= until)) continue;
    if (!labelsMatch(filters, image.labels)) continue;
    if (ids.length > 0 && !ids.some((id) => image.id.startsWith(id.startsWith("sha256:") ? id : `sha256:${id}`))) continue;
    if (patterns.length === 0) {
      shown.push(image);
      continue;
    }
    const [tags, digests] = [image.tags.filter(matches), image.digests.filter(matches)];
    if (tags.length + digests.length > 0) shown.push({ ...image, tags, digests });
  }
  return shown;
}

/** No tag names it, and nothing was made from it. */
export function isDangling(image: ImageSummary, parents: ReadonlySet<ImageId | null>): boolean {
  return image.tags.length === 0 && !parents.has(image.id);
}
