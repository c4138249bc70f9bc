import { WorkerPool } from "../../../archive/workers/pool.js";
import { storageConformance } from "../conformance.js";
import { devicesThere, Kept, whyNot } from "./testing/bench.js";

const reason = whyNot();
const OPTIONS = { "dm.loopdatasize": "4G", "dm.loopmetadatasize": "16M", "dm.basesize": "512M" };

jest.setTimeout(300_000);
describe("on loop devices", () => {
  let pool: Kept, workers: WorkerPool, before: string[];
  beforeAll(async () => {
    if (reason !== undefined) return;
    workers = new WorkerPool({ idleMs: 60_000 });
    before = devicesThere();
    pool = await Kept.open(workers, OPTIONS);
  });
  afterAll(async () => {
    if (reason !== undefined) return;
    await pool.close();
    await workers.close();
    expect(devicesThere()).toEqual(before);
  });
  /** Between tests only the pool and its loop devices are there. */
  afterEach(() => { if (reason === undefined) expect(devicesThere()).toHaveLength(before.length + 3); });

  storageConformance("devicemapper, loop-lvm", () => pool.subject(), () => reason);
});
