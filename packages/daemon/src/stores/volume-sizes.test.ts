import { mkdirSync, readdirSync } from "node:fs";
import { type DataRoot, InvalidArgument, NotFound, silentLogger, type VolumeLimits } from "../core/index.js";
import { WorkerPool } from "../archive/workers/pool.js";
import { Ledger } from "../db/ledger.js";
import { FakeMounter, TestClock, temporaryRoot } from "./testing/fixtures.js";
import { Trash } from "./trash.js";
import { noPlugins } from "./plugin-volumes.js";
import { Figures } from "./usage/figures.js";
import { LedgerVolumes } from "./volumes.js";

/** Limits that are only noted: the real ones are drivers/volume's. */
class NotedLimits implements VolumeLimits {
  readonly log: string[] = [];
  refusing = false;
  async apply(directory: string, bytes: number): Promise<void> {
    if (this.refusing) throw new InvalidArgument("size: not here");
    mkdirSync(directory, { recursive: true });
    this.log.push(`${directory.slice(root.volumes.length + 1)} ${bytes}`);
  }
  async release(directory: string): Promise<void> { this.log.push(`${directory.slice(root.volumes.length + 1)} free`); }
}

const workers = new WorkerPool({ size: 1 });
let root: DataRoot, remove: () => void, ledger: Ledger, trash: Trash, limits: NotedLimits, volumes: LedgerVolumes;

beforeEach(() => {
  ({ root, remove } = temporaryRoot());
  for (const directory of [root.volumes, root.trash]) mkdirSync(directory);
  ledger = Ledger.open(root.ledger);
  const mounter = new FakeMounter();
  trash = new Trash(root.trash, mounter, workers, silentLogger);
  limits = new NotedLimits();
  volumes = new LedgerVolumes(ledger, root, trash, workers, mounter, limits, noPlugins, new Figures(ledger), new TestClock(), silentLogger);
});
afterEach(async () => {
  await trash.drain();
  ledger.close();
  remove();
});
afterAll(() => workers.close());

test("a size is held, changed by update and by create, held again after a start, and let go", async () => {
  await volumes.create({ name: "box", options: { size: "10k" } });
  await volumes.create({ name: "box" });
  expect(await volumes.update("box", { size: "20k" })).toMatchObject({ options: { size: "20k" } });
  expect(await volumes.create({ name: "box", options: { size: "30k" } })).toMatchObject({ options: { size: "30k" } });
  await volumes.restoreLimits();
  await volumes.remove("box");
  expect(limits.log).toEqual(["box/_data 10240", "box/_data 20480", "box/_data 30720", "box/_data 30720", "box/_data free"]);
});

test("a size that cannot be: nothing is made, and nothing changed", async () => {
  await volumes.create({ name: "there", options: { size: "10k" } });
  await volumes.create({ name: "mount", options: { type: "tmpfs", device: "tmpfs" } });
  limits.refusing = true;
  await expect(volumes.create({ name: "box", options: { size: "10k" } })).rejects.toThrow("size: not here");
  expect(() => volumes.get("box")).toThrow(NotFound);
  expect(readdirSync(root.volumes).sort()).toEqual(["mount", "there"]);
  await expect(volumes.update("there", { size: "20k" })).rejects.toThrow("size: not here");
  expect(volumes.get("there").options).toEqual({ size: "10k" });
  await volumes.restoreLimits();
  await expect(volumes.update("there", { type: "tmpfs" })).rejects.toThrow('Options: "type" of a volume cannot be changed');
  await expect(volumes.update("there", { size: "0" })).rejects.toThrow("is not a size");
  await expect(volumes.update("mount", { size: "1k" })).rejects.toThrow("a mount of its own (tmpfs)");
  await expect(volumes.update("none", { size: "1k" })).rejects.toThrow(NotFound);
});
