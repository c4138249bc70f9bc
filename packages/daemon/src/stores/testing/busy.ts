import { join } from "node:path";
import { type ContainerId, newId, silentLogger, systemClock } from "../../core/index.js";
import { openStores } from "../../open-stores.js";
import { lockRoot } from "../root-lock.js";
import { FakeDriver, stream } from "./fake-driver.js";
import { FakeMounter, container, imageConfig } from "./fixtures.js";

/** A process that does all a daemon does with its stores, over and over, until it is killed. */
async function busy(path: string): Promise<never> {
  const { root } = lockRoot(path);
  const stores = openStores({ root, drivers: new Map([["fake", new FakeDriver(root.driver("fake"))]]), defaultDriver: "fake", mounter: new FakeMounter(), clock: systemClock, logger: silentLogger });
  await stores.collector.recover();
  process.stdout.write("ready\n");
  for (let i = 0; ; i++) {
    const image = await stores.leases.with("pull", async (lease) => {
      const manifest = await stores.content.put(Buffer.from(`manifest ${i % 7}`), lease);
      const ingest = await stores.content.ingest(`layer ${i % 3}`, { mediaType: "t", digest: manifest.digest, size: manifest.size }, lease);
      await ingest.abort(i % 2 === 0);
      const base = await stores.layers.register(stream(`base ${i % 2}`), null, lease);
      const [top] = await Promise.all([stores.layers.register(stream(`top ${i % 5}`), base.chainId, lease), stores.layers.register(stream(`lost ${i % 5}`), base.chainId, lease)]);
      const id = stores.images.create(imageConfig([base.diffId, top.diffId]), lease);
      stores.images.tag(id, `app:${i % 3}`);
      stores.images.tag(id, `app@${manifest.digest}`);
      return id;
    });
    const id = newId<ContainerId>();
    await stores.leases.with("create", async (lease) => {
      await stores.layers.createWritable(id, stores.images.get(image).top, lease);
      stores.containers.create(container(image, id.slice(0, 12), { id }));
    });
    const record = stores.containers.get(id);
    await stores.containers.makeDirectory(id);
    await stores.containers.mirror(record);
    const { name } = await stores.volumes.create({ name: `volume${i % 2}` });
    await (await stores.volumes.attach(name, id)).release();
    stores.containers.update({ ...record, state: { ...record.state, status: "running", pid: 1 } }, { durable: false });
    if (i % 3 !== 0) {
      await stores.layers.release(id);
      stores.containers.remove(id);
      await stores.containers.removeDirectory(id);
      if (i % 2 === 0) await stores.volumes.remove(name).catch(() => undefined);
    }
    for (const summary of [...stores.images.list()]) if (summary.containers === 0 && i % 4 === 0) stores.images.remove(summary.id);
    await stores.collector.collect({ wait: i % 2 === 0 });
  }
}
if (require.main === module) void busy(join(process.argv[2]!));
