import { setTimeout as sleep } from "node:timers/promises";
import { type Container, type ContainerId, InvalidArgument, NotFound, type ResourceUsage } from "../core/index.js";
import { isLive, type ContainerParts } from "./containers-parts.js";
import type { ContainerSample } from "./types.js";

/** Milliseconds between samples. */
const INTERVAL = 1000;

/** What containers use, once or again and again. */
export class Stats {
  constructor(private readonly parts: Pick<ContainerParts, "containers" | "meters">, private readonly interval = INTERVAL) {}

  /** NotFound before the first sample is asked for. Ends with the container, or when `signal` aborts. */
  samples(name: string, options: { stream: boolean; oneShot: boolean }, signal: AbortSignal): AsyncIterable<ContainerSample> {
    if (options.stream && options.oneShot) throw new InvalidArgument("cannot have stream=true and one-shot=true");
    return this.follow(this.parts.containers.resolve(name), options, signal);
  }

  /** Without a stream, one sample: with an earlier one to compare it to, unless it is wanted at once or nothing runs. */
  private async *follow(id: ContainerId, { stream, oneShot }: { stream: boolean; oneShot: boolean }, signal: AbortSignal): AsyncGenerator<ContainerSample, void> {
    let before: ResourceUsage | undefined;
    let meter: { readonly pid: number; read(): Promise<ResourceUsage> } | undefined;
    for (;;) {
      const container = this.ifAny(id);
      if (container === undefined) return;
      const { pid } = container.state;
      if (meter?.pid !== pid) meter = isLive(container) ? { pid, read: await this.parts.meters.open(pid) } : undefined;
      const usage = meter && shown(await meter.read(), container);
      const common = { id, name: container.name };
      if (usage === undefined) yield common;
      else if (stream || oneShot || before !== undefined) yield { ...common, usage, ...(before === undefined ? {} : { before }) };
      if (!stream && (oneShot || usage === undefined || before !== undefined)) return;
      before = usage;
      try {
        await sleep(this.interval, undefined, { signal });
      } catch {
        return; // the client left
      }
    }
  }

  private ifAny(id: ContainerId): Container | undefined {
    try {
      return this.parts.containers.get(id);
    } catch (e) {
      if (e instanceof NotFound) return undefined;
      throw e;
    }
  }
}

/** The host's interfaces are not the container's. */
function shown(usage: ResourceUsage, { hostConfig }: Container): ResourceUsage {
  return hostConfig.NetworkMode === "host" ? { ...usage, networks: {} } : usage;
}
