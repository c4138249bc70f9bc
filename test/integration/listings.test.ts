import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type DriverName, type Registry, type TestBed, daemonNeeds, emptied, importBusybox, mountsBelow, needsDrivers, setUp, unmet, until } from "../helpers/index.js";

/** The textbook's walk around a storage driver's directory: before a pull, after it, after a run. */
let bed: TestBed, registry: Registry;
const ready = unmet([...daemonNeeds, "docker", "registry", "curl"]) === undefined;
setUp(async (made) => {
  bed = made;
  if (!ready) return;
  registry = await bed.registry();
  // Three layers: busybox, a file more, a file less.
  const daemon = await bed.daemon({ storageDriver: "vfs" });
  await importBusybox(daemon);
  for (const [from, to, command] of [["busybox", "walk:2", "echo two > /two"], ["walk:2", registry.name("walk:3"), "rm /two; echo three > /three"]] as const) {
    await daemon.dockerOk("run", "--name", "maker", "--network", "none", from, "sh", "-c", command);
    await daemon.dockerOk("commit", "maker", to);
    await daemon.dockerOk("rm", "maker");
  }
  await daemon.dockerOk("push", registry.name("walk:3"));
  await bed.end(daemon);
}, 180_000);

/** What is looked at: the driver's directory, and the names there of the image's layers (topmost first) and of the container. */
interface Sight {
  readonly root: string;
  readonly layers: readonly string[];
  readonly diffIds: readonly string[];
  readonly container: string;
  readonly list: (...path: string[]) => string[];
  readonly text: (...path: string[]) => string;
  readonly read: (...path: string[]) => Buffer;
  readonly data: Readonly<Record<string, string>>;
}
interface Listing {
  empty(sight: Sight): void;
  pulled(sight: Sight): void;
  running(sight: Sight): void;
}
const ID = /^[0-9a-f]{64}$/;
const SHORT = /^[A-Z0-9]{26}$/;
/** Of a container's mount points, made before it starts. */
const INIT = [".dockerenv", "dev", "etc"];

/** overlay2, and whatever lies on disk as it does; `layer`: what each layer's own directory holds besides. */
const overlay2 = (layer: readonly string[]): Listing => {
  const links = ({ text }: Sight, ids: readonly string[]): string => ids.map((id) => `l/${text(id, "link")}`).join(":");
  const each = (sight: Sight, ids: readonly string[]): void => {
    const { root, list, text } = sight;
    expect(list("l")).toEqual(ids.map((id) => text(id, "link")).sort());
    for (const id of ids) {
      expect(text(id, "link")).toMatch(SHORT);
      expect(readlinkSync(join(root, "l", text(id, "link")))).toBe(`../${id}/diff`);
    }
  };
  return {
    empty: ({ list }) => expect(list()).toEqual(["l"]),
    pulled(sight) {
      const { layers, list, text } = sight;
      expect(list()).toEqual([...layers, "l"].sort());
      each(sight, layers);
      layers.forEach((id, at) => {
        const below = layers.slice(at + 1);
        expect(list(id)).toEqual(["diff", "link", ...(below.length > 0 ? ["lower"] : []), ...layer].sort());
        if (below.length > 0) expect(text(id, "lower")).toBe(links(sight, below));
      });
      expect(layers.map((id) => list(id, "diff").filter((name) => ["bin", "two", "three"].includes(name)))).toEqual([["three", "two"], ["two"], ["bin"]]);
      const whiteout = lstatSync(join(sight.root, layers[0]!, "diff", "two"));
      expect([whiteout.isCharacterDevice(), whiteout.rdev]).toEqual([true, 0]);
    },
    running(sight) {
      const { root, layers, container, list, text, data } = sight;
      const init = `${container}-init`;
      expect(list()).toEqual([...layers, container, init, "l"].sort());
      each(sight, [container, init, ...layers]);
      expect(list(init)).toEqual(["diff", "link", "lower", "merged", "work"]);
      expect(list(container)).toEqual(["diff", "link", "lower", "merged", "work"]);
      expect(text(init, "lower")).toBe(links(sight, layers));
      expect(text(container, "lower")).toBe(links(sight, [init, ...layers]));
      expect(list(init, "diff")).toEqual(expect.arrayContaining(INIT));
      expect(list(init, "diff", "etc")).toEqual(expect.arrayContaining(["hostname", "hosts", "resolv.conf"]));
      expect([list(container, "diff"), text(container, "diff", "written")]).toEqual([["written"], "by the container\n"]);
      expect(list(container, "merged")).toEqual(expect.arrayContaining(["bin", "three", "written"]));
      const at = (id: string, name: string): string => join(root, id, name);
      expect(data).toEqual({ LowerDir: [init, ...layers].map((id) => at(id, "diff")).join(":"), MergedDir: at(container, "merged"), UpperDir: at(container, "diff"), WorkDir: at(container, "work") });
      expect(mountsBelow(root)).toEqual([at(container, "merged")]);
    },
  };
};

const listings: Partial<Record<DriverName, Listing>> = {
  overlay2: overlay2(["committed", "tar-split.gz"]),
  erofs: {
    empty: ({ list }) => expect(list()).toEqual([]),
    pulled({ layers, diffIds, list, read }) {
      expect(list()).toEqual([...layers].sort());
      layers.forEach((id, at) => {
        expect(list(id)).toEqual(["diff", "layer.erofs", "layer.tar"]);
        expect(`sha256:${createHash("sha256").update(read(id, "layer.tar")).digest("hex")}`).toBe(diffIds[at]);
      });
    },
    running({ root, layers, container, list, text, data }) {
      const init = `${container}-init`, at = (id: string, name: string): string => join(root, id, name);
      expect(list()).toEqual([...layers, container, init].sort());
      expect([list(init), list(container)]).toEqual([["diff", "lower", "merged", "work"], ["diff", "lower", "merged", "work"]]);
      expect([text(init, "lower"), text(container, "lower")]).toEqual([layers, [init, ...layers]].map((ids) => ids.map((id) => `${id}/diff`).join(":")));
      expect(list(init, "diff")).toEqual(expect.arrayContaining(INIT));
      expect([list(container, "diff"), text(container, "diff", "written")]).toEqual([["written"], "by the container\n"]);
      expect(layers.map((id) => list(id, "diff").filter((name) => ["bin", "two", "three"].includes(name)))).toEqual([["three", "two"], ["two"], ["bin"]]);
      expect(list(container, "merged")).toEqual(expect.arrayContaining(["bin", "three", "written"]));
      expect(data).toEqual({ LowerDir: [init, ...layers].map((id) => at(id, "diff")).join(":"), MergedDir: at(container, "merged"), UpperDir: at(container, "diff"), WorkDir: at(container, "work") });
      expect(mountsBelow(root).sort()).toEqual([...layers.map((id) => at(id, "diff")), at(container, "merged")].sort());
    },
  },
  aufs: {
    empty: ({ list }) => expect(["diff", "layers", "mnt"].map((name) => list(name))).toEqual([[], [], []]),
    pulled({ layers, list, text }) {
      for (const name of ["diff", "layers", "mnt"]) expect(list(name)).toEqual([...layers].sort());
      layers.forEach((id, at) => expect(text("layers", id)).toBe(layers.slice(at + 1).map((below) => `${below}\n`).join("")));
      expect(layers.map((id) => list("diff", id).filter((name) => ["bin", "two", "three", ".wh.two"].includes(name)))).toEqual([[".wh.two", "three"], ["two"], ["bin"]]);
      for (const id of layers) expect(list("mnt", id)).toEqual([]);
    },
    running({ root, layers, container, list, text }) {
      const init = `${container}-init`;
      for (const name of ["diff", "layers", "mnt"]) expect(list(name)).toEqual([...layers, container, init].sort());
      expect([text("layers", container), text("layers", init)]).toEqual([[init, ...layers], layers].map((ids) => ids.map((id) => `${id}\n`).join("")));
      expect(list("diff", init)).toEqual(expect.arrayContaining(INIT));
      expect([list("diff", container).filter((name) => !name.startsWith(".wh..wh.")), text("diff", container, "written")]).toEqual([["written"], "by the container\n"]);
      expect(list("mnt", container)).toEqual(expect.arrayContaining(["bin", "three", "written"]));
      expect(mountsBelow(root)).toEqual([join(root, "mnt", container)]);
    },
  },
  vfs: {
    empty: ({ list }) => expect(list("dir")).toEqual([]),
    pulled({ layers, list }) {
      expect(list("dir")).toEqual([...layers].sort());
      expect(layers.map((id) => list("dir", id).filter((name) => ["bin", "two", "three"].includes(name)))).toEqual([["bin", "three"], ["bin", "two"], ["bin"]]);
    },
    running({ root, layers, container, list, data }) {
      expect(list("dir")).toEqual([...layers, container, `${container}-init`].sort());
      expect(list("dir", container)).toEqual(expect.arrayContaining([...INIT, "bin", "three", "written"]));
      expect(data).toEqual({});
      expect(mountsBelow(root)).toEqual([]);
    },
  },
};

/** An image's layers, topmost first; none as long as there is no such image. */
async function layersOf(daemon: Daemon, image: string): Promise<{ layers: string[]; diffIds: string[] }> {
  const { status, json } = await daemon.api("GET", "/layers", { query: { filters: JSON.stringify({ image: [image] }) } });
  const known = status === 200 ? (json as { ChainId: string; DiffId: string; Parent: string | null; Snapshot: string; TopOf: string[] }[]) : [];
  const chain = [];
  for (let at = known.find(({ TopOf }) => TopOf.length > 0); at !== undefined; at = known.find(({ ChainId }) => ChainId === at!.Parent)) chain.push(at);
  return { layers: chain.map(({ Snapshot }) => Snapshot), diffIds: chain.map(({ DiffId }) => DiffId) };
}

for (const [driver, listing] of Object.entries(listings) as [DriverName, Listing][]) {
  needsDrivers([driver], ...daemonNeeds, "docker", "registry", "curl")(`${driver}: its directory before a pull, after it, and after a run`, async () => {
    const daemon = await bed.prepareFor([driver]);
    await daemon.start();
    const image = registry.name("walk:3"), root = join(daemon.dataRoot, driver);
    const sight = async (container = ""): Promise<Sight> => ({
      root, container, ...await layersOf(daemon, image), data: container === "" ? {} : ((await daemon.inspect(container)).GraphDriver.Data as Record<string, string>) ?? {},
      list: (...path) => (existsSync(join(root, ...path)) ? readdirSync(join(root, ...path)).sort() : []), text: (...path) => readFileSync(join(root, ...path), "utf8"), read: (...path) => readFileSync(join(root, ...path)),
    });
    listing.empty(await sight());
    await daemon.dockerOk("pull", "-q", image);
    const pulled = await sight();
    expect(pulled.layers).toHaveLength(3);
    for (const id of pulled.layers) expect(id).toMatch(ID);
    listing.pulled(pulled);
    const container = await daemon.dockerOk("run", "-d", image, "sh", "-c", "echo by the container > /written; exec sleep 1000");
    await until(async () => (await daemon.docker(["exec", container, "cat", "/written"])).stdout === "by the container\n" || undefined, 20_000, "what the container writes");
    listing.running(await sight(container));
    expect(readFileSync(join(daemon.dataRoot, "image", driver, "layerdb", "mounts", container, "mount-id"), "utf8")).toBe(container);
    await daemon.dockerOk("rm", "-f", container);
    await daemon.dockerOk("rmi", image);
    await emptied(daemon);
    listing.empty(await sight());
    await bed.end(daemon);
  }, 120_000);
}
