import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { ChainId, ImageConfig, ImageId } from "@strata/oci";
import { silentLogger, systemClock } from "../core/index.js";
import { RegistryClient } from "../distribution/client.js";
import type { ProgressLine } from "../distribution/progress.js";
import { Puller } from "../distribution/pull.js";
import { Pusher } from "../distribution/push.js";
import { type MemoryWorld, memoryWorld } from "../distribution/testing/memory-stores.js";
import { noDockerRegistry, startDockerRegistry, testImage } from "../distribution/testing/registry.js";
import { CacheSharing, type ShareOptions } from "./build-share.js";

let directory: string, client: RegistryClient;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "strata-share-"));
  client = new RegistryClient({ retry: { attempts: 3, baseMs: 1, maxMs: 20 } });
});
afterEach(async () => {
  client.close();
  await rm(directory, { recursive: true, force: true });
});

interface Engine { readonly world: MemoryWorld; readonly sharing: CacheSharing; readonly options: ShareOptions; readonly lines: ProgressLine[] }
function engine(name: string): Engine {
  const world = memoryWorld(join(directory, name)), lines: ProgressLine[] = [];
  const common = { ...world, registry: client, logger: silentLogger, clock: systemClock };
  // An image, or a name, that comes and goes is one that a crash leaves.
  for (const change of ["create", "tag"] as const) jest.spyOn(world.images, change).mockImplementation(() => { throw new Error(`images.${change} was called`); });
  return {
    world, lines, sharing: new CacheSharing({ ...world, puller: new Puller({ ...common, hostPlatform: { os: "linux", architecture: "amd64" } }), pusher: new Pusher(common) }),
    options: { auth: new Map(), lease: world.leases.open(), progress: (line) => lines.push(line), signal: new AbortController().signal },
  };
}

const suite = noDockerRegistry === undefined ? describe : describe.skip;
suite(`a cache in a registry${noDockerRegistry === undefined ? "" : ` (skipped: ${noDockerRegistry})`}`, () => {
  let registry: { host: string; stop: () => Promise<void> };
  beforeAll(async () => { registry = await startDockerRegistry(); });
  afterAll(async () => { await registry.stop(); });

  test("goes there and comes from there without an image, and is held by the lease", async () => {
    const ref = `${registry.host}/team/cache:main`, tars = ["bottom".repeat(50_000), "top"], from = engine("from"), to = engine("to");
    const config = JSON.parse(testImage(tars).config.toString()) as ImageConfig;
    let top: ChainId | null = null;
    for (const tar of tars) top = (await from.world.layers.register(Readable.from([Buffer.from(tar)]), top)).chainId;
    const stages = [{ image: "sha256:a" as ImageId, config, top, keys: ["one", "two"] }, { image: "sha256:b" as ImageId, config: { ...config, rootfs: { type: "layers" as const, diff_ids: [] } }, top: null, keys: ["three"] }];
    expect(await from.sharing.leave([{ type: "registry", ref, all: true }], stages, from.options)).toEqual([]);
    expect([...from.world.leases.holds.values()].map((holds) => [...holds])).toEqual([[`layer ${top!}`]]);

    const sources = await to.sharing.sources([{ type: "registry", ref }], to.options);
    expect(sources.map(({ keys }) => keys)).toEqual([["one", "two"], ["three"]]);
    expect(sources.map(({ config: { rootfs } }) => rootfs.diff_ids)).toEqual(stages.map((stage) => stage.config.rootfs.diff_ids));
    expect(to.world.layers.has(top!)).toBe(true);
    expect(to.world.leases.held("layer", top!)).toBe(true);
    expect([to.world.images.list(), from.world.images.list()]).toEqual([[], []]);
  });

  test("that cannot be had is a warning", async () => {
    const { sharing, options, lines } = engine("none");
    expect(await sharing.sources([{ type: "registry", ref: `${registry.host}/team/none:1` }], options)).toEqual([]);
    expect(lines.at(-1)).toEqual({ stream: expect.stringMatching(/^\[WARNING\]: no cache from .*team\/none:1: manifest for .* not found/) });
  });
});
