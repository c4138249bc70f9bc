import { execFileSync } from "node:child_process";
import { createReadStream, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "@strata/oci";
import { WorkerPool } from "../archive/workers/pool.js";
import { type DataRoot, silentLogger, systemClock } from "../core/index.js";
import { Overlay2Driver } from "../drivers/storage/overlay2/overlay2.js";
import { type OverlayFeatures, probeOverlay } from "../drivers/storage/overlay/probe.js";
import { readMountTable } from "../kernel/mount-table.js";
import { type Stores, openStores } from "../open-stores.js";
import { container, imageConfig, temporaryRoot } from "./testing/fixtures.js";

const workers = new WorkerPool();
const { root, remove } = temporaryRoot();
let features: OverlayFeatures | undefined;
beforeAll(async () => {
  // Probing mounts; without the right to, there is nothing to test here.
  const probe = await Promise.resolve(probeOverlay(join(root.root, "overlay2")));
  if (probe.ok) features = probe.features;
  else process.stderr.write(`overlay2 is not tested here: ${probe.reason}\n`);
});
afterAll(async () => { await workers.close(); remove(); });

function open(at: DataRoot, found: OverlayFeatures): { stores: Stores; driver: Overlay2Driver } {
  const driver = new Overlay2Driver({ root: at.driver("overlay2"), trash: at.trash, options: new Map(), report: () => undefined, workers, logger: silentLogger }, found, { ok: false, reason: "not asked" });
  return { driver, stores: openStores({ root: at, drivers: new Map([["overlay2", driver]]), defaultDriver: "overlay2", workers, clock: systemClock, logger: silentLogger }) };
}

test("a container's life on the real overlay2, over a restart, and nothing is left", async () => {
  if (features === undefined) return;
  const source = join(root.root, "source"), tar = (name: string): string => join(root.root, name);
  for (const dir of ["bin", "etc"]) mkdirSync(join(source, dir), { recursive: true });
  writeFileSync(join(source, "etc/passwd"), "root:x:0:0\n");
  symlinkSync("../run/resolv.conf", join(source, "etc/resolv.conf"));
  execFileSync("tar", ["-C", source, "-cf", tar("base.tar"), "."]);
  writeFileSync(join(source, "etc/more"), "more\n");
  execFileSync("tar", ["-C", source, "-cf", tar("top.tar"), "./etc/more"]);

  let { stores, driver } = open(root, features);
  await stores.collector.recover();
  const { image, top } = await stores.leases.with("load", async (lease) => {
    const base = await stores.layers.register(createReadStream(tar("base.tar")), null, lease);
    const layer = await stores.layers.register(createReadStream(tar("top.tar")), base.chainId, lease);
    return { image: stores.images.create(imageConfig([base.diffId, layer.diffId]), lease), top: layer };
  });
  expect(top).toMatchObject({ diffId: digestOf(readFileSync(tar("top.tar"))), size: 5 });
  const chunks: Buffer[] = [];
  for await (const chunk of await stores.layers.tar(top.chainId)) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).equals(readFileSync(tar("top.tar")))).toBe(true);

  await stores.leases.with("create", async (lease) => {
    await stores.layers.createWritable("box", top.chainId, lease);
    stores.containers.create(container(image, "box", { id: "box" as never }));
  });
  const { path } = await stores.layers.mount("box");
  expect(readdirSync(path).sort()).toEqual([".dockerenv", "bin", "dev", "etc", "proc", "sys"]);
  expect(readdirSync(join(path, "etc")).sort()).toEqual(["hostname", "hosts", "more", "mtab", "passwd", "resolv.conf"]);
  expect(lstatSync(join(path, "etc/resolv.conf")).isFile()).toBe(true);
  expect(readlinkSync(join(path, "etc/mtab"))).toBe("/proc/mounts");
  writeFileSync(join(path, "new"), "x");
  expect(stores.layers.describe({ owner: "box" }).data).toMatchObject({ MergedDir: path });

  // The daemon dies with the container's tree mounted; the next one finds and uses it.
  stores.ledger.close();
  ({ stores, driver } = open(root, features));
  await stores.collector.recover();
  const mountsHere = (): number => readMountTable().filter((m) => m.target === path).length;
  const taken = await stores.layers.mount("box");
  expect(mountsHere()).toBe(1);
  expect(readFileSync(join(taken.path, "new"), "utf8")).toBe("x");
  await taken.release();
  expect(mountsHere()).toBe(0);
  const changes = [];
  for await (const change of stores.layers.changes("box")) changes.push(change);
  expect(changes).toEqual([{ path: "/new", kind: 1 }]);

  await stores.layers.release("box");
  stores.containers.remove("box" as never);
  stores.images.remove(image);
  await stores.collector.collect({ wait: true });
  await driver.drainTrash();
  await stores.close();
  expect([...readdirSync(root.driver("overlay2")), ...readdirSync(join(root.driver("overlay2"), "l")), ...readdirSync(root.trash)]).toEqual(["l"]);
  expect(readMountTable().filter((m) => m.target.startsWith(root.root))).toEqual([]);
});
