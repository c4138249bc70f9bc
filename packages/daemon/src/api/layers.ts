import { InvalidArgument, NotFound } from "../core/index.js";
import type { ImageService } from "../services/types.js";
import { ok, type Routes } from "./context.js";
import { parseFilters } from "./filters.js";
import { lazily } from "./json.js";
import { encodeLayer } from "./encode/images.js";

export function layerRoutes(images: ImageService): Pick<Routes, "layerList" | "layerInspect"> {
  return {
    layerList: ({ query }) => ok(lazily(images.layers({ filters: parseFilters(query.filters) }), encodeLayer)),
    layerInspect({ path }) {
      const wanted = path.chainId.replace(/^sha256:/, "");
      const found = /^[0-9a-f]+$/.test(wanted) ? images.layers({ filters: new Map(), prefix: `sha256:${wanted}` }) : [];
      if (found.length === 0) throw new NotFound(`No such layer: ${path.chainId}`);
      if (found.length > 1) throw new InvalidArgument(`several layers begin with ${path.chainId}`);
      return ok(encodeLayer(found[0]!));
    },
  };
}
