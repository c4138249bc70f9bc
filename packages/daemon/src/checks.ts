import type { Clock, EventBus, Logger, Runtime } from "./core/index.js";
import type { Puller } from "./distribution/pull.js";
import { monitorsBelow } from "./drivers/runtime/monitors.js";
import { KernelMounter } from "./kernel/mounter.js";
import type { Networking } from "./networking.js";
import type { Stores } from "./open-stores.js";
import { Checks } from "./services/check/checks.js";
import { ExecRootInspector } from "./services/check/exec-root.js";
import { NetworkInspector } from "./services/check/network.js";
import { Refetcher } from "./services/check/refetch.js";
import { Scrub } from "./services/check/scrub.js";

export interface ChecksNeeds {
  readonly execRoot: string;
  readonly stores: Stores;
  readonly networking: Networking;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly puller: Puller;
  readonly events: EventBus;
  /** Of the daemon. */
  readonly id: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Checks of the data root and of what the daemon has in the kernel, on request and by the clock. */
export function openChecks({ execRoot, stores, networking, runtimes, puller, events, id, clock, logger }: ChecksNeeds): { checks: Checks; scrub: Scrub } {
  const { containers, networks, layers, images, content, leases, collector } = stores;
  const checks = new Checks({
    inspectors: [
      ...stores.inspectors,
      new ExecRootInspector({ execRoot, containers, runtimes, namespaces: networking.namespaces, mounter: new KernelMounter(), monitors: () => monitorsBelow(execRoot) }),
      new NetworkInspector({
        networks, plugged: (all) => networking.plugged(all), unplug: (name) => networking.unplug(name), rules: () => networking.listPorts(), drop: (rule) => networking.dropPort(rule),
        noted: () => networking.noted(), left: () => networking.leftRules(),
      }),
    ],
    runs: stores.checkRuns, refetcher: new Refetcher({ layers, images, content, leases, puller }), collector, events, id, clock, logger,
  });
  return { checks, scrub: new Scrub(checks, logger) };
}
