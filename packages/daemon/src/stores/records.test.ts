import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ImageId, digestOf } from "@strata/oci";
import { AlreadyExists, Conflict, type DataRoot, InvalidArgument, type Network, type NetworkId, NotFound, newId, silentLogger } from "../core/index.js";
import { WorkerPool } from "../archive/workers/pool.js";
import { Ledger } from "../db/ledger.js";
import { LedgerContainers } from "./containers.js";
import { LedgerImages } from "./images.js";
import { LedgerLeases } from "./leases.js";
import { LedgerNetworks } from "./networks.js";
import { lockRoot, type RootLock } from "./root-lock.js";
import { FakeMounter, noLimits, TestClock, container, imageConfig, layerRows, temporaryRoot } from "./testing/fixtures.js";
import { Trash } from "./trash.js";
import { noPlugins } from "./plugin-volumes.js";
import { Figures } from "./usage/figures.js";
import { LedgerVolumes } from "./volumes.js";

const workers = new WorkerPool({ size: 1 });
let root: DataRoot, remove: () => void, lock: RootLock, ledger: Ledger;
let clock: TestClock, mounter: FakeMounter, trash: Trash;
let figures: Figures;
let leases: LedgerLeases, images: LedgerImages, containers: LedgerContainers, volumes: LedgerVolumes, networks: LedgerNetworks;

beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  lock = lockRoot(root.root);
  for (const directory of [root.containers, root.volumes, root.trash]) mkdirSync(directory);
  ledger = Ledger.open(root.ledger);
  [clock, mounter] = [new TestClock(), new FakeMounter()];
  trash = new Trash(root.trash, mounter, workers, silentLogger);
  leases = new LedgerLeases(ledger, clock);
  images = new LedgerImages(ledger, leases, clock);
  figures = new Figures(ledger);
  containers = new LedgerContainers(ledger, root, trash, workers, figures, clock, silentLogger);
  volumes = new LedgerVolumes(ledger, root, trash, workers, mounter, noLimits, noPlugins, figures, clock, silentLogger);
  networks = new LedgerNetworks(ledger);
});
afterEach(async () => {
  await trash.drain();
  ledger.close();
  lock.release();
  remove();
});

function image(name: string, layers: readonly string[] = [name], more: object = {}): ImageId {
  const lease = leases.open("test");
  const id = images.create(imageConfig(layerRows(ledger, layers), { author: name, ...more }), lease);
  leases.close(lease);
  return id;
}

test("a second daemon on a data root is refused with the first one's pid", () => {
  expect(() => lockRoot(root.root)).toThrow(Conflict);
  expect(() => lockRoot(root.root)).toThrow(`in use by another daemon (pid ${process.pid})`);
  lock.release();
  lock = lockRoot(root.root);
});

describe("leases", () => {
  test("hold, renew, expire", () => {
    const lease = leases.open("pull", 1000);
    leases.hold(lease, "blob", "x");
    leases.hold(lease, "blob", "x");
    clock.time += 900;
    leases.renew(lease, 1000);
    clock.time += 900;
    expect(leases.expire()).toBe(0);
    clock.time += 100;
    expect(leases.expire()).toBe(1);
    expect(ledger.sql("SELECT * FROM lease_hold").all()).toEqual([]);
    expect(() => leases.hold(lease, "blob", "y")).toThrow(Conflict);
    expect(() => leases.renew(lease)).toThrow(Conflict);
    leases.close(lease);
  });
  test("are closed after the work, whatever happens", async () => {
    await expect(leases.with("x", async (lease) => { leases.hold(lease, "blob", "b"); throw new Error("no"); })).rejects.toThrow("no");
    expect(ledger.sql("SELECT * FROM lease").all()).toEqual([]);
    leases.open("left over");
    expect(leases.expire(true)).toBe(1);
  });
});

describe("images", () => {
  test("need their layers, keep their exact bytes, and are the same when created twice", () => {
    const lease = leases.open("test");
    const config = imageConfig([digestOf("absent")]);
    expect(() => images.create(config, lease)).toThrow(NotFound);
    expect([...images.list()]).toEqual([]);
    const good = imageConfig(layerRows(ledger, ["a", "b"]));
    const id = images.create(good, lease);
    expect(images.create(good, lease)).toBe(id);
    expect(id).toBe(digestOf(good));
    expect(images.config(id)).toEqual(good);
    expect(images.get(id)).toMatchObject({ id, size: 20, tags: [], parent: null, top: digestOf(`${digestOf("a")} ${digestOf("b")}`) });
    expect(images.get(images.create(Buffer.from('{"rootfs":{"type":"layers","diff_ids":null}}'), lease))).toMatchObject({ top: null, size: 0, config: { rootfs: { diff_ids: [] } } });
    for (const bad of ["", "[]", "null", '{"rootfs":{"diff_ids":["x"]}}', '{"rootfs":{"diff_ids":7}}']) expect(() => images.create(Buffer.from(bad), lease)).toThrow(InvalidArgument);
  });

  test("are found by name, digest, ID and prefix; a name beats a prefix", () => {
    const a = image("a"), b = image("b");
    const manifest = digestOf("manifest");
    expect(images.tag(a, "busybox")).toBeNull();
    images.tag(a, `busybox:1@${manifest}`);
    expect(images.get(a).tags).toEqual(["docker.io/library/busybox:latest"]);
    expect(images.get(a).digests).toEqual([`docker.io/library/busybox@${manifest}`]);
    for (const name of ["busybox", "busybox:latest", "docker.io/library/busybox", `busybox@${manifest}`, a, a.slice(7), a.slice(7, 19), a.slice(0, 20)]) expect(images.resolve(name)).toBe(a);
    expect(images.tag(b, "busybox")).toBe(a);
    expect(images.resolve("busybox")).toBe(b);
    const short = a.slice(7, 19);
    images.tag(b, short);
    expect(images.resolve(short)).toBe(b);
    expect(images.untag(short)).toBe(true);
    expect(images.untag(short)).toBe(false);
    expect(() => images.resolve("sha256:")).toThrow(InvalidArgument);
    expect(() => images.resolve("")).toThrow(InvalidArgument);
  });

  test.each([["nope", "No such image: nope:latest"], ["user/x:1", "No such image: user/x:1"], ["0123456789ab", "No such image: 0123456789ab:latest"], [`sha256:${"0".repeat(64)}`, `No such image: sha256:${"0".repeat(64)}`]])("absent: %s", (name, message) => {
    expect(() => images.resolve(name)).toThrow(message);
    expect(() => images.resolve(name)).toThrow(NotFound);
  });

  test("a prefix of several IDs is nothing that is here, a malformed name the caller's mistake", () => {
    const ids = Array.from({ length: 17 }, (_, i) => image(`many${i}`).slice(7, 8));
    const twice = ids.find((c, i) => ids.indexOf(c) !== i)!;
    expect(() => images.resolve(twice)).toThrow(NotFound);
    expect(() => images.resolve("UPPER")).toThrow(InvalidArgument);
  });

  test("the list tells names, containers and shared bytes in one statement", () => {
    const a = image("a", ["base", "a"], { config: { Labels: { k: "v" } } }), b = image("b", ["base", "b"], { created: "2025-07-01T00:00:00Z" }), c = image("c", ["lonely"], { created: "2020-01-01T00:00:00Z" });
    images.tag(a, "x:2");
    images.tag(a, "x:1");
    containers.create(container(a, "one"));
    containers.create(container(a, "two"));
    const list = [...images.list()];
    expect(list.map((i) => i.id)).toEqual([b, a, c]);
    expect(list[1]).toEqual({
      id: a, parent: null, size: 20, sharedSize: 10, containers: 2, labels: { k: "v" }, tags: ["docker.io/library/x:1", "docker.io/library/x:2"], digests: [],
      createdAt: Date.parse("2025-06-01T10:00:00.123Z"), storedAt: clock.time, lastUsedAt: clock.time, lastTaggedAt: clock.time,
    });
    expect(list[2]).toMatchObject({ sharedSize: 0, containers: 0, tags: [], lastTaggedAt: null });
  });

  test("are not removed under a container or a child; their references go with them", () => {
    const lease = leases.open("test");
    const parent = image("p", ["p"]);
    const child = images.create(imageConfig(layerRows(ledger, ["p", "c"])), lease, { parent });
    expect(images.get(child).parent).toBe(parent);
    expect(() => images.remove(parent)).toThrow(Conflict);
    const user = container(child, "user");
    containers.create(user);
    expect(() => images.remove(child)).toThrow(Conflict);
    containers.remove(user.id);
    images.tag(child, "child");
    images.remove(child);
    images.remove(parent);
    expect([...images.list()]).toEqual([]);
    expect(ledger.sql("SELECT * FROM reference").all()).toEqual([]);
    expect(() => images.remove(parent)).toThrow(NotFound);
  });

  test("use is marked on the image and its parents; their layers inherit it, and keep it when the image goes", () => {
    const lease = leases.open("test");
    const parent = image("p", ["p"]), other = image("o", ["o"]);
    const child = images.create(imageConfig(layerRows(ledger, ["p", "c"])), lease, { parent });
    clock.time += 5000;
    images.touch(child);
    for (const [id, at] of [[child, clock.time], [parent, clock.time], [other, clock.time - 5000]] as const) expect(images.get(id).lastUsedAt).toBe(at);
    expect(ledger.sql("SELECT * FROM layer WHERE last_used_at > 0").all()).toEqual([]);
    clock.time += 5000;
    images.touch(parent);
    images.remove(child);
    expect(ledger.sql<[], { at: number }>("SELECT last_used_at AS at FROM layer ORDER BY last_used_at").all().map(({ at }) => at)).toEqual([0, clock.time - 5000, clock.time - 5000]);
    expect(() => images.touch("sha256:no" as ImageId)).toThrow(NotFound);
  });
});

describe("containers", () => {
  test("come back as they were stored, and change only through update", () => {
    const c = container(image("i"), "web", { hostConfig: { Binds: ["/a:/b"], custom: { x: 1 } } });
    containers.create(c);
    expect(containers.get(c.id)).toEqual(c);
    expect([...containers.list()]).toEqual([c]);
    expect(() => { containers.get(c.id).hostConfig.Memory = 5; }).toThrow(TypeError);
    const running = { ...c, hostConfig: { Memory: 5 }, state: { ...c.state, status: "running" as const, pid: 42, startedAt: 1.25, stoppedByUser: false } };
    containers.update(running, { durable: false });
    expect(containers.get(c.id)).toEqual(running);
    expect(() => ledger.transaction(() => { containers.update(c); expect(containers.get(c.id)).toEqual(c); throw new Error("undo"); })).toThrow("undo");
    expect(containers.get(c.id)).toEqual(running);
    containers.remove(c.id);
    expect(() => containers.get(c.id)).toThrow(`No such container: ${c.id}`);
    expect(() => containers.update(c)).toThrow(NotFound);
    expect(() => containers.remove(c.id)).toThrow(NotFound);
  });

  test("names are unique, and the refusal names the holder", () => {
    const i = image("i");
    const a = container(i, "a"), b = container(i, "b");
    containers.create(a);
    containers.create(b);
    const taken = `Conflict. The container name "/a" is already in use by container "${a.id}". You have to remove (or rename) that container to be able to reuse that name.`;
    expect(() => containers.create(container(i, "a"))).toThrow(taken);
    expect(() => containers.update({ ...b, name: "a" })).toThrow(taken);
    expect(() => containers.create(a)).toThrow(AlreadyExists);
    expect(() => containers.create(container(digestOf("none"), "c"))).toThrow("No such image");
  });

  test("are found by ID, name, /name and unique prefix", () => {
    const i = image("i");
    const a = container(i, "a"), b = container(i, a.id.slice(0, 6));
    containers.create(a);
    for (const name of [a.id, "a", "/a", a.id.slice(0, 12)]) expect(containers.resolve(name)).toBe(a.id);
    containers.create(b);
    expect(containers.resolve(a.id.slice(0, 6))).toBe(b.id);
    expect(() => containers.resolve("nope")).toThrow("No such container: nope");
    expect(() => containers.resolve("")).toThrow(NotFound);
    const twin = container(i, "twin", { id: `${a.id.slice(0, 63)}${a.id.endsWith("0") ? "1" : "0"}` as typeof a.id });
    containers.create(twin);
    expect(() => containers.resolve(a.id.slice(0, 20))).toThrow(InvalidArgument);
  });

  test("mirror what tools read on disk; directories without a row are swept", async () => {
    const c = container(image("i"), "web", { hostConfig: { NetworkMode: "bridge" } });
    containers.create(c);
    await containers.makeDirectory(c.id);
    await Promise.all([containers.mirror(c), containers.mirror({ ...c, state: { ...c.state, status: "running", pid: 7 } })]);
    await containers.mirror({ ...c, state: { ...c.state, status: "running", pid: 7 } });
    const dir = containers.directory(c.id);
    expect(readdirSync(dir).sort()).toEqual(["config.v2.json", "hostconfig.json"]);
    expect(JSON.parse(readFileSync(join(dir, "config.v2.json"), "utf8"))).toMatchObject({ ID: c.id, Name: "/web", Image: c.imageId, Path: "/bin/sh", LogPath: join(dir, `${c.id}-json.log`), State: { Running: true, Pid: 7, StartedAt: "0001-01-01T00:00:00Z" } });
    expect(JSON.parse(readFileSync(join(dir, "hostconfig.json"), "utf8"))).toEqual({ NetworkMode: "bridge" });
    mkdirSync(join(root.containers, "orphan"));
    await containers.sweep();
    expect(readdirSync(root.containers)).toEqual([c.id]);
    containers.remove(c.id);
    await containers.removeDirectory(c.id);
    await containers.removeDirectory(c.id);
    await trash.drain();
    expect([...readdirSync(root.containers), ...readdirSync(root.trash)]).toEqual([]);
  });
});

describe("volumes", () => {
  test("are made once, used, and removed when nobody uses them", async () => {
    const v = await volumes.create({ name: "data", labels: { a: "b" } });
    expect(v).toMatchObject({ name: "data", driver: "local", anonymous: false, labels: { a: "b" }, mountpoint: join(root.volumes, "data", "_data") });
    expect(await volumes.create({ name: "data", driver: "local" })).toEqual(v);
    await expect(volumes.create({ name: "data", driver: "other" })).rejects.toThrow('plugin "other" not found');
    expect((await volumes.create({})).name).toMatch(/^[0-9a-f]{64}$/);
    const held = await volumes.attach("data", "c1");
    volumes.use("data", "c2");
    writeFileSync(join(held.path, "f"), "12345");
    expect(await volumes.usage("data")).toBe(5);
    expect([...volumes.list()].find((x) => x.name === "data")!.refs).toEqual(["c1", "c2"]);
    await expect(volumes.remove("data")).rejects.toThrow("remove data: volume is in use - [c1, c2]");
    await held.release();
    volumes.detach("data", "c1");
    volumes.detach("data", "c2");
    volumes.detach("data", "c2");
    await volumes.remove("data");
    expect(existsSync(join(root.volumes, "data"))).toBe(false);
    await expect(volumes.remove("data")).rejects.toThrow("get data: no such volume");
    expect(() => volumes.use("data", "c1")).toThrow(NotFound);
  });

  test("a container that is gone uses nothing", async () => {
    const c = container(image("i"), "c");
    containers.create(c);
    await volumes.create({ name: "data" });
    volumes.use("data", c.id);
    containers.remove(c.id);
    await volumes.remove("data");
  });

  test("options are mounted while anyone is attached", async () => {
    const { mountpoint } = await volumes.create({ name: "host", options: { type: "none", o: "bind,ro", device: "/srv" } });
    const [a, b] = await Promise.all([volumes.attach("host", "a"), volumes.attach("host", "b")]);
    expect(mounter.log).toEqual([`mount ${mountpoint}`]);
    expect(mounter.mounted.get(mountpoint)!.mounts).toEqual([{ type: "bind", source: "/srv", options: ["ro"] }]);
    await a.release();
    await a.release();
    expect(mounter.mounted.size).toBe(1);
    const releasing = b.release();
    const again = await volumes.attach("host", "c");
    await releasing;
    expect(mounter.mounted.size).toBe(1);
    await again.release();
    expect(mounter.mounted.size).toBe(0);
  });

  test("a failed mount is tried again; a mount that outlived the daemon is taken over, and is gone before the files", async () => {
    const { mountpoint } = await volumes.create({ name: "mem", options: { type: "tmpfs", device: "tmpfs", o: "size=1m,uid=5" } });
    mounter.failing = true;
    await expect(volumes.attach("mem", "a")).rejects.toThrow("mount refused");
    mounter.failing = false;
    await volumes.attach("mem", "a");
    expect(mounter.mounted.get(mountpoint)!.mounts[0]!.options).toEqual([["size", "1m"], ["uid", "5"]]);
    const next = new LedgerVolumes(ledger, root, trash, workers, mounter, noLimits, noPlugins, figures, clock, silentLogger);
    await next.attach("mem", "a");
    expect(mounter.log.filter((l) => l.startsWith("mount"))).toHaveLength(1);
    next.detach("mem", "a");
    await next.remove("mem");
    expect(mounter.mounted.size).toBe(0);
  });

  test.each<[object, RegExp]>([
    [{ name: "a" }, /too short/], [{ name: "-a" }, /invalid characters/], [{ name: "../x" }, /invalid characters/], [{ name: "a".repeat(256) }, /too long/],
    [{ name: "ok", options: { size: "much" } }, /size: "much" is not a size/], [{ name: "ok", options: { size: "1g", type: "tmpfs", device: "tmpfs" } }, /size: it is for volumes without/], [{ name: "ok", options: { what: "1" } }, /invalid option: "what"/], [{ name: "ok", options: { device: "x" } }, /missing required option: "type"/],
    [{ name: "ok", options: { type: "none", o: "bind", device: "relative" } }, /absolute/], [{ name: "ok", driver: "nfs" }, /plugin "nfs" not found/],
  ])("refuses %j", async (spec, message) => {
    await expect(volumes.create(spec)).rejects.toThrow(message);
    expect(readdirSync(root.volumes)).toEqual([]);
  });

  test("a directory without a row is swept", async () => {
    await volumes.create({ name: "kept" });
    mkdirSync(join(root.volumes, "orphan", "_data"), { recursive: true });
    await volumes.sweep();
    expect(readdirSync(root.volumes)).toEqual(["kept"]);
  });
});

describe("networks", () => {
  const network = (name: string): Network => ({ id: newId<NetworkId>(), name, driver: "bridge", createdAt: 1, internal: false, attachable: false, ipv6: false, ipam: [], options: {}, labels: {} });
  const endpoint = (n: Network, owner: string, ipv4: string | null) => ({ id: newId<string>(), network: n.id, container: owner, interfaceName: "eth0", hostInterface: "v", mac: "m", ipv4, prefix: 24, gateway: null, ipv6: null, prefix6: 0, gateway6: null, aliases: [] });

  test("are found by ID, name and prefix; names are unique", () => {
    const n = network("front");
    networks.create(n);
    for (const name of [n.id, "front", n.id.slice(0, 10)]) expect(networks.get(name)).toEqual(n);
    expect([...networks.list()]).toEqual([n]);
    expect(() => networks.create(network("front"))).toThrow("network with name front already exists");
    expect(() => networks.get("back")).toThrow("network back not found");
  });

  test("addresses and ports are given once", () => {
    const n = network("front");
    networks.create(n);
    const e = endpoint(n, "c1", "10.0.0.2");
    networks.addEndpoint(e);
    expect(() => networks.addEndpoint(endpoint(n, "c2", "10.0.0.2"))).toThrow("Address already in use");
    expect(() => networks.addEndpoint(endpoint(n, "c1", "10.0.0.3"))).toThrow(AlreadyExists);
    networks.addEndpoint(endpoint(n, "c3", null));
    networks.addEndpoint(endpoint(n, "c4", null));
    expect(networks.endpoints({ network: n.id, container: "c1" })).toEqual([e]);
    expect(networks.endpoints({ network: n.id })).toHaveLength(3);
    expect(networks.endpoints({ container: "c3" })).toHaveLength(1);
    expect(networks.endpoints({})).toHaveLength(3);
    expect(() => networks.remove(n.id)).toThrow(Conflict);
    const port = { protocol: "tcp" as const, containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 };
    networks.setPorts("c1", [port]);
    expect(() => networks.setPorts("c2", [{ ...port, hostPort: 1 }, port])).toThrow("Bind for 0.0.0.0:8080 failed: port is already allocated");
    expect(networks.ports()).toEqual([{ ...port, container: "c1" }]);
    networks.setPorts("c1", []);
    networks.setPorts("c2", [port]);
    expect(networks.ports("c2")).toEqual([{ ...port, container: "c2" }]);
    for (const c of ["c1", "c3", "c4", "c4"]) networks.removeEndpoint(n.id, c);
    networks.remove(n.id);
    networks.remove(n.id);
    expect(() => networks.get(n.id)).toThrow(NotFound);
  });
});
