import type { WorkerPool } from "./archive/workers/pool.js";
import { Unavailable, type DataRoot, type Logger, type StorageDriver } from "./core/index.js";
import { Overlay2Driver } from "./drivers/storage/overlay2/overlay2.js";
import { probeOverlay2 } from "./drivers/storage/overlay2/probe.js";
import { VfsDriver } from "./drivers/storage/vfs.js";

/** The storage drivers that work on this data root. */
export interface Storage {
  readonly drivers: ReadonlyMap<string, StorageDriver>;
  readonly defaultDriver: string;
  /** Lines of `docker info`. */
  readonly status: readonly (readonly [string, string])[];
}

/** Proves drivers by trying them; `wanted` is one by name, or empty for the best. Unavailable says why the wanted one does not work. */
export function openStorage(wanted: string, root: DataRoot, workers: WorkerPool, logger: Logger): Storage {
  const drivers = new Map<string, Overlay2Driver | VfsDriver>();
  const common = { trash: root.trash, workers, logger };
  const probe = probeOverlay2(root.driver("overlay2"));
  if (probe.ok) drivers.set("overlay2", new Overlay2Driver({ ...common, root: root.driver("overlay2"), features: probe.features }));
  else if (wanted === "overlay2") throw new Unavailable(`the storage driver overlay2 does not work here: ${probe.reason}`);
  else if (wanted === "") logger.warn({ reason: probe.reason }, "overlay2 does not work here; vfs copies whole trees instead");
  drivers.set("vfs", new VfsDriver({ ...common, root: root.driver("vfs") }));
  const defaultDriver = wanted || (probe.ok ? "overlay2" : "vfs");
  return { drivers, defaultDriver, status: drivers.get(defaultDriver)?.status() ?? [] };
}
