import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { DataRoot, Found, Inspection, Inspector } from "../core/index.js";
import type { LedgerFault } from "../db/ledger-check.js";

const ENTRY = join(__dirname, "..", "db", "ledger-check-worker.js");

/** The ledger as a file, and what its rows say of each other. On a thread of its own: the daemon goes on. */
export class LedgerInspector implements Inspector {
  readonly about = "ledger";

  constructor(private readonly root: DataRoot) {}

  async *inspect({ deep, signal }: Inspection): AsyncIterable<Found> {
    const worker = new Worker(ENTRY, { workerData: { path: this.root.ledger, deep } });
    try {
      const [faults] = (await once(worker, "message", { signal })) as [LedgerFault[]];
      for (const { problem, where, detail } of faults) yield { kind: "ledger", id: where, problem, detail, images: [] };
    } finally {
      await worker.terminate();
    }
  }
}
