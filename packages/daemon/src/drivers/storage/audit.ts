import type { AuditArguments } from "../../archive/audit-tree.js";
import type { WorkerPool } from "../../archive/workers/pool.js";
import type { LayerFault } from "../../core/storage.js";

/** What is wrong with the tree of a layer whose tar is sound. */
export async function auditTree(workers: WorkerPool, args: AuditArguments): Promise<LayerFault | undefined> {
  const found = await workers.run("auditTree", args);
  return found === undefined ? undefined : { detail: `its files are not what its tar says: ${found}` };
}
