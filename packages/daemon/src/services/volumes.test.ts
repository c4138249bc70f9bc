import { Conflict, NotFound, silentLogger, type EventBus, type Volume, type VolumeSpec, type VolumeStore } from "../core/index.js";
import { Volumes } from "./volumes.js";

/** Volumes without a disk. */
class MemoryVolumes implements VolumeStore {
  readonly known = new Map<string, Volume>();
  readonly uses = new Map<string, Set<string>>();
  create(spec: VolumeSpec): Promise<Volume> {
    const name = spec.name ?? "f".repeat(64);
    const volume = this.known.get(name) ?? { name, driver: "local", anonymous: spec.name === undefined, labels: spec.labels ?? {}, options: spec.options ?? {}, createdAt: 0, mountpoint: `/v/${name}` };
    this.known.set(name, volume);
    return Promise.resolve(volume);
  }
  get(name: string): Volume {
    const found = this.known.get(name);
    if (!found) throw new NotFound(`get ${name}: no such volume`);
    return found;
  }
  list(): (Volume & { refs: string[] })[] { return [...this.known.values()].map((v) => ({ ...v, refs: [...this.uses.get(v.name) ?? []] })); }
  attach(): Promise<never> { throw new Error("not here"); }
  resume(): Promise<never> { throw new Error("not here"); }
  async unmountLeft(): Promise<void> {}
  async discover(): Promise<void> {}
  async told(name: string): Promise<undefined> { this.get(name); }
  use(name: string, owner: string): void { this.uses.set(name, (this.uses.get(name) ?? new Set()).add(owner)); }
  detach(name: string, owner: string): void { this.uses.get(name)?.delete(owner); }
  remove(name: string): Promise<void> {
    const owners = [...this.uses.get(name) ?? []];
    if (owners.length > 0) return Promise.reject(new Conflict(`remove ${name}: volume is in use - [${owners.join(", ")}]`));
    this.known.delete(name);
    return Promise.resolve();
  }
  async update(name: string, options: Readonly<Record<string, string>>): Promise<Volume> {
    const volume = { ...this.get(name), options };
    this.known.set(name, volume);
    return volume;
  }
  usage(): Promise<number> { return Promise.resolve(10); }
  settledSizes(): Promise<ReadonlyMap<string, number>> { return Promise.resolve(new Map()); }
}

function bed(): { volumes: Volumes; store: MemoryVolumes; emitted: string[] } {
  const store = new MemoryVolumes(), emitted: string[] = [];
  const events = { emit: (e: { action: string; id: string }) => { emitted.push(`${e.action} ${e.id}`.trim()); } } as unknown as EventBus;
  return { store, emitted, volumes: new Volumes({ store, events, logger: silentLogger }) };
}
const filters = (given: Record<string, string[]>): Map<string, string[]> => new Map(Object.entries(given));

test("are created once, found, and removed", async () => {
  const { volumes, store, emitted } = bed();
  await volumes.create({ name: "box" });
  await volumes.create({ name: "box" });
  store.use("box", "c1");
  expect(await volumes.inspect("box")).toMatchObject({ name: "box", refs: 1 });
  await expect(volumes.remove("box", true)).rejects.toMatchObject({ code: "Conflict", message: "remove box: volume is in use - [c1]" });
  store.detach("box", "c1");
  await volumes.remove("box", false);
  await expect(volumes.inspect("box")).rejects.toThrow("get box: no such volume");
  await expect(volumes.remove("box", false)).rejects.toMatchObject({ code: "NotFound" });
  await volumes.remove("box", true);
  expect(emitted).toEqual(["create box", "destroy box"]);
});

test("get another size, which is told", async () => {
  const { volumes, emitted } = bed();
  await volumes.create({ name: "box", options: { size: "10m" } });
  expect(await volumes.update("box", { size: "20m" })).toMatchObject({ options: { size: "20m" } });
  await volumes.create({ name: "box", options: { size: "10m" } });
  await expect(volumes.update("none", { size: "1m" })).rejects.toMatchObject({ code: "NotFound" });
  expect(emitted).toEqual(["create box", "update box"]);
});

test("are listed by filter", async () => {
  const { volumes, store } = bed();
  await volumes.create({ name: "red", labels: { color: "red" } });
  await volumes.create({ name: "blue", labels: { color: "blue" } });
  store.use("blue", "c1");
  const names = async (given: Record<string, string[]>): Promise<string[]> => (await volumes.list(filters(given))).map((v) => v.name);
  expect(await names({ name: ["e"] })).toEqual(["red", "blue"]);
  expect(await names({ label: ["color=red"] })).toEqual(["red"]);
  expect(await names({ dangling: ["true"] })).toEqual(["red"]);
  expect(await names({ dangling: ["0"] })).toEqual(["blue"]);
  expect(await names({ driver: ["nfs"] })).toEqual([]);
  await expect(names({ size: [] })).rejects.toThrow("invalid filter 'size'");
  await expect(names({ dangling: ["perhaps"] })).rejects.toThrow("invalid filter 'dangling=[perhaps]'");
});

test("are pruned: anonymous ones, or all", async () => {
  const { volumes, store, emitted } = bed();
  await volumes.create({});
  await volumes.create({ name: "named" });
  await volumes.create({ name: "kept", labels: { keep: "" } });
  await volumes.create({ name: "used" });
  store.use("used", "c1");
  expect(await volumes.prune(filters({}))).toEqual({ removed: ["f".repeat(64)], bytes: 10 });
  expect(await volumes.prune(filters({ all: ["true"], "label!": ["keep"] }))).toEqual({ removed: ["named"], bytes: 10 });
  expect([...store.known.keys()]).toEqual(["kept", "used"]);
  expect(emitted.filter((e) => !e.startsWith("create"))).toEqual([`destroy ${"f".repeat(64)}`, "prune", "destroy named", "prune"]);
});
