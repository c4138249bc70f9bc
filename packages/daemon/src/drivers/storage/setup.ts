import type { WorkerPool } from "../../archive/workers/pool.js";
import type { Logger } from "../../core/logger.js";
import type { StorageOptions } from "../../core/storage.js";

/** What every storage driver is built with. */
export interface DriverSetup {
  /** `<data-root>/<driver>`: the driver's own. */
  readonly root: string;
  /** `<data-root>/trash`; same file system. */
  readonly trash: string;
  /** Those of `--storage-opt`, of all drivers. Whoever builds the driver has checked that their names are known. */
  readonly options: StorageOptions;
  /** Tells whoever watches the daemon's events (a pool that is full): an action and attributes. */
  readonly report: (action: string, attributes: Readonly<Record<string, string>>) => void;
  readonly workers: WorkerPool;
  readonly logger: Logger;
}
