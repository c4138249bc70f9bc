import type { ImageSummary } from "@strata/client";
import type { Listing } from "../format/listing.js";
import { ago, goTime, humanSize, shortId } from "../format/units.js";

/** An image under one of its names. */
export interface ImageRow {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const NONE = "<none>";

/** A row for every name of every image, and with digests for every pair of the two. */
export function imageRows(images: readonly ImageSummary[], withDigests: boolean): ImageRow[] {
  return images.flatMap((image) => {
    const tags = (image.RepoTags ?? []).filter((name) => name !== "<none>:<none>").map((name) => ({ repository: name.slice(0, name.lastIndexOf(":")), tag: name.slice(name.lastIndexOf(":") + 1) }));
    const digests = (image.RepoDigests ?? []).filter((name) => name !== "<none>@<none>").map((name) => ({ repository: name.slice(0, name.indexOf("@")), digest: name.slice(name.indexOf("@") + 1) }));
    const rows = tags.flatMap(({ repository, tag }) => {
      const own = withDigests ? digests.filter((one) => one.repository === repository) : [];
      return own.length === 0 ? [{ image, repository, tag, digest: NONE }] : own.map(({ digest }) => ({ image, repository, tag, digest }));
    });
    const untagged = digests.filter((one) => !tags.some(({ repository }) => repository === one.repository));
    const repositories = withDigests ? untagged : [...new Map(untagged.map((one) => [one.repository, { ...one, digest: NONE }])).values()];
    rows.push(...repositories.map(({ repository, digest }) => ({ image, repository, tag: NONE, digest })));
    return rows.length > 0 ? rows : [{ image, repository: NONE, tag: NONE, digest: NONE }];
  });
}

const known = (value: number | undefined, show: (value: number) => string): string => (value === undefined || value === -1 ? "N/A" : show(value));

export const imageListing: Listing<ImageRow> = {
  name: "Image",
  columns: {
    ID: { header: "IMAGE ID", value: ({ image }, { noTrunc }) => (noTrunc ? image.Id : shortId(image.Id)) },
    Repository: { header: "REPOSITORY", value: ({ repository }) => repository },
    Tag: { header: "TAG", value: ({ tag }) => tag },
    Digest: { header: "DIGEST", value: ({ digest }) => digest },
    CreatedSince: { header: "CREATED", value: ({ image }, { now }) => ago(image.Created, now) || "N/A" },
    CreatedAt: { header: "CREATED AT", value: ({ image }) => goTime(image.Created) },
    Size: { header: "SIZE", value: ({ image }) => humanSize(image.Size) },
    Containers: { header: "CONTAINERS", value: ({ image }) => known(image.Containers, String) },
    VirtualSize: { header: "VIRTUAL SIZE", value: ({ image }) => humanSize(image.Size, 4) },
    SharedSize: { header: "SHARED SIZE", value: ({ image }) => known(image.SharedSize, (size) => humanSize(size, 4)) },
    UniqueSize: { header: "UNIQUE SIZE", value: ({ image }) => known(image.SharedSize, (size) => humanSize(image.Size - size, 4)) },
  },
};

export const IMAGE_COLUMNS = ["Repository", "Tag", "ID", "CreatedSince", "Size"];
