import { resolve } from "node:path";
import { type Json, type Daemon, TestBed, daemonNeeds, importBusybox, makeContext, needsDrivers, ok, until } from "../helpers/index.js";

jest.setTimeout(240_000);

/** Lists that are so long that they are kept in memory, encoded once and sent in pieces show every change at once. */
let bed: TestBed;
beforeAll(async () => { bed = await TestBed.create(); }, 120_000);
afterAll(() => bed.close(), 120_000);

interface Sight { readonly images: Json[]; readonly plain: Json[]; readonly containers: Json[]; readonly df: Json; readonly old: Json; readonly usage: Json }
const timeless = ({ Status: _, ...container }: Json): Json => container;

async function look(daemon: Daemon): Promise<Sight> {
  const get = async (path: string): Promise<Json> => {
    const { status, json } = await daemon.api("GET", path);
    expect([path, status]).toEqual([path, 200]);
    return json;
  };
  const sight = {
    images: await get("/v1.51/images/json?shared-size=1"), plain: await get("/v1.51/images/json"), containers: (await get("/v1.51/containers/json?all=1&size=1") as Json[]).map(timeless),
    df: await get("/v1.51/system/df"), old: await get("/v1.41/system/df"), usage: await get("/v1.51/graph/usage?limit=5000"),
  };
  const { images, plain, containers, df, old, usage } = sight;
  expect(df.Images).toEqual(images);
  expect(plain).toEqual(images.map((image: Json) => ({ ...image, Containers: -1, SharedSize: -1 })));
  expect(df.Containers.map(timeless)).toEqual(containers);
  expect([await get("/v1.51/system/df?type=image"), await get("/v1.51/system/df?type=build-cache")]).toMatchObject([{ LayersSize: df.LayersSize, Images: images, Containers: null }, { BuildCache: df.BuildCache, Images: null }]);
  expect(old).toMatchObject({ LayersSize: df.LayersSize, BuilderSize: df.BuildCache.reduce((sum: number, { Size }: { Size: number }) => sum + Size, 0) });
  expect(old.Images.map(({ Id, VirtualSize }: Json) => [Id, VirtualSize])).toEqual(images.map(({ Id, Size }: Json) => [Id, Size]));
  expect(old.Volumes).toEqual(df.Volumes);
  expect(new Map(usage.Owners.Images.map(({ Id, Names }: Json) => [Id, [...Names].sort()]))).toEqual(new Map(images.map(({ Id, RepoTags, RepoDigests }: Json) => [Id, [...RepoTags, ...RepoDigests].sort()])));
  expect(new Set(usage.Owners.Containers.map(({ Name }: Json) => `/${Name}`))).toEqual(new Set(containers.map(({ Names }) => Names[0])));
  expect(new Set(usage.Owners.Volumes.map(({ Name }: Json) => Name))).toEqual(new Set(df.Volumes.map(({ Name }: Json) => Name)));
  expect(new Set(usage.Owners.BuildCache.map(({ Id }: Json) => Id))).toEqual(new Set(df.BuildCache.map(({ ID }: Json) => ID)));
  expect([usage.Images.Count, usage.BuildCache.Count]).toEqual([images.length, df.BuildCache.length]);
  return sight;
}

needsDrivers(["overlay2"], ...daemonNeeds, "docker")("every change is in every list at once, and a daemon that knows nothing yet says the same", async () => {
  const daemon = bed.prepare({ storageDriver: "overlay2" });
  const made = JSON.parse(await ok(process.execPath, [resolve(__dirname, "../../../bench/ledger-gen.mjs"), daemon.dataRoot, "2400", "600", "600"])) as { image: string; container: string };
  await daemon.start();
  const first = await look(daemon);
  expect([first.images.length, first.containers.length, first.df.Volumes.length]).toEqual([600, 600, 200]);
  let now = first;
  const named = (name: string): Json => now.images.find(({ RepoTags }) => RepoTags.includes(name));
  const boxed = (name: string): Json => now.containers.find(({ Names }) => Names.includes(`/${name}`));

  // Names come, move and go.
  await daemon.dockerOk("tag", made.image, "late:one");
  now = await look(daemon);
  expect(named("late:one").Id).toBe(made.image);
  expect(now.images.filter(({ Id }) => Id !== made.image)).toEqual(first.images.filter(({ Id }) => Id !== made.image));
  const other = now.images.find(({ Id, RepoTags }) => Id !== made.image && RepoTags.length > 0).Id as string;
  await daemon.dockerOk("tag", other, "late:one");
  now = await look(daemon);
  expect(named("late:one").Id).toBe(other);
  await daemon.dockerOk("rmi", "late:one");
  now = await look(daemon);
  expect(now.images.map(({ Id, RepoTags }) => [Id, RepoTags])).toEqual(first.images.map(({ Id, RepoTags }) => [Id, RepoTags]));

  // An image goes, and its layers with it.
  await daemon.dockerOk("rmi", "-f", made.image);
  now = await look(daemon);
  expect(now.images).toHaveLength(599);
  expect(now.images.some(({ Id }) => Id === made.image)).toBe(false);
  expect(now.df.LayersSize).toBeLessThan(first.df.LayersSize);

  // An image comes; containers are made, named, run and removed.
  await importBusybox(daemon);
  await daemon.dockerOk("create", "--name", "late", "busybox", "true");
  now = await look(daemon);
  expect([named("busybox:latest").Containers, boxed("late")]).toMatchObject([1, { State: "created", SizeRootFs: expect.any(Number) }]);
  await daemon.dockerOk("rename", "late", "later");
  await daemon.dockerOk("network", "create", "late");
  await daemon.dockerOk("run", "-d", "--name", "runs", "--network", "late", "-p", "127.0.0.1:8080:80", "busybox", "sh", "-c", "head -c 300000 /dev/zero > /written; sync; touch /ready; exec sleep 1000");
  await until(async () => ((await daemon.docker(["exec", "runs", "test", "-e", "/ready"])).code === 0 || undefined), 60_000, "what the container writes");
  now = await look(daemon);
  expect([named("busybox:latest").Containers, boxed("late"), boxed("later").State]).toEqual([2, undefined, "created"]);
  expect(boxed("runs")).toMatchObject({ State: "running", Ports: [{ PublicPort: 8080 }], NetworkSettings: { Networks: { late: { IPAddress: expect.stringMatching(/^\d/) } } } });
  expect(boxed("runs").SizeRw).toBeGreaterThanOrEqual(300_000);
  await daemon.dockerOk("stop", "-t", "0", "runs");
  now = await look(daemon);
  expect(boxed("runs")).toMatchObject({ State: "exited", Ports: [], NetworkSettings: { Networks: { late: { IPAddress: "" } } } });
  await daemon.dockerOk("rm", "runs", "later");
  await daemon.dockerOk("network", "rm", "late");
  await daemon.dockerOk("rm", made.container);
  now = await look(daemon);
  expect([named("busybox:latest").Containers, now.containers.length]).toEqual([0, 599]);

  // Volumes and records of builds.
  await daemon.dockerOk("volume", "create", "late");
  now = await look(daemon);
  expect(now.df.Volumes.find(({ Name }: Json) => Name === "late")).toMatchObject({ UsageData: { Size: 0, RefCount: 0 } });
  await daemon.dockerOk("volume", "rm", "late");
  const records = now.df.BuildCache.length as number;
  await ok("docker", ["build", "-q", "-t", "built", makeContext(bed.folder, { Dockerfile: "FROM busybox\nRUN echo 1 > /one\n" })], { env: { ...daemon.env(), DOCKER_BUILDKIT: "0" } });
  now = await look(daemon);
  expect(now.df.BuildCache.length).toBeGreaterThan(records);
  expect(named("built:latest").SharedSize).toBe(named("busybox:latest").Size);
  await daemon.dockerOk("rmi", "built");
  now = await look(daemon);
  expect([named("built:latest"), named("busybox:latest").SharedSize]).toEqual([undefined, 0]);

  // Collections, large and small.
  await daemon.dockerOk("builder", "prune", "-a", "-f");
  now = await look(daemon);
  expect([now.df.BuildCache, now.usage.BuildCache]).toEqual([[], { Count: 0, Bytes: 0 }]);
  const unused = now.images.filter(({ RepoTags, Containers }) => RepoTags.length === 0 && Containers === 0).length;
  expect(unused).toBeGreaterThan(0);
  await daemon.dockerOk("image", "prune", "-f");
  const pruned = await look(daemon);
  expect(pruned.images).toHaveLength(now.images.length - unused);

  // What is kept is what is in the ledger.
  await daemon.restart();
  now = await look(daemon);
  expect({ ...now, usage: undefined }).toEqual({ ...pruned, usage: undefined });
  const figures = ({ usage: { Images, BuildCache, Owners } }: Sight): unknown => ({ Images, BuildCache, Owners });
  expect(figures(now)).toEqual(figures(pruned));
  await daemon.stop();
});
