import type { BuildCacheView, ImageSummary } from "../../core/index.js";
import type { ContainerView } from "../../services/types.js";
import { Texts } from "../json.js";
import type { components } from "../generated/openapi.js";
import type { ApiVersion } from "../version.js";
import { encodeContainerSummary, statusText } from "./containers.js";
import { encodeImageSummary } from "./images.js";
import { encodeBuildRecord } from "./others.js";
import { buildRecord, containerSummary, imageSummary } from "./shapes.js";

type Schemas = components["schemas"];

/** Images, containers and build records as every list of them shows them. What did not change since an earlier list is not encoded again. */
export class Lists {
  private readonly ofImages = new Texts<ImageSummary>(3);
  private readonly ofContainers = new Texts<ContainerView>();
  private readonly ofRecords = new Texts<BuildCacheView>(1);

  /** `shared`: with what they share with others, and how many containers they have. */
  images(images: readonly ImageSummary[], shared: boolean, version: ApiVersion): Schemas["ImageSummary"][] {
    return this.ofImages.list(`${version} ${shared}`, images, (image) => imageSummary(encodeImageSummary(image, shared), version));
  }
  containers(views: readonly ContainerView[], now: number, version: ApiVersion): Schemas["ContainerSummary"][] {
    return this.ofContainers.list(String(version), views, (view) => containerSummary(encodeContainerSummary(view, now), version), ({ container, health }) => statusText(container.state, now, health));
  }
  buildRecords(records: readonly BuildCacheView[], version: ApiVersion): Schemas["BuildCache"][] {
    return this.ofRecords.list(String(version), records, (record) => buildRecord(encodeBuildRecord(record), version));
  }
}
