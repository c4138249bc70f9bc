import { existsSync, readdirSync } from "node:fs";
import type { WorkerPool } from "./archive/workers/pool.js";
import { InvalidArgument, messageOf, Unavailable, type DataRoot, type DriverUsage, type Logger, type OpenedDriver, type StatusLines, type StorageDriver, type StorageOptions } from "./core/index.js";
import { AbsentDriver } from "./drivers/storage/absent.js";
import { EROFS_OPTIONS, openErofs } from "./drivers/storage/erofs/erofs.js";
import { openOverlay } from "./drivers/storage/overlay/overlay.js";
import { openOverlay2, OVERLAY2_OPTIONS } from "./drivers/storage/overlay2/overlay2.js";
import { openDevicemapper } from "./drivers/storage/devicemapper/devicemapper.js";
import { DEVICEMAPPER_OPTIONS } from "./drivers/storage/devicemapper/options.js";
import { BTRFS_OPTIONS, openBtrfs } from "./drivers/storage/btrfs.js";
import type { DriverSetup } from "./drivers/storage/setup.js";
import { openAufs, openFuseOverlayfs } from "./drivers/storage/union/open.js";
import { vfsDriver } from "./drivers/storage/vfs.js";
import { allocatedTo } from "./kernel/usage.js";
import { openZfs, ZFS_OPTIONS } from "./drivers/storage/zfs/driver.js";

/**
 * The family. Each opens on a data root, or says by Unavailable why it does not work there; `options` are the names that it understands.
 * `asked`: just this driver is wanted, even where it is not at its best.
 */
const FAMILY: Readonly<Record<string, { readonly open: (setup: DriverSetup, asked: boolean) => Promise<OpenedDriver>; readonly options: readonly string[] }>> = {
  erofs: { open: openErofs, options: EROFS_OPTIONS },
  overlay2: { open: openOverlay2, options: OVERLAY2_OPTIONS },
  overlay: { open: openOverlay, options: [] },
  aufs: { open: openAufs, options: [] },
  "fuse-overlayfs": { open: openFuseOverlayfs, options: [] },
  devicemapper: { open: openDevicemapper, options: DEVICEMAPPER_OPTIONS },
  btrfs: { open: openBtrfs, options: BTRFS_OPTIONS },
  zfs: { open: openZfs, options: ZFS_OPTIONS },
  vfs: { open: async (setup) => vfsDriver(setup), options: [] },
};
/** The default is the first of these that works. */
const BEST = ["erofs", "overlay2", "btrfs", "zfs", "fuse-overlayfs", "vfs"];

export const storageDrivers: readonly string[] = Object.keys(FAMILY);

/** The storage drivers that this data root needs: the one that takes what is new, and those that hold what is older. */
export interface Storage {
  readonly drivers: ReadonlyMap<string, OpenedDriver>;
  readonly defaultDriver: string;
  /** Stand-ins for those that hold something and do not work here now. */
  readonly absent: ReadonlyMap<string, StorageDriver>;
  /** A line for each of those. */
  readonly warnings: readonly string[];
  /** Lines of `docker info`. */
  status(): Promise<StatusLines>;
  /** As StorageControl's, for every driver. */
  reconfigure(options: StorageOptions): Promise<void>;
  /** What drivers take besides their snapshots; of those that do not work, their directories. */
  usage(): Promise<readonly DriverUsage[]>;
  /** As StorageControl's, for every driver. */
  drainTrash(): Promise<unknown>;
  close(): Promise<void>;
}

export interface StorageNeeds {
  /** A driver by name, or empty for the best. */
  readonly wanted: string;
  /** Names of the drivers that the ledger has snapshots of. */
  readonly inUse: Iterable<string>;
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
export async function openStorage({ wanted, inUse, options, root, report, workers, logger }: StorageNeeds): Promise<Storage> {
  const drivers = new Map<string, OpenedDriver>();
  const reasons: Record<string, string> = {};
  const open = async (name: string, asked: boolean): Promise<boolean> => {
    if (FAMILY[name] === undefined) {
      reasons[name] = "this version does not have it";
      return false;
    }
    try {
      drivers.set(name, await FAMILY[name].open({ root: root.driver(name), trash: root.trash, options, report, workers, logger }, asked));
      return true;
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      reasons[name] = messageOf(e);
      return false;
    }
  };
  /** Whatever a driver of older layers suffers from, the others work. */
  const openFormer = async (name: string): Promise<boolean> => {
    try {
      return await open(name, true);
    } catch (e) {
      reasons[name] = messageOf(e);
      return false;
    }
  };
  let defaultDriver = wanted;
  if (wanted !== "" && !await open(wanted, true)) throw new Unavailable(`the storage driver ${wanted} does not work here: ${reasons[wanted]!}`);
  if (wanted === "") {
    for (const name of BEST) if (await open(name, false)) { defaultDriver = name; break; }
    for (const [driver, reason] of Object.entries(reasons)) logger.info({ driver, reason }, "a storage driver that does not work here");
  }
  const absent = new Map<string, AbsentDriver>();
  for (const name of new Set([...inUse, ...storageDrivers.filter((name) => holdsSomething(root.driver(name)))])) {
    if (drivers.has(name) || await openFormer(name)) continue;
    absent.set(name, new AbsentDriver(name, root.driver(name), reasons[name]!));
    logger.error({ driver: name, reason: reasons[name] }, "a storage driver that holds layers does not work here: they cannot be used until it does");
  }
  const chosen = drivers.get(defaultDriver)!;
  const former = [...drivers.keys()].filter((name) => name !== defaultDriver);
  return {
    drivers, defaultDriver, absent,
    warnings: [...absent.keys()].map((name) => `WARNING: the storage driver ${name}, which holds layers, does not work here: ${reasons[name]!}`),
    status: async () => [...await chosen.status(), ...(former.length > 0 ? [["Former Drivers", former.join(", ")] as const] : [])],
    reconfigure: async (next) => { for (const driver of drivers.values()) await driver.reconfigure(next); },
    usage: async () => Promise.all(storageDrivers.filter((name) => existsSync(root.driver(name))).map((name) => drivers.get(name)?.overhead() ?? directoriesOf(name, root.driver(name)))),
    drainTrash: () => Promise.all([...drivers.values()].map((driver) => driver.drainTrash())),
    close: async () => { for (const driver of drivers.values()) await driver.close(); },
  };
}

async function directoriesOf(name: string, directory: string): Promise<DriverUsage> {
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory() && readdirSync(`${directory}/${entry.name}`).length === 0);
  return { name, ...await allocatedTo([directory, ...below.map((entry) => `${directory}/${entry.name}`)]), holdsSnapshots: false };
}

/** A driver without snapshots leaves at most empty directories. */
function holdsSomething(directory: string): boolean {
  if (!existsSync(directory)) return false;
  return readdirSync(directory, { withFileTypes: true }).some((entry) => !entry.isDirectory() || readdirSync(`${directory}/${entry.name}`).length > 0);
}
