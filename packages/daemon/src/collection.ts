import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { WorkerPool } from "./archive/workers/pool.js";
import { type Clock, type ContainerId, type DiskState, type EventBus, type GcSettings, type ItemKind, type Logger, noUsage, type StorageControl, type Usage } from "./core/index.js";
import type { Stores } from "./open-stores.js";
import { Room } from "./services/gc/room.js";
import { Collections } from "./services/gc/service.js";
import type { ExecutorParts } from "./services/gc/execute.js";

export interface CollectionNeeds {
  readonly dataRoot: string;
  readonly settings: GcSettings;
  readonly stores: Stores;
  readonly drivers: Iterable<Pick<StorageControl, "drainTrash">>;
  readonly workers: WorkerPool;
  readonly services: Pick<ExecutorParts, "mounts" | "remover" | "containerService" | "volumeService" | "networkService">;
  readonly events: EventBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Collection by policy: what does it, and what watches the disk. Call `start` once everything has recovered. */
export interface Collection {
  readonly service: Collections;
  readonly room: Room;
  start(): void;
  close(): Promise<void>;
}

export function openCollection({ dataRoot, settings, stores, drivers, workers, services, events, clock, logger }: CollectionNeeds): Collection {
  const gauge = { read: () => diskState(dataRoot) };
  const drain = async (): Promise<void> => { await Promise.all([stores.drainTrash(), ...[...drivers].map((driver) => driver.drainTrash())]); };
  const occupied = (path: string): Promise<Usage> => workers.run("usage", { path }).catch(() => noUsage);
  const measure = async (kind: ItemKind, key: string): Promise<Usage> => {
    // It goes with its own directory.
    if (kind === "build-mount") return occupied(dirname(stores.volumes.get(key).mountpoint));
    if (kind === "volume") return occupied(stores.volumes.get(key).mountpoint);
    const [layer, directory] = await Promise.all([stores.layers.usage(key).catch(() => noUsage), occupied(stores.containers.directory(key as ContainerId))]);
    return { bytes: layer.bytes + directory.bytes, inodes: layer.inodes + directory.inodes };
  };
  const service = new Collections({
    ...services, images: stores.images, containers: stores.containers, volumes: stores.volumes, networks: stores.networks, cache: stores.buildCache, logs: stores.rotatedLogs, pins: stores.pins, shares: stores.shares,
    trashed: stores.trashedImages, records: stores.gcRecords, collector: stores.collector, leases: stores.leases, measure, gauge, drain, events, clock, logger,
  }, settings);
  const room = new Room({ collections: service, gauge, drain, events, logger, path: dataRoot });
  return {
    service, room,
    start: () => {
      service.recover();
      room.start();
    },
    close: async () => {
      room.close();
      await service.close();
    },
  };
}

async function diskState(path: string): Promise<DiskState> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return { used: (blocks - bfree) * bsize, free: bavail * bsize, inodes: files, inodesFree: ffree };
}
