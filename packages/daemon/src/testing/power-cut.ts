// node power-cut.js FOLDER SEED NAME:DRIVER:ROOT…: works on data roots until the power goes (test/vm/power-cuts.ts). At its start it holds
// each to what the runs before it wrote into FOLDER: what was reported as done must be there, and nothing else may lie around.
import { appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type ChainId, type DiffId, type ImageId, digestOf } from "@strata/oci";
import { tarOf } from "../archive/testing/tar-of.js";
import { WorkerPool } from "../archive/workers/pool.js";
import { type ContainerId, DataRoot, type Ingest, messageOf, newId, type OpenedDriver, silentLogger, systemClock } from "../core/index.js";
import { Dice, randomLayer, randomWork } from "../drivers/storage/testing/random.js";
import { noise } from "../drivers/storage/testing/rig.js";
import { openStorage, parseStorageOptions } from "../storage.js";
import { openStores, type Stores } from "../open-stores.js";
import { container, imageConfig } from "../stores/testing/fixtures.js";

/** What is known of a thing: it is there for certain, gone for certain, or the power went in between. */
type State = "there" | "gone" | "changing";
type Fact = { readonly kind: "image" | "container"; readonly key: string; readonly state: State } | { readonly kind: "file"; readonly key: string; readonly path: string; readonly content: string };

const MOST_IMAGES = 5, MOST_CONTAINERS = 4;

/** What can be downloaded: always the same bytes, so that a run goes on where a former one was cut. */
const downloads: readonly Buffer[] = Array.from({ length: 3 }, (_, n) => tarOf([
  { name: `marker-download-${n}`, content: `marker-download-${n}` },
  { name: `down-${n}`, content: Buffer.concat(Array.from({ length: 30_000 }, (_row, i) => Buffer.from(digestOf(`${n} ${i}`).slice(7), "hex"))) },
]));
const PORTION = 64 * 1024;

/** One data root, and what must be true of it. */
class World {
  private readonly states = new Map<string, State>();
  private readonly files = new Map<string, Map<string, string>>();
  private stores!: Stores;
  private driver!: OpenedDriver;
  private readonly facts: string;

  constructor(folder: string, readonly name: string, private readonly driverName: string, private readonly root: DataRoot, private readonly dice: Dice, private readonly workers: WorkerPool) {
    this.facts = join(folder, `facts-${name}`);
    const known = existsSync(this.facts) ? readFileSync(this.facts, "utf8") : "";
    for (const line of known.split("\n").filter(Boolean)) this.learn(JSON.parse(line) as Fact);
  }

  async open(options: readonly string[]): Promise<void> {
    const { root, workers } = this;
    const storage = await openStorage({ inUse: [], wanted: this.driverName, options: parseStorageOptions(options), root, report: () => undefined, workers, logger: silentLogger });
    this.driver = storage.drivers.get(this.driverName) as OpenedDriver;
    this.stores = openStores({ root, drivers: storage.drivers, defaultDriver: storage.defaultDriver, workers, clock: systemClock, logger: silentLogger });
  }

  /** Recovery, then the check; each finding is a sentence. */
  async check(): Promise<string[]> {
    const { stores, root } = this, found: string[] = [];
    await stores.collector.recover();
    const column = (query: string): string[] => stores.ledger.sql<[], { x: string }>(query).all().map(({ x }) => x).sort();
    const list = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);
    const differ = (what: string, rows: readonly string[], disk: readonly string[]): void => {
      for (const id of disk) if (!rows.includes(id)) found.push(`${what} ${id} is on disk and not in the ledger`);
      for (const id of rows) if (!disk.includes(id)) found.push(`${what} ${id} is in the ledger and not on disk`);
    };
    const integrity = column("SELECT integrity_check AS x FROM pragma_integrity_check");
    if (integrity.join() !== "ok") found.push(`the ledger is damaged: ${integrity.join("; ")}`);
    if (column("SELECT id AS x FROM snapshot WHERE state <> 'committed'").length > 0) found.push("half-made snapshots were not forgotten");
    const snapshots: string[] = [];
    for await (const id of this.driver.list()) snapshots.push(id);
    differ("download", column("SELECT id AS x FROM ingest"), list(root.ingests));
    differ("snapshot", column("SELECT id AS x FROM snapshot"), snapshots);
    // Mirrors for other programs: nothing is lost without them.
    const owners = column("SELECT owner AS x FROM writable");
    for (const owner of list(root.layerdbMounts(this.driverName))) if (!owners.includes(owner)) found.push(`mount-id of ${owner}, which has no layer`);
    for (const { chainId } of stores.layers.list()) {
      try { for await (const _ of await stores.layers.tar(chainId)) { /* verified as it is read */ } } catch (e) { found.push(`layer ${chainId}: ${messageOf(e)}`); }
    }
    const images = new Set<string>([...stores.images.list()].map(({ id }) => id)), containers = new Map([...stores.containers.list()].map((c) => [c.id as string, c]));
    for (const [what, state] of this.states) {
      const [kind, key] = what.split(" ") as ["image" | "container", string], present = kind === "image" ? images.has(key) : containers.has(key);
      if (state !== "changing" && present !== (state === "there")) found.push(`${what} should be ${state}`);
      if (state === "changing") this.tell({ kind, key, state: present ? "there" : "gone" });
    }
    for (const id of list(root.containers)) if (!containers.has(id)) found.push(`directory of container ${id}, which is not in the ledger`);
    for (const { id, state } of containers.values()) {
      if (state.status === "removing") await this.removeContainer(id);
      else try { await this.read(id); } catch (e) { found.push(`container ${id}: ${messageOf(e)}`); }
    }
    await this.driver.drainTrash();
    for (let left = 100; left > 0 && list(root.trash).length > 0; left--) await new Promise((resolve) => setTimeout(resolve, 50));
    for (const name of [...list(root.trash), ...list(root.tmp)]) found.push(`${name} was left in the trash or in tmp`);
    return found;
  }

  /** Everything that a daemon does with layers, in any order, for ever. */
  async work(): Promise<never> {
    for (;;) {
      const act = this.dice.roll(12), images = this.known("image"), containers = this.known("container");
      if (act < 3 && images.length < MOST_IMAGES) await this.pull();
      else if (act < 6 && images.length > 0 && containers.length < MOST_CONTAINERS) await this.createContainer(this.pick(images) as ImageId);
      else if (act === 6 && containers.length > 0 && images.length < MOST_IMAGES) await this.commit(this.pick(containers) as ContainerId);
      else if (act === 7 && containers.length > 0) await this.removeContainer(this.pick(containers) as ContainerId);
      else if (act >= 10 && images.length < MOST_IMAGES) await this.download();
      else if (act >= 8 && images.length > 1) await this.removeImage(this.pick(images) as ImageId);
      else if (images.length === 0) await this.pull();
    }
  }

  private async pull(): Promise<void> {
    const { stores, dice } = this, base = this.known("image");
    await stores.leases.with("pull", async (lease) => {
      const below = base.length > 0 && dice.roll(2) === 0 ? stores.images.get(this.pick(base) as ImageId) : undefined;
      const diffIds = [...(below?.config.rootfs.diff_ids ?? [])];
      let top: ChainId | null = below?.top ?? null;
      for (let layers = 1 + dice.roll(2); layers > 0; layers--) {
        const marker = `marker-${newId().slice(0, 12)}`;
        const big = Array.from({ length: dice.roll(4) }, (_, i) => ({ name: `big-${i}`, content: noise(dice.roll(60_000)) }));
        const layer = await stores.layers.register(Readable.from([tarOf([...randomLayer(dice), ...big, { name: marker, content: marker }])]), top, lease);
        diffIds.push(layer.diffId);
        top = layer.chainId;
      }
      this.image(stores.images.create(imageConfig(diffIds), lease));
    });
  }
  /** The layer is made of a download while that comes; or, when the bytes of a former run have suffered, of none. */
  private async download(): Promise<void> {
    const { stores } = this, n = this.dice.roll(downloads.length), tar = downloads[n]!, diffId = digestOf<DiffId>(tar);
    await stores.leases.with("download", async (lease) => {
      const ingest = await stores.content.ingest(`download:${n}`, { digest: diffId, size: tar.length, mediaType: "application/x-tar" }, lease);
      const resumed = ingest.offset > 0;
      if (this.dice.roll(2) === 0) {
        // Given up on the way, to be taken up later.
        const stop = this.dice.roll(tar.length);
        while (ingest.offset < stop) await ingest.write(tar.subarray(ingest.offset, ingest.offset + PORTION));
        return await ingest.abort(true);
      }
      try {
        const layer = await stores.layers.register({ path: ingest.path, filter: null, growth: fill(ingest, tar), progress: () => undefined }, null, lease);
        if (layer.diffId !== diffId) throw new Error(`download ${n} became ${layer.diffId}`);
        await ingest.abort(false);
        this.image(stores.images.create(imageConfig([diffId]), lease));
      } catch (e) {
        await ingest.abort(false);
        if (!resumed) throw e;
      }
    });
  }
  private async createContainer(image: ImageId): Promise<void> {
    const { stores } = this, id = newId<ContainerId>();
    await stores.leases.with("create", async (lease) => {
      await stores.layers.createWritable(id, stores.images.get(image).top, lease);
      stores.containers.create(container(image, id.slice(0, 12), { id }));
    });
    // Its row is on disk when this returns, and not before.
    this.tell({ kind: "container", key: id, state: "changing" });
    await stores.containers.makeDirectory(id);
    this.tell({ kind: "container", key: id, state: "there" });
    const mounted = await stores.layers.mount(id);
    randomWork(this.dice, mounted.path);
    const path = `kept-${this.dice.roll(1000)}`, content = newId();
    const file = openSync(join(mounted.path, path), "w");
    writeSync(file, content);
    fsyncSync(file);
    closeSync(file);
    this.tell({ kind: "file", key: id, path, content });
    await mounted.release();
  }
  private async commit(id: ContainerId): Promise<void> {
    const { stores } = this;
    const base = stores.images.get(stores.containers.get(id).imageId);
    await stores.leases.with("commit", async (lease) => {
      const layer = await stores.layers.register(await stores.layers.tar({ owner: id }), base.top, lease);
      this.image(stores.images.create(imageConfig([...base.config.rootfs.diff_ids, layer.diffId]), lease));
    });
  }
  private async removeContainer(id: ContainerId): Promise<void> {
    const { stores } = this, record = stores.containers.get(id);
    this.tell({ kind: "container", key: id, state: "changing" });
    stores.containers.update({ ...record, state: { ...record.state, status: "removing" } }, { durable: false });
    await stores.layers.release(id);
    stores.containers.remove(id);
    await stores.containers.removeDirectory(id);
    this.tell({ kind: "container", key: id, state: "gone" });
  }
  private async removeImage(id: ImageId): Promise<void> {
    const { stores } = this;
    if ([...stores.containers.list()].some(({ imageId }) => imageId === id)) return;
    this.tell({ kind: "image", key: id, state: "changing" });
    stores.images.remove(id);
    this.tell({ kind: "image", key: id, state: "gone" });
    await stores.collector.collect({ wait: this.dice.roll(2) === 0 });
  }
  private image(id: ImageId): void {
    this.stores.images.tag(id, `app:${this.dice.roll(20)}`);
    this.tell({ kind: "image", key: id, state: "there" });
  }

  /** Every layer's mark shows through the mount, and what the container had synced is what it wrote. */
  private async read(id: ContainerId): Promise<void> {
    const mounted = await this.stores.layers.mount(id);
    try {
      for (const name of readdirSync(mounted.path)) {
        const content = name.startsWith("marker-") ? readFileSync(join(mounted.path, name), "utf8") : name;
        if (content !== name) throw new Error(`${name} reads ${JSON.stringify(content)}`);
      }
      for (const [path, content] of this.files.get(id) ?? []) {
        const read = readFileSync(join(mounted.path, path), "utf8");
        if (read !== content) throw new Error(`${path}, which was synced, reads ${JSON.stringify(read)}`);
      }
    } finally { await mounted.release(); }
  }

  private known(kind: "image" | "container"): string[] {
    return [...this.states].filter(([what, state]) => what.startsWith(`${kind} `) && state === "there").map(([what]) => what.slice(kind.length + 1));
  }
  private pick(from: readonly string[]): string { return from[this.dice.roll(from.length)]!; }
  /** The folder is the host's: what was written there stays, whatever happens to this machine. */
  private tell(fact: Fact): void {
    appendFileSync(this.facts, `${JSON.stringify(fact)}\n`);
    this.learn(fact);
  }
  private learn(fact: Fact): void {
    if (fact.kind !== "file") this.states.set(`${fact.kind} ${fact.key}`, fact.state);
    else this.files.set(fact.key, (this.files.get(fact.key) ?? new Map<string, string>()).set(fact.path, fact.content));
  }
}

async function* fill(ingest: Ingest, bytes: Buffer): AsyncGenerator<number, void> {
  for (yield ingest.offset; ingest.offset < bytes.length; yield ingest.offset) await ingest.write(bytes.subarray(ingest.offset, ingest.offset + PORTION));
  await ingest.check();
}

async function main([folder, seed, ...specs]: readonly string[]): Promise<void> {
  const workers = new WorkerPool({ size: 1 });
  const worlds = specs.map((spec, i) => {
    const [name, driver, path, options = ""] = spec.split(":") as [string, string, string, string?];
    mkdirSync(path, { recursive: true });
    return { options: options.split(",").filter(Boolean), world: new World(folder!, name, driver, new DataRoot(realpathSync(path)), new Dice(Number(seed) + i), workers) };
  });
  let sound = true;
  for (const { world, options } of worlds) {
    await world.open(options);
    for (const finding of await world.check()) {
      sound = false;
      console.log(`FOUND ${world.name}: ${finding}`);
    }
  }
  if (!sound) process.exit(1);
  console.log("WORKING");
  await Promise.all(worlds.map(({ world }) => world.work()));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.log(`FAILED ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
  process.exit(1);
});
