import { statfs } from "node:fs/promises";
import { listening } from "./api/listen.js";
import { metricsServer } from "./api/metrics.js";
import type { Config } from "./config.js";
import { noMetrics, type EventBus, type Logger, type Metrics } from "./core/index.js";
import type { Networking } from "./networking.js";
import type { Builds } from "./services/build.js";
import type { Images } from "./services/images.js";
import type { ServedRequest } from "./services/metrics/counts.js";
import { measured, measuredBuilds } from "./services/metrics/measured.js";
import type { DiskFigures, MetricSources } from "./services/metrics/sources.js";

/** What is counted, and for whom. Without --metrics-addr nothing is, and nothing of it is loaded. */
export interface DaemonMetrics {
  /** What the parts of the daemon tell. */
  readonly told: Metrics;
  /** Hears of every request that was answered; absent where nobody listens. */
  readonly request?: (served: ServedRequest) => void;
  readonly images: (service: Images) => Images;
  readonly builds: (service: Builds) => Builds;
  readonly networking: (service: Networking) => Networking;
  /** Serves the figures; gives the way to stop. */
  serve(sources: MetricSources, logger: Logger): Promise<() => Promise<void>>;
}

const same = <T>(service: T): T => service;
const off: DaemonMetrics = { told: noMetrics, images: same, builds: same, networking: same, serve: () => Promise.resolve(() => Promise.resolve()) };

export async function openMetrics({ metricsAddr }: Config, events: EventBus): Promise<DaemonMetrics> {
  if (metricsAddr === null) return off;
  const [{ Counts }, { addGauges }] = await Promise.all([import("./services/metrics/counts.js"), import("./services/metrics/gauges.js")]);
  const counts = new Counts();
  events.on((event) => counts.event(event));
  return {
    told: counts,
    request: (served) => counts.request(served),
    images: (service) => measured(service, "image", { pull: "pull", push: "push", import: "import", load: "load", remove: "delete" }, counts),
    builds: (service) => measuredBuilds(service, counts),
    networking: (networking) => ({ ...networking, networks: measured(networking.networks, "network", { attach: "allocate", release: "release", connect: "connect", disconnect: "disconnect" }, counts) }),
    async serve(sources, logger) {
      addGauges(counts.registry, sources);
      const server = metricsServer(counts.registry.contentType, () => counts.text());
      const { host, port } = metricsAddr;
      await listening(server, { ...(host === "" ? {} : { host }), port }, `metrics-addr ${host}:${port}`);
      const address = server.address();
      logger.info({ address: typeof address === "object" ? address : { port } }, "metrics are served");
      return () => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections(); });
    },
  };
}

export async function diskFigures(path: string): Promise<DiskFigures> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: ffree, totalInodes: files };
}
