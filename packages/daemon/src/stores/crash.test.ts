import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "@strata/oci";
import { type DataRoot, silentLogger, systemClock } from "../core/index.js";
import { type Stores, openStores } from "../open-stores.js";
import { lockRoot } from "./root-lock.js";
import { FakeDriver } from "./testing/fake-driver.js";
import { FakeMounter, temporaryRoot } from "./testing/fixtures.js";

let root: DataRoot, remove: () => void, child: ChildProcess | undefined;
beforeEach(() => { ({ root, remove } = temporaryRoot()); });
afterEach(() => { child?.kill("SIGKILL"); remove(); });

/** Starts a busy process, waits until it works, lets it for some milliseconds, and kills it. */
async function killedAfter(ms: number): Promise<void> {
  const started = child = spawn(process.execPath, [join(__dirname, "testing", "busy.js"), root.root], { stdio: ["ignore", "pipe", "inherit"] });
  const over = new Promise<NodeJS.Signals | null>((resolve) => started.once("exit", (_, signal) => resolve(signal)));
  await Promise.race([new Promise((resolve) => started.stdout.once("data", resolve)), over]);
  await new Promise((resolve) => setTimeout(resolve, ms));
  started.kill("SIGKILL");
  expect(await over).toBe("SIGKILL");
}

const list = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);
function column(stores: Stores, query: string): string[] {
  return stores.ledger.sql<[], { x: string }>(query).all().map((row) => row.x).sort();
}

test("after kill -9 at any moment the tables and the disk agree, and everything reads back verified", async () => {
  for (let round = 0; round < 8; round++) {
    await killedAfter(Math.random() * 60);
    const lock = lockRoot(root.root);
    const stores = openStores({ root, drivers: new Map([["fake", new FakeDriver(root.driver("fake"))]]), defaultDriver: "fake", mounter: new FakeMounter(), clock: systemClock, logger: silentLogger });
    await stores.collector.recover();
    expect(column(stores, "SELECT id AS x FROM snapshot WHERE state <> 'committed'")).toEqual([]);
    expect(list(root.driver("fake"))).toEqual(column(stores, "SELECT id AS x FROM snapshot"));
    expect(list(root.layerdbMounts("fake"))).toEqual(column(stores, "SELECT owner AS x FROM writable"));
    expect(list(root.blobs)).toEqual([...stores.content.list()].map((d) => hexOf(d.digest)).sort());
    expect(column(stores, "SELECT id AS x FROM ingest")).toEqual(expect.arrayContaining(list(root.ingests)));
    const volumes = new Set([...stores.volumes.list()].map((v) => v.name));
    for (const name of list(root.volumes)) expect(volumes).toContain(name);
    const containers = new Set<string>([...stores.containers.list()].map((c) => c.id));
    for (const id of list(root.containers)) expect(containers).toContain(id);
    expect(list(root.tmp)).toEqual([]);
    for (const { digest } of stores.content.list()) await stores.content.read(digest);
    for (const { chainId } of stores.layers.list()) for await (const _ of await stores.layers.tar(chainId)) { /* verified as it is read */ }
    for (const { id } of stores.images.list()) for (const diffId of stores.images.get(id).config.rootfs.diff_ids) expect(diffId).toMatch(/^sha256:/);
    expect(stores.ledger.sql("PRAGMA foreign_key_check").all()).toEqual([]);
    expect(stores.ledger.sql("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
    await stores.close();
    expect(list(root.trash)).toEqual([]);
    lock.release();
  }
});
