import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { WorkerPool } from "./archive/workers/pool.js";
import type { AuditedDriver, BuildCache, BuildContainers, CacheMounts, Clock, Collectable, ContainerStore, ContentStore, DataRoot, GarbageCollector, ImageStore, LayerStore, LeaseStore, Logger, Metrics, Mounter, NetworkStore, StorageDriver, VolumeLimits, VolumePlugins, VolumeStore, DriverUsage, GraphReader, UsageBooks, GcRecords, LayerShares, Pins, RotatedLogs, TrashedImages, CheckRuns, Inspector } from "./core/index.js";
import { Ledger } from "./db/ledger.js";
import { openVolumeLimits } from "./drivers/volume/limits.js";
import { PLUGIN_DIRECTORIES, SocketPlugins } from "./drivers/volume/plugins.js";
import { Collector } from "./gc/collect.js";
import { KernelMounter } from "./kernel/mounter.js";
import { LedgerBuildCache } from "./stores/build-cache.js";
import { LedgerCheckRuns } from "./stores/check-runs.js";
import { LedgerContainers } from "./stores/containers.js";
import { FileContent } from "./stores/content.js";
import { LedgerGraph } from "./stores/graph-reader.js";
import { LedgerLayerShares, LedgerPins, LedgerTrashedImages } from "./stores/gc-images.js";
import { LedgerGcRecords } from "./stores/gc-records.js";
import { FileRotatedLogs } from "./stores/rotated-logs.js";
import { Damage } from "./stores/damage.js";
import { LedgerImages } from "./stores/images.js";
import { ContentInspector } from "./stores/inspect-content.js";
import { LayerInspector } from "./stores/inspect-layers.js";
import { LedgerInspector } from "./stores/inspect-ledger.js";
import { MountInspector } from "./stores/inspect-mounts.js";
import { PlaceInspector } from "./stores/inspect-places.js";
import { LedgerLayers } from "./stores/layers.js";
import { LedgerLeases } from "./stores/leases.js";
import { LedgerNetworks } from "./stores/networks.js";
import { Snapshots } from "./stores/snapshots.js";
import { Trash } from "./stores/trash.js";
import { LedgerUsage } from "./stores/usage/books.js";
import { Figures } from "./stores/usage/figures.js";
import { Meter } from "./stores/usage/meter.js";
import { Places } from "./stores/usage/places.js";
import { SnapshotFigures } from "./stores/usage/snapshot-figures.js";
import { LedgerVolumes } from "./stores/volumes.js";
import { Writables } from "./stores/writables.js";

export interface OpenStoresOptions {
  /** Locked by the caller (stores/root-lock.ts); its path must be free of symlinks. */
  readonly root: DataRoot;
  readonly drivers: ReadonlyMap<string, AuditedDriver>;
  readonly defaultDriver: string;
  /** Stand-ins for drivers that hold something and do not work now. Default: none. */
  readonly absent?: ReadonlyMap<string, StorageDriver>;
  /** Default: opened here, and closed with the rest. */
  readonly ledger?: Ledger;
  /** Default: this machine's mounts. */
  readonly mounter?: Mounter;
  /** Default: a pool of its own. */
  readonly workers?: WorkerPool;
  /** Default: what the file system of the volumes can. */
  readonly volumeLimits?: VolumeLimits;
  /** Default: those that Docker's directories name. */
  readonly volumePlugins?: VolumePlugins;
  /** Default: nobody counts. */
  readonly metrics?: Pick<Metrics, "collection">;
  /** What the storage drivers take besides their snapshots. Default: nothing. */
  readonly driverUsage?: () => Promise<readonly DriverUsage[]>;
  /** Resolves when what the drivers have put into the trash is gone. Default: they have no part in it. */
  readonly driversTrash?: () => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Everything durable of one data root. Call `collector.recover()` once before serving. */
export interface Stores {
  readonly ledger: Ledger;
  readonly leases: LeaseStore;
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly images: ImageStore;
  readonly containers: ContainerStore;
  readonly volumes: VolumeStore;
  readonly networks: NetworkStore;
  readonly buildCache: BuildCache & BuildContainers & CacheMounts;
  readonly collector: GarbageCollector;
  readonly usage: UsageBooks;
  readonly graph: GraphReader;
  /** Once, after the recovery: measures what a former process left unmeasured. */
  beginMeasuring(): void;
  readonly gcRecords: GcRecords;
  readonly pins: Pins;
  readonly trashedImages: TrashedImages;
  readonly shares: LayerShares;
  readonly rotatedLogs: RotatedLogs;
  /** Resolves when everything discarded so far is gone from the disk. */
  drainTrash(): Promise<void>;
  /** What a check looks at in the data root, and the checks that were. */
  readonly inspectors: readonly Inspector[];
  readonly checkRuns: CheckRuns;
  /** Once before serving: volumes that lost their sizes get them back. */
  restoreLimits(): Promise<void>;
  /** Waits for background work and closes what was opened here. */
  close(): Promise<void>;
}

export function openStores(options: OpenStoresOptions): Stores {
  const { root, drivers, defaultDriver, clock, logger, mounter = new KernelMounter(), workers = new WorkerPool({ size: 1 }) } = options;
  for (const [directory, mode] of [[root.blobs, 0o710], [root.ingests, 0o710], [root.containers, 0o710], [root.volumes, 0o701], [root.tmp, 0o700], [root.trash, 0o700]] as const) {
    mkdirSync(directory, { recursive: true, mode });
  }
  const volumeLimits = options.volumeLimits ?? openVolumeLimits(root.volumes, workers);
  const ledger = options.ledger ?? Ledger.open(root.ledger);
  const trash = new Trash(root.trash, mounter, workers, logger);
  const leases = new LedgerLeases(ledger, clock);
  // Downloads have a thread of their own: what comes in does not wait for layers that are applied.
  const ingesting = new WorkerPool({ size: 1 });
  const content = new FileContent(ledger, leases, root, ingesting, clock, logger);
  const snapshots = new Snapshots(ledger, leases, { working: drivers, absent: options.absent ?? new Map(), defaultDriver }, clock, logger);
  const figures = new Figures(ledger);
  const writables = new Writables(ledger, snapshots, root, mounter, figures);
  const layers = new LedgerLayers(ledger, leases, snapshots, writables, clock, logger);
  const containers = new LedgerContainers(ledger, root, trash, workers, figures, clock, logger);
  const volumes = new LedgerVolumes(ledger, root, trash, workers, mounter, volumeLimits, options.volumePlugins ?? new SocketPlugins(PLUGIN_DIRECTORIES), figures, clock, logger);
  const collectables: readonly Collectable[] = [...layers.collectables, ...content.collectables, containers, volumes];
  const emptyScratch = async (): Promise<void> => {
    await trash.empty();
    content.forgetLost();
    await Promise.all(readdirSync(root.tmp).map((name) => trash.discard(join(root.tmp, name))));
  };
  const places = new Places(ledger, root, workers, clock);
  const meter = new Meter({ figures, measurables: [new SnapshotFigures(ledger, snapshots, writables), volumes.measurable, containers.measurable], places, clock, logger });
  const collector = new Collector({ ledger, leases, collectables, clock, logger, emptyScratch, ...(options.metrics === undefined ? {} : { metrics: options.metrics }) });
  return {
    ledger, leases, content, layers, containers, volumes, collector,
    images: new LedgerImages(ledger, leases, clock),
    networks: new LedgerNetworks(ledger),
    buildCache: new LedgerBuildCache(ledger, clock),
    usage: new LedgerUsage(ledger, places, meter, options.driverUsage ?? (async () => [])),
    graph: new LedgerGraph(ledger),
    beginMeasuring: () => meter.begin(),
    gcRecords: new LedgerGcRecords(ledger), pins: new LedgerPins(ledger), trashedImages: new LedgerTrashedImages(ledger), shares: new LedgerLayerShares(ledger), rotatedLogs: new FileRotatedLogs(root),
    drainTrash: () => trash.drain(),
    inspectors: [
      new LedgerInspector(root),
      new LayerInspector(ledger, snapshots, new Damage(ledger, clock, logger)),
      new ContentInspector(ledger, content),
      new PlaceInspector({ ledger, root, containers, volumes, writables, trash, clock, driversTrash: options.driversTrash ?? (async () => undefined) }),
      new MountInspector(ledger, root, writables, mounter),
    ],
    checkRuns: new LedgerCheckRuns(ledger),
    restoreLimits: () => volumes.restoreLimits(),
    close: async () => {
      await meter.close();
      await collector.close();
      await trash.drain();
      await ingesting.close();
      if (options.workers === undefined) await workers.close();
      if (options.ledger === undefined) await ledger.end();
    },
  };
}
