import { describeLayers } from "./testing/layers-suite.js";
import { describeReassembly } from "./testing/reassembly-suite.js";
import { describeConfinement } from "./testing/confinement-suite.js";
import { describeWritable } from "./testing/writable-suite.js";
import { describeLifecycle } from "./testing/lifecycle-suite.js";
import { Rig, type Subject } from "./testing/rig.js";
import { WorkerPool } from "../../archive/workers/pool.js";

export type { Subject } from "./testing/rig.js";

/**
 * Holds a storage driver to its interface (core/storage.ts). `make` builds it on an empty data root. `unable` says why
 * this machine cannot run it, if so; `place` is the directory for data roots. Every test has a data root of its own and
 * fails when a directory, a file or a mount stays behind after all snapshots were removed.
 */
export function storageConformance(name: string, make: (dataRoot: string, workers: WorkerPool) => Subject | Promise<Subject>, unable?: () => string | undefined, place?: () => string): void {
  const reason = process.getuid?.() === 0 ? unable?.() : "needs root: owners, devices, mounts";
  (reason === undefined ? describe : describe.skip)(`storage driver ${name}${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
    let workers: WorkerPool, rig: Rig;
    // On a slow machine threads would end between tests, and starting them takes longer than the tests.
    beforeAll(() => { workers = new WorkerPool({ idleMs: 60_000 }); });
    afterAll(() => workers.close());
    beforeEach(async () => { rig = await Rig.open(make, workers, place?.()); });
    afterEach(async () => {
      try { expect(await rig.leftovers()).toEqual([]); }
      finally { await rig.destroy(); }
    }, 120_000);
    const current = (): Rig => rig;
    describeLayers(current, () => workers);
    describeConfinement(current);
    describeReassembly(current);
    describeWritable(current, () => workers);
    describeLifecycle(current);
  });
}
