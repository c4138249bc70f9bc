import { WorkerPool } from "../../../archive/workers/pool.js";
import { storageConformance } from "../conformance.js";
import { devicesThere, openOn, subjectOf, Template, whyNot } from "./testing/bench.js";

const reason = whyNot();
const OPTIONS = { "dm.loopdatasize": "4G", "dm.loopmetadatasize": "16M", "dm.basesize": "512M", "dm.min_free_space": "1%" };

let template: Template | undefined, before: string[] = [];
afterAll(() => template?.forget());
beforeEach(() => { if (reason === undefined) before = devicesThere(); });
afterEach(() => { if (reason === undefined) expect(devicesThere()).toEqual(before); });

storageConformance("devicemapper, loop-lvm", async (dataRoot, workers: WorkerPool) => {
  template ??= await Template.make(workers, OPTIONS);
  template.lay(dataRoot);
  return subjectOf(await openOn(dataRoot, workers, OPTIONS), dataRoot);
}, () => reason);
