import { closeSync, openSync, readdirSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DataRoot, errnoOf, silentLogger } from "../core/index.js";
import { mountOne, unmountSync } from "../kernel/mount.js";
import { openStores } from "../open-stores.js";
import { FakeDriver, stream } from "./testing/fake-driver.js";
import { FakeMounter, TestClock, imageConfig, temporaryRoot } from "./testing/fixtures.js";

/** A small file system of our own, if this process may mount one. */
function smallDisk(path: string): (() => void) | undefined {
  try {
    mountOne({ type: "tmpfs", source: "tmpfs", options: [["size", "16m"]] }, path);
    return () => { unmountSync(path); };
  } catch (e) {
    if (errnoOf(e) === "EPERM" || errnoOf(e) === "EACCES") return undefined;
    throw e;
  }
}
function fill(path: string): void {
  const fd = openSync(join(path, "filler"), "w");
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096));
  } catch (e) {
    expect(errnoOf(e)).toBe("ENOSPC");
  } finally {
    closeSync(fd);
  }
}

const temporary = temporaryRoot();
const unmount = smallDisk(temporary.root.root);
afterAll(() => { unmount?.(); temporary.remove(); });

(unmount === undefined ? test.skip : test)("on a full disk a pull fails clean, and things can be removed (needs the right to mount)", async () => {
  const root = new DataRoot(temporary.root.root);
  const driver = new FakeDriver(root.driver("fake"));
  const stores = openStores({ root, drivers: new Map([["fake", driver]]), defaultDriver: "fake", mounter: new FakeMounter(), clock: new TestClock(), logger: silentLogger });
  const make = (content: string) => stores.leases.with("pull", async (lease) => {
    const layer = await stores.layers.register(stream(content), null, lease);
    await stores.content.put(Buffer.from(content), lease);
    return stores.images.create(imageConfig([layer.diffId]), lease);
  });
  const id = await make("small".repeat(20_000));
  stores.images.tag(id, "small");
  fill(root.root);
  await expect(make("more".repeat(100_000))).rejects.toThrow();
  expect(readdirSync(root.driver("fake"))).toHaveLength(1);
  expect(readdirSync(root.ingests)).toEqual([]);
  stores.images.untag("small");
  stores.images.remove(id);
  expect((await stores.collector.collect({ wait: true })).items.map((i) => i.kind).sort()).toEqual(["blob", "layer"]);
  expect(readdirSync(root.driver("fake"))).toEqual([]);
  expect(readdirSync(root.blobs)).toEqual([]);
  writeFileSync(join(root.root, "space"), Buffer.alloc(50_000));
  await stores.close();
});
