import { InvalidArgument, Unavailable } from "../core/index.js";
import type { VolumeService } from "../services/types.js";
import { created, empty, ok, type Routes } from "./context.js";
import { encodeVolume } from "./encode/others.js";
import { parseFilters } from "./filters.js";

export function volumeRoutes(volumes: VolumeService): Pick<Routes, Extract<keyof Routes, `volume${string}`>> {
  return {
    async volumeList({ query }) {
      const found = await volumes.list(parseFilters(query.filters));
      return ok({ Volumes: found.map((v) => encodeVolume(v)), Warnings: null });
    },
    async volumeCreate({ body }) {
      const { Name, Driver, DriverOpts, Labels, ClusterVolumeSpec } = body ?? {};
      if (ClusterVolumeSpec !== undefined) throw new Unavailable("ClusterVolumeSpec: this node is not a swarm manager, and volumes of a cluster need one");
      const volume = await volumes.create({
        ...(Name ? { name: Name } : {}), ...(Driver ? { driver: Driver } : {}), ...(DriverOpts ? { options: DriverOpts } : {}), ...(Labels ? { labels: Labels } : {}),
      });
      return created(encodeVolume(volume));
    },
    async volumeInspect({ path }) {
      return ok(encodeVolume(await volumes.inspect(path.name)));
    },
    async volumeUpdate({ path, body }) {
      if (body.Spec !== undefined) throw new InvalidArgument("Spec: there are no cluster volumes here; a volume's size is changed by Options");
      if (body.Options?.["size"] === undefined) throw new InvalidArgument("Options: a size is missing");
      return ok(encodeVolume(await volumes.update(path.name, body.Options)));
    },
    async volumeDelete({ path, query }) {
      await volumes.remove(path.name, query.force ?? false);
      return empty(204);
    },
    async volumePrune({ query, version }) {
      const filters = new Map(parseFilters(query.filters));
      // Until 1.41 named volumes went too.
      if (version < 42 && !filters.has("all")) filters.set("all", ["true"]);
      const { removed, bytes } = await volumes.prune(filters);
      return ok({ VolumesDeleted: removed, SpaceReclaimed: bytes });
    },
  };
}
