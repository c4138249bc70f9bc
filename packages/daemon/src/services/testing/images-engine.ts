import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { chainIdsOf, digestOf } from "@strata/oci";
import type { DiffId, ImageId } from "@strata/oci";
import { silentLogger, systemClock } from "../../core/index.js";
import type { Container, ContainerStatus } from "../../core/index.js";
import { RegistryClient } from "../../distribution/client.js";
import { ArchiveLoader } from "../../distribution/load.js";
import { Puller } from "../../distribution/pull.js";
import { Pusher } from "../../distribution/push.js";
import { memoryContainers, memoryWorld } from "../../distribution/testing/memory-stores.js";
import type { MemoryWorld } from "../../distribution/testing/memory-stores.js";
import { testImage } from "../../distribution/testing/registry.js";
import { Images } from "../images.js";
import type { Filters } from "../types.js";

/** The image service on stores in memory. */
export interface Engine { world: MemoryWorld; service: Images; containers: Container[]; temporary: string }

/** Engines of one test, in one directory that goes with them. */
export class Workshop {
  readonly #clients: RegistryClient[] = [];
  private constructor(readonly directory: string) {}

  static async open(): Promise<Workshop> { return new Workshop(await mkdtemp(join(tmpdir(), "strata-images-"))); }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  async engine(name = "a"): Promise<Engine> {
    const temporary = join(this.directory, `${name}-tmp`);
    await mkdir(temporary);
    const world = memoryWorld(join(this.directory, name));
    const containers: Container[] = [];
    world.images.users = (id) => containers.filter((c) => c.imageId === id).length;
    const client = new RegistryClient({ retry: { attempts: 2, baseMs: 1, maxMs: 5 } });
    this.#clients.push(client);
    const common = { ...world, registry: client, logger: silentLogger, clock: systemClock, hostPlatform: { os: "linux", architecture: "amd64" }, temporary };
    const service = new Images({
      ...common, driver: "memory", containers: memoryContainers(() => containers),
      puller: new Puller(common), pusher: new Pusher(common), loader: new ArchiveLoader(common),
    });
    return { world, service, containers, temporary };
  }
}

/** An image of these layers, made here. */
export async function make({ world }: Engine, layers: readonly string[], more: { tags?: string[]; labels?: Record<string, string>; created?: string; parent?: ImageId } = {}): Promise<ImageId> {
  const image = testImage(layers, more);
  return await world.leases.with("test", async (lease) => {
    let parent = null;
    for (const l of layers) parent = (await world.layers.register(Readable.from([Buffer.from(l)]), parent)).chainId;
    const id = world.images.create(image.config, lease, { parent: more.parent });
    for (const tag of more.tags ?? []) world.images.tag(id, tag);
    return id;
  });
}
export const use = ({ containers }: Engine, imageId: ImageId, status: ContainerStatus): void => {
  containers.push({ id: "c".repeat(64), imageId, state: { status } } as Container);
};
export const chainsOf = (layers: readonly string[]): string[] => chainIdsOf(layers.map((l) => digestOf<DiffId>(l)));
export const filters = (f: Record<string, string[]>): Filters => new Map(Object.entries(f));
export const actions = ({ world }: Engine): string[] => world.events.events.map((e) => e.action);
export const signal = (): AbortSignal => new AbortController().signal;
/** Where names without a registry belong. */
export const d = "docker.io/library/";
