import { type Clock, type ContainerStore, type GraphKind, type GraphReader, type ImageStore, InvalidArgument, NotFound, type UsageBooks, type VolumeStore, type Why } from "../core/index.js";
import type { GraphService, GraphUsage } from "./graph-types.js";

export interface GraphParts {
  readonly usage: UsageBooks;
  readonly graph: GraphReader;
  readonly images: Pick<ImageStore, "resolve">;
  readonly containers: Pick<ContainerStore, "resolve">;
  readonly volumes: Pick<VolumeStore, "get">;
  readonly clock: Clock;
}

/** The data root as a graph of things that hold one another, and what they take. */
export class Graph implements GraphService {
  constructor(private readonly parts: GraphParts) {}

  async usage({ refresh, owners }: { refresh: boolean; owners: number }): Promise<GraphUsage> {
    const { usage, clock } = this.parts;
    if (refresh) await usage.refresh();
    const kinds = await usage.kinds();
    const answer = {
      at: clock.now(), kinds, bytes: kinds.reduce((sum, { bytes }) => sum + bytes, 0), inodes: kinds.reduce((sum, { inodes }) => sum + inodes, 0),
      images: usage.images(), buildCache: usage.buildCache(), owners: await usage.owners(owners),
    };
    if (!refresh) usage.lookedAt();
    return answer;
  }

  why(text: string): Why[] {
    const { images, containers, volumes, graph } = this.parts;
    const container = named(() => containers.resolve(text));
    const found: { kind: GraphKind; key: string }[] = [];
    const image = named(() => images.resolve(text)), volume = named(() => volumes.get(text).name);
    if (image !== undefined) found.push({ kind: "image", key: image });
    if (container !== undefined) found.push({ kind: "container", key: container });
    if (volume !== undefined) found.push({ kind: "volume", key: volume });
    // A container's snapshots have its ID: they are a part of it.
    found.push(...graph.find(text).filter(({ kind, key }) => container === undefined || kind !== "snapshot" || !key.startsWith(container)));
    if (found.length === 0) throw new NotFound(`nothing is called ${text}: no image, container, volume, network, layer, blob, snapshot, build record, download or lease`);
    return found.map(({ kind, key }) => graph.why(kind, key));
  }
}

/** Undefined for what is not there, and for a text that cannot be such a name or stands for several. */
function named<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (e) {
    if (e instanceof NotFound || e instanceof InvalidArgument) return undefined;
    throw e;
  }
}
