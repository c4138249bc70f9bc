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

/** Names of file systems as `docker info` shows them. */
const BACKING: Readonly<Record<string, string>> = { ext2: "extfs", ext3: "extfs", ext4: "extfs" };

/** Proves drivers by trying them; `wanted` is one by name, or empty for the best. Unavailable says why the wanted one does not work. */
export function openStorage(wanted: string, root: DataRoot, workers: WorkerPool, logger: Logger): Storage {
  const drivers = new Map<string, StorageDriver>();
  const common = { trash: root.trash, workers, logger };
  const probe = probeOverlay2(root.driver("overlay2"));
  if (probe.ok) drivers.set("overlay2", new Overlay2Driver({ ...common, root: root.driver("overlay2"), features: probe.features }));
  else if (wanted === "overlay2") throw new Unavailable(`the storage driver overlay2 does not work here: ${probe.reason}`);
  else if (wanted === "") logger.warn({ reason: probe.reason }, "overlay2 does not work here; vfs copies whole trees instead");
  drivers.set("vfs", new VfsDriver({ ...common, root: root.driver("vfs") }));
  const defaultDriver = wanted || (probe.ok ? "overlay2" : "vfs");
  const status: readonly (readonly [string, string])[] = defaultDriver === "overlay2" && probe.ok
    ? [["Backing Filesystem", BACKING[probe.features.backing] ?? probe.features.backing], ["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"], ["userxattr", "false"]]
    : [];
  return { drivers, defaultDriver, status };
}
