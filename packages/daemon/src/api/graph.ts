import { rfc3339Nano, type BuildRecordOwner, type ContainerOwner, type Figure, type WhyNode, type ImageOwner, type KindUsage, type Owners, type VolumeOwner, type Why } from "../core/index.js";
import type { GraphService, GraphUsage } from "../services/graph-types.js";
import { ok, type Routes } from "./context.js";
import { familiar } from "./encode/names.js";
import { Texts } from "./json.js";
import type { components } from "./generated/openapi.js";

type Schemas = components["schemas"];

export function graphRoutes(graph: GraphService): Pick<Routes, "graphUsage" | "graphWhy"> {
  const owners = { images: new Texts<ImageOwner>(1), containers: new Texts<ContainerOwner>(1), volumes: new Texts<VolumeOwner>(1), buildCache: new Texts<BuildRecordOwner>(1) };
  const encodeOwners = ({ images, containers, volumes, buildCache }: Owners): Schemas["GraphUsage"]["Owners"] => ({
    Images: owners.images.list("", images, encodeImage), Containers: owners.containers.list("", containers, encodeContainer),
    Volumes: owners.volumes.list("", volumes, encodeVolume), BuildCache: owners.buildCache.list("", buildCache, encodeRecord),
  });
  return {
    graphUsage: async ({ query }) => {
      const usage = await graph.usage({ refresh: query.refresh ?? false, owners: query.limit ?? Infinity });
      return ok({ ...encodeUsage(usage), Owners: encodeOwners(usage.owners) } satisfies Schemas["GraphUsage"]);
    },
    graphWhy: ({ path }) => ok(graph.why(path.id).map(encodeWhy)),
  };
}

function encodeUsage({ at, bytes, inodes, kinds, images, buildCache }: GraphUsage): Omit<Schemas["GraphUsage"], "Owners"> {
  return {
    At: rfc3339Nano(at), Bytes: bytes, Inodes: inodes, Kinds: kinds.map(encodeKind),
    Images: { Count: images.count, Active: images.active, Bytes: images.bytes, UniqueBytes: images.bytes - images.shared, SharedBytes: images.shared, ReclaimableBytes: images.reclaimable },
    BuildCache: { Count: buildCache.count, Bytes: buildCache.bytes },
  };
}

const time = (at: number | null | undefined): string | null => (at === null || at === undefined ? null : rfc3339Nano(at));

function encodeKind({ kind, count, bytes, inodes, reclaimable, oldest, unmeasured }: KindUsage): Schemas["GraphKindUsage"] {
  return { Kind: kind, Count: count, Bytes: bytes, Inodes: inodes, ReclaimableBytes: reclaimable, MeasuredAt: time(oldest), Unmeasured: unmeasured };
}
const encodeFigure = ({ bytes, inodes, measuredAt, stale }: Figure): Schemas["GraphFigure"] => ({ Bytes: bytes, Inodes: inodes, MeasuredAt: time(measuredAt), Exact: !stale });

function encodeImage({ id, names, bytes, unique, containers, lastUsedAt }: ImageOwner): Schemas["GraphImageUsage"] {
  return { Id: id, Names: names.map(familiar), Bytes: bytes, UniqueBytes: unique, SharedBytes: bytes - unique, Containers: containers, LastUsed: rfc3339Nano(lastUsedAt) };
}
function encodeContainer({ id, name, status, layer, files, logs }: ContainerOwner): Schemas["GraphContainerUsage"] {
  return { Id: id, Name: name, Status: status, Layer: encodeFigure(layer), Files: encodeFigure(files), Logs: encodeFigure(logs) };
}
function encodeVolume({ name, driver, figure, links, lastUsedAt }: VolumeOwner): Schemas["GraphVolumeUsage"] {
  return { Name: name, Driver: driver, ...encodeFigure(figure), Containers: links, LastUsed: rfc3339Nano(lastUsedAt) };
}
function encodeRecord({ key, description, bytes, lastUsedAt }: BuildRecordOwner): Schemas["GraphBuildRecordUsage"] {
  return { Id: key, Description: description, Bytes: bytes, LastUsed: rfc3339Nano(lastUsedAt) };
}

function encodeWhy({ node, paths, more, goesAt }: Why): Schemas["GraphWhy"] {
  return { ...encodeNode(node), Held: paths.length > 0, Paths: paths.map((path) => path.map(encodeNode)), More: more, Goes: paths.length > 0 ? null : goesAt === undefined ? "next collection" : "when nobody takes it up", GoesAt: time(goesAt) };
}
function encodeNode({ kind, key, name, status, purpose, expiresAt }: WhyNode): Schemas["GraphNode"] {
  return {
    Kind: kind, Key: key, Name: kind === "tag" || kind === "image" ? familiar(name) : name,
    ...(status === undefined ? {} : { Status: status }), ...(purpose === undefined ? {} : { Purpose: purpose }), ...(expiresAt === undefined ? {} : { ExpiresAt: rfc3339Nano(expiresAt) }),
  };
}
