import type { Clock, HostConfig } from "../core/index.js";
import { InvalidArgument } from "../core/index.js";
import type { ContainerSample, ContainerService } from "../services/types.js";
import { created, empty, ok, type Routes } from "./context.js";
import { encodeContainer, type InspectFacts } from "./encode/containers.js";
import type { Lists } from "./encode/lists.js";
import { containerInspect } from "./encode/shapes.js";
import { encodeStats } from "./encode/stats.js";
import { parseFilters } from "./filters.js";
import { toCreate } from "./requests.js";
import { sendLines, sendStream } from "./streams.js";

type SessionRoute = "containerAttach" | "containerAttachWebsocket" | "containerLogs" | "containerWait";
type ContainerRoutes = Pick<Routes, Exclude<Extract<keyof Routes, `container${string}`>, SessionRoute>>;
/** What inspect shows beside the container's own record. */
export type InspectFactsOf = (id: string) => InspectFacts;

const stopOptions = (query: { signal?: string; t?: number }): { signal?: string; timeoutSeconds?: number } => ({
  ...(query.signal ? { signal: query.signal } : {}), ...(query.t === undefined ? {} : { timeoutSeconds: query.t }),
});

export function containerRoutes(containers: ContainerService, clock: Clock, factsOf: InspectFactsOf, lists: Lists): ContainerRoutes {
  return {
    async containerList({ query, version }) {
      const filters = new Map(parseFilters(query.filters));
      if (query.since) filters.set("since", [query.since]);
      if (query.before) filters.set("before", [query.before]);
      const views = await containers.list({ all: query.all ?? false, limit: Math.max(0, query.limit ?? 0), size: query.size ?? false, filters });
      return ok(lists.containers(views, clock.now(), version));
    },
    async containerCreate({ body, query, version }) {
      const { id, warnings } = await containers.create(toCreate(body, query, version));
      return created({ Id: id, Warnings: warnings });
    },
    async containerPrune({ query }) {
      const { removed, bytes } = await containers.prune(parseFilters(query.filters));
      return ok({ ContainersDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: bytes });
    },
    async containerDelete({ path, query }) {
      await containers.remove(path.id, { force: query.force ?? false, volumes: query.v ?? false, link: query.link ?? false });
      return empty(204);
    },
    async containerInspect({ path, query, version }) {
      const view = await containers.inspect(path.id, { size: query.size ?? false });
      return ok(containerInspect(encodeContainer(view, factsOf(view.container.id)), version));
    },
    async containerStart({ path }) {
      await containers.start(path.id);
      return empty(204);
    },
    async containerStop({ path, query }) {
      await containers.stop(path.id, stopOptions(query));
      return empty(204);
    },
    async containerRestart({ path, query }) {
      await containers.restart(path.id, stopOptions(query));
      return empty(204);
    },
    async containerKill({ path, query }) {
      await containers.kill(path.id, query.signal || undefined);
      return empty(204);
    },
    async containerPause({ path }) {
      await containers.pause(path.id, true);
      return empty(204);
    },
    async containerUnpause({ path }) {
      await containers.pause(path.id, false);
      return empty(204);
    },
    async containerRename({ path, query }) {
      const name = (query.name ?? "").replace(/^\//, "");
      if (name === "") throw new InvalidArgument("Neither old nor new names may be empty");
      await containers.rename(path.id, name);
      return empty(204);
    },
    async containerResize({ path, query }) {
      await containers.resize(path.id, query.h ?? 0, query.w ?? 0);
      return empty(200);
    },
    async containerUpdate({ path, body }) {
      const { warnings } = await containers.update(path.id, body as HostConfig);
      return ok({ Warnings: warnings });
    },
    async containerStats(c) {
      const samples = containers.stats(c.path.id, { stream: c.query.stream ?? true, oneShot: c.query["one-shot"] ?? false }, c.signal);
      await sendLines(c, encoded(samples));
      return undefined;
    },
    async containerTop({ path, query }) {
      const { titles, processes } = await containers.top(path.id, query.ps_args || "-ef");
      return ok({ Titles: titles, Processes: processes });
    },
    async containerChanges({ path }) {
      const changes = [];
      for await (const { path: at, kind } of containers.changes(path.id)) changes.push({ Path: at, Kind: kind });
      return ok(changes);
    },
    async containerExport(c) {
      await sendStream(c, "application/x-tar", await containers.export(c.path.id));
      return undefined;
    },
  };
}

async function* encoded(samples: AsyncIterable<ContainerSample>): AsyncGenerator<ReturnType<typeof encodeStats>, void> {
  for await (const sample of samples) yield encodeStats(sample);
}
