import { archiveRoutes } from "./archive.js";
import { buildRoutes } from "./build.js";
import { checkRoutes } from "./check.js";
import type { Routes } from "./context.js";
import { containerRoutes, type InspectFactsOf } from "./containers.js";
import { Lists } from "./encode/lists.js";
import { execRoutes } from "./exec.js";
import { graphRoutes } from "./graph.js";
import { gcRoutes } from "./gc.js";
import { imageRoutes } from "./images.js";
import { layerRoutes } from "./layers.js";
import { networkRoutes } from "./networks.js";
import { sessionRoutes } from "./sessions.js";
import { systemRoutes, type ServerFacts } from "./system.js";
import { volumeRoutes } from "./volumes.js";
import type { ContainerFileService, ContainerService, ExecService, ImageService, NetworkService, SystemService, VolumeService } from "../services/types.js";
import type { GraphService } from "../services/graph-types.js";
import type { GcService } from "../services/gc/types.js";
import type { BuildService } from "../services/build-types.js";
import type { CheckService } from "../services/check/types.js";
import type { Clock } from "../core/index.js";

/** The services behind the API. */
export interface Backends {
  readonly images: ImageService;
  readonly builds: BuildService;
  readonly checks: CheckService;
  readonly containers: ContainerService;
  readonly files: ContainerFileService;
  readonly exec: ExecService;
  readonly volumes: VolumeService;
  readonly networks: NetworkService;
  readonly system: SystemService;
  readonly graph: GraphService;
  readonly gc: GcService;
  readonly clock: Clock;
  readonly facts: ServerFacts;
  readonly inspectFacts: InspectFactsOf;
}

/** The whole API: a part of the table from each resource, none missing. */
export function routes(b: Backends): Routes {
  const lists = new Lists();
  return {
    ...systemRoutes(b.system, b.facts, b.clock, lists),
    ...imageRoutes(b.images, b.containers, lists),
    ...buildRoutes(b.builds),
    ...checkRoutes(b.checks),
    ...containerRoutes(b.containers, b.clock, b.inspectFacts, lists),
    ...sessionRoutes(b.containers, b.clock),
    ...archiveRoutes(b.files),
    ...execRoutes(b.exec),
    ...volumeRoutes(b.volumes),
    ...networkRoutes(b.networks),
    ...layerRoutes(b.images),
    ...graphRoutes(b.graph),
    ...gcRoutes(b.gc),
  };
}
