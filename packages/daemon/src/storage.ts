import { existsSync, readdirSync } from "node:fs";
import type { WorkerPool } from "./archive/workers/pool.js";
import { InvalidArgument, messageOf, Unavailable, type DataRoot, type Logger, type OpenedDriver, type StatusLines, type StorageDriver, type StorageOptions } from "./core/index.js";
import { BTRFS_OPTIONS, openBtrfs } from "./drivers/storage/btrfs.js";
import { openDevicemapper } from "./drivers/storage/devicemapper/devicemapper.js";
import { DEVICEMAPPER_OPTIONS } from "./drivers/storage/devicemapper/options.js";
import { openOverlay2 } from "./drivers/storage/overlay2/overlay2.js";
import type { DriverSetup } from "./drivers/storage/setup.js";
import { vfsDriver } from "./drivers/storage/vfs.js";
import { openZfs, ZFS_OPTIONS } from "./drivers/storage/zfs/driver.js";

/** The family. Each opens on a data root, or says by Unavailable why it does not work there; `options` are the names that it understands. */
const FAMILY: Readonly<Record<string, { readonly open: (setup: DriverSetup) => Promise<OpenedDriver>; readonly options: readonly string[] }>> = {
  devicemapper: { open: openDevicemapper, options: DEVICEMAPPER_OPTIONS },
  overlay2: { open: openOverlay2, options: [] },
  btrfs: { open: openBtrfs, options: BTRFS_OPTIONS },
  zfs: { open: openZfs, options: ZFS_OPTIONS },
  vfs: { open: async (setup) => vfsDriver(setup), options: [] },
};
/** The default is the first of these that works. */
const BEST = ["overlay2", "btrfs", "zfs", "vfs"];

export const storageDrivers: readonly string[] = Object.keys(FAMILY);

/** The storage drivers that this data root needs: the one that takes what is new, and those that hold what is older. */
export interface Storage {
  readonly drivers: ReadonlyMap<string, StorageDriver>;
  readonly defaultDriver: string;
  /** Lines of `docker info`. */
  status(): Promise<StatusLines>;
  /** As StorageControl's, for every driver. */
  reconfigure(options: StorageOptions): Promise<void>;
  close(): Promise<void>;
}

export interface StorageNeeds {
  /** A driver by name, or empty for the best. */
  readonly wanted: string;
  readonly options: StorageOptions;
  readonly root: DataRoot;
  readonly report: DriverSetup["report"];
  readonly workers: WorkerPool;
  readonly logger: Logger;
}

/** `dm.basesize=20G` … as a map. InvalidArgument for one that no driver knows. */
export function parseStorageOptions(given: readonly string[]): StorageOptions {
  const known = new Set(Object.values(FAMILY).flatMap(({ options }) => options));
  return new Map(given.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new InvalidArgument(`storage-opt: "${text}" is not of the form name=value`);
    const name = text.slice(0, at).toLowerCase();
    if (!known.has(name)) throw new InvalidArgument(`storage-opt: "${name}" is no option of a storage driver`);
    return [name, text.slice(at + 1)];
  }));
}

/** Proves drivers by trying them. Unavailable says why the wanted one does not work. */
export async function openStorage({ wanted, options, root, report, workers, logger }: StorageNeeds): Promise<Storage> {
  const drivers = new Map<string, OpenedDriver>();
  const reasons: Record<string, string> = {};
  const open = async (name: string): Promise<boolean> => {
    try {
      drivers.set(name, await FAMILY[name]!.open({ root: root.driver(name), trash: root.trash, options, report, workers, logger }));
      return true;
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      reasons[name] = messageOf(e);
      return false;
    }
  };
  let defaultDriver = wanted;
  if (wanted !== "" && !await open(wanted)) throw new Unavailable(`the storage driver ${wanted} does not work here: ${reasons[wanted]!}`);
  if (wanted === "") {
    for (const name of BEST) if (await open(name)) { defaultDriver = name; break; }
    for (const [driver, reason] of Object.entries(reasons)) logger.info({ driver, reason }, "a storage driver that does not work here");
  }
  for (const name of storageDrivers) {
    if (drivers.has(name) || !holdsSomething(root.driver(name)) || await open(name)) continue;
    logger.error({ driver: name, reason: reasons[name] }, "a storage driver that holds layers does not work here: they cannot be used until it does");
  }
  const chosen = drivers.get(defaultDriver)!;
  return {
    drivers, defaultDriver, status: () => chosen.status(),
    reconfigure: async (next) => { for (const driver of drivers.values()) await driver.reconfigure(next); },
    close: async () => { for (const driver of drivers.values()) await driver.close(); },
  };
}

/** A driver without snapshots leaves at most empty directories. */
function holdsSomething(directory: string): boolean {
  if (!existsSync(directory)) return false;
  return readdirSync(directory, { withFileTypes: true }).some((entry) => !entry.isDirectory() || readdirSync(`${directory}/${entry.name}`).length > 0);
}
