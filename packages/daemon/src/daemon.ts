import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, unlinkSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { hostPlatform } from "@strata/oci";
import { groupId, listenActivated, listenTcp, listenUnix } from "./api/listen.js";
import { routes } from "./api/routes.js";
import { Api } from "./api/server.js";
import { WorkerPool } from "./archive/workers/pool.js";
import { openChecks } from "./checks.js";
import { openCollection, type Collection } from "./collection.js";
import type { Config } from "./config.js";
import { openContainers } from "./containers.js";
import { Conflict, messageOf, systemClock, type Logger, type WorkRoom } from "./core/index.js";
import { Ledger } from "./db/ledger.js";
import { PLUGIN_DIRECTORIES, SocketPlugins } from "./drivers/volume/plugins.js";
import { ArchiveLoader } from "./distribution/load.js";
import { RegistryClient } from "./distribution/client.js";
import { shownProxy } from "./distribution/proxy.js";
import { Puller } from "./distribution/pull.js";
import { Pusher } from "./distribution/push.js";
import { largestSource, limitsOf, lookAtMachine, recent } from "./machine.js";
import { openNetworking } from "./networking.js";
import { openStores } from "./open-stores.js";
import { registryOptions } from "./registries.js";
import { diskFigures, openMetrics } from "./metrics.js";
import { findPrograms } from "./runtimes.js";
import { Trees } from "./archive/trees.js";
import { ConfinedFiles } from "./kernel/confined.js";
import { GitProgram } from "./kernel/git.js";
import { Builds } from "./services/build.js";
import { CacheVolumes } from "./services/build-mounts.js";
import { LocalEvents } from "./services/events.js";
import { Graph } from "./services/graph.js";
import { PruneHistory } from "./services/gc/prunes.js";
import { Images } from "./services/images.js";
import { System, type SystemFacts } from "./services/system.js";
import { Volumes } from "./services/volumes.js";
import { openStorage, parseStorageOptions } from "./storage.js";
import { lockRoot } from "./stores/root-lock.js";
import { driversInUse } from "./stores/snapshots.js";
import { containerStates } from "./stores/totals.js";
import { lastCheck, planFigures, usageFigures } from "./services/metrics/sources.js";
import type { Build } from "./version.js";

/** A daemon that serves. */
export interface Daemon {
  readonly storageDriver: string;
  /** Takes over what of a new configuration can change while it runs. */
  reload(config: Config): void;
  /** Stops serving and closes the data root. Containers go on, unless live-restore is off. */
  stop(): Promise<void>;
}

/** Groups that own the socket when none is configured. */
const GROUPS = ["strata", "docker"];

/** Conflict for the file of another daemon that runs. */
function checkPidFile(path: string): void {
  const pid = path !== "" && existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  // Its number may be another program's by now.
  if (/^\d+$/.test(pid) && Number(pid) !== process.pid && existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("stratad")) {
    throw new Conflict(`${path} is the pid file of another daemon, which runs (${pid})`);
  }
}

/** Builds the daemon from its parts, makes true what a former one left, and serves. What fails before the lock touches nothing. */
export async function startDaemon(initial: Config, build: Build, logger: Logger): Promise<Daemon> {
  let config = initial;
  const machine = lookAtMachine();
  const gid = groupId(config.group, GROUPS);
  const programs = await findPrograms(config);
  checkPidFile(config.pidfile);
  const undo: (() => unknown)[] = [];
  try {
    const lock = lockRoot(config.dataRoot);
    undo.push(() => lock.release());
    const { root } = lock;
    mkdirSync(config.execRoot, { recursive: true, mode: 0o711 });
    const execRoot = realpathSync(config.execRoot);
    if (config.pidfile !== "") {
      mkdirSync(dirname(config.pidfile), { recursive: true });
      writeFileSync(config.pidfile, `${process.pid}\n`);
      undo.push(() => unlinkSync(config.pidfile));
    }

    const clock = systemClock;
    const id = engineId(root.root);
    const workers = new WorkerPool();
    undo.push(() => workers.close());
    const events = new LocalEvents(clock);
    const metrics = await openMetrics(config, events);
    const ledger = Ledger.open(root.ledger);
    undo.push(() => ledger.end());
    const storage = await openStorage({
      wanted: config.storageDriver, inUse: driversInUse(ledger), options: parseStorageOptions(config.storageOpts), root, workers, logger,
      report: (action, attributes) => events.emit({ type: "daemon", action, id, attributes: { name: machine.hostname, ...attributes } }),
    });
    undo.push(() => storage.close());
    const volumePlugins = new SocketPlugins(PLUGIN_DIRECTORIES);
    const stores = openStores({ root, ledger, drivers: storage.drivers, defaultDriver: storage.defaultDriver, absent: storage.absent, workers, volumePlugins, driverUsage: () => storage.usage(), driversTrash: () => storage.drainTrash(), metrics: metrics.told, clock, logger });
    undo.push(() => stores.close());
    const { collector, images: imageStore, layers, content, leases } = stores;
    const prunes = new PruneHistory(stores.gcRecords, clock);
    const networking = metrics.networking(await openNetworking(config, join(execRoot, "netns"), stores, events, logger, prunes));
    undo.push(() => networking.close());

    const { proxies, mirrors } = registryOptions(config);
    const registry = new RegistryClient({ ...registryOptions(config), userAgent: `strata/${build.version}`, clock, logger });
    undo.push(() => registry.close());
    const transfer = { registry, content, layers, images: imageStore, leases, logger, clock };
    const platform = hostPlatform();
    const room: WorkRoom = {
      reserve: async (bytes) => {
        if (!collection.service.current.policies.some(({ when }) => when !== undefined)) return () => undefined;
        const wanted = await bytes();
        return collection.room.reserve(() => wanted);
      },
      failed: (cause) => collection.room.failed(cause),
    };
    const puller = new Puller({ ...transfer, hostPlatform: platform, maxConcurrentDownloads: config.maxConcurrentDownloads, keepPackedLayers: config.keepPackedLayers, room: { reserve: (bytes) => collection.room.reserve(bytes), exhausted: (bytes) => collection.room.exhausted(bytes) } });
    const pusher = new Pusher({ ...transfer, maxConcurrentUploads: config.maxConcurrentUploads });
    const images = metrics.images(new Images({
      images: imageStore, layers, leases, containers: stores.containers, gc: collector, events, clock, hostPlatform: platform, driver: storage.defaultDriver,
      registry, puller, pusher, pins: stores.pins, journal: prunes, room,
      loader: new ArchiveLoader({ layers, images: imageStore, leases, temporary: root.tmp, hostPlatform: platform, clock }),
    }));
    const volumes = new Volumes({ store: stores.volumes, events, logger, journal: prunes });
    const containers = openContainers({ journal: prunes, room, config, execRoot, machine, programs, stores, networking, workers, events, metrics: metrics.told, clock, logger });
    const caches = new CacheVolumes(stores.volumes, stores.buildCache);
    const builds = metrics.builds(new Builds({
      images: imageStore, layers, leases, cache: stores.buildCache, names: stores.buildCache, caches, clock, workers, hostPlatform: platform, temporary: root.tmp, execRoot,
      registry, git: new GitProgram(() => registryOptions(config).proxies), largestSource: () => largestSource(root.tmp, config.buildSourceLimit),
      imageService: images, puller, pusher, containers, volumes: stores.volumes, files: new ConfinedFiles(), porter: new Trees(workers), collector, events, logger, journal: prunes, grown: (failure) => (failure === undefined ? collection.room.changed() : collection.room.failed(failure)),
    }));
    const collection: Collection = openCollection({
      dataRoot: root.root, settings: config.gc, stores, drivers: storage.drivers.values(), workers, events, clock, logger,
      services: { mounts: caches, remover: images.remover, containerService: containers, volumeService: volumes, networkService: networking.networks },
    });
    undo.push(() => collection.close());
    const limits = recent(() => ({ limits: limitsOf(machine), descriptors: readdirSync("/proc/self/fd").length }), 3000, () => clock.now());
    const facts = (): SystemFacts => ({
      id, driver: storage.defaultDriver,
      runtimes: Object.fromEntries([...programs.runtimes].map(([name, path]) => [name, { path }])), defaultRuntime: programs.defaultRuntime,
      cgroupDriver: "cgroupfs", cgroupVersion: machine.cgroups === "v2" ? "2" : "1", kernel: machine.kernel, operatingSystem: machine.operatingSystem, osVersion: machine.osVersion,
      cpus: machine.cpus, memory: machine.memory, name: machine.hostname, dataRoot: root.root, labels: config.labels,
      securityOptions: ["name=seccomp,profile=builtin", ...(machine.cgroups === "v2" ? ["name=cgroupns"] : [])], warnings: storage.warnings,
      liveRestore: config.liveRestore, loggingDriver: config.logDriver, registryMirrors: mirrors?.["docker.io"] ?? [], insecureRegistries: config.insecureRegistries, versions: programs.versions,
      ...limits(), firewall: networking.firewall(), volumePlugins: volumePlugins.names(), addressPools: config.addressPools,
    });
    const system = new System({
      facts, driverStatus: () => storage.status(), containerStore: stores.containers, imageStore, layers, volumeStore: stores.volumes, buildCache: { list: () => builds.records() }, images, containers, volumes, events, registry,
    });

    const { checks, scrub } = openChecks({ execRoot, stores, networking, runtimes: containers.runtimes, puller, events, id, clock, logger });

    await collector.recover();
    await stores.restoreLimits();
    await networking.networks.ensureDefaults();
    await containers.recover();
    await builds.recover();
    stores.beginMeasuring();
    // So that the first list need not; closing the ledger ends it.
    imageStore.prepareList().catch(() => undefined);
    collection.start();
    scrub.configure(config.scrub);
    undo.push(() => scrub.close());

    const api = new Api(routes({
      images, builds, checks, containers, files: containers.files, exec: containers.execs, volumes, networks: networking.networks, system, gc: collection.service, clock,
      graph: new Graph({ usage: stores.usage, graph: stores.graph, images: imageStore, containers: stores.containers, volumes: stores.volumes, clock }),
      facts: {
        product: `Strata ${build.version}`, version: build.engineVersion, gitCommit: build.commit, buildTime: build.time, kernel: machine.kernel, arch: platform.architecture, machine: machine.machine,
        components: Object.entries(programs.versions).map(([name, version]) => ({ name, version })), debug: config.debug, experimental: config.experimental,
        proxies: { http: shownProxy(proxies.http), https: shownProxy(proxies.https), no: proxies.none ?? "" },
      },
      inspectFacts: (id) => {
        const sandbox = networking.namespaces.path(id);
        return { directory: root.containers, graphDriver: layers.describe({ owner: id }), sandbox: existsSync(sandbox) ? sandbox : "", execs: containers.execs.list(id) };
      },
    }), { server: `Strata/${build.version} (linux)`, experimental: config.experimental, log: logger, answered: metrics.request });
    undo.push(await metrics.serve({
      usage: () => usageFigures(stores.usage), check: () => lastCheck(stores.checkRuns), plan: () => planFigures(stores.gcRecords), containers: () => containerStates(ledger), disk: () => diskFigures(root.root), subscribers: () => events.subscribers,
      engine: {
        labels: { architecture: machine.machine, commit: build.commit, daemon_id: id, graphdriver: storage.defaultDriver, kernel: machine.kernel, os: machine.operatingSystem, os_type: "linux", os_version: machine.osVersion, version: build.engineVersion },
        cpus: machine.cpus, memory: machine.memory,
      },
    }, logger));
    const servers = await serve(api, config, gid, logger);
    undo.push(() => closeServers(api, servers));

    return {
      storageDriver: storage.defaultDriver,
      reload(next) {
        collection.service.configure(next.gc);
        registry.configure(registryOptions(next));
        puller.maxConcurrentDownloads = next.maxConcurrentDownloads;
        puller.keepPackedLayers = next.keepPackedLayers;
        pusher.maxConcurrentUploads = next.maxConcurrentUploads;
        const options = parseStorageOptions(next.storageOpts);
        storage.reconfigure(options).catch((err: unknown) => logger.error({ err }, `the storage options stay as they were: ${messageOf(err)}`));
        scrub.configure(next.scrub);
        config = next;
        events.emit({ type: "daemon", action: "reload", id, attributes: { name: machine.hostname } });
      },
      async stop() {
        await undo.pop()?.();
        await containers.close({ stop: !config.liveRestore });
        await unwind(undo, logger);
      },
    };
  } catch (e) {
    await unwind(undo, logger);
    throw e;
  }
}

async function unwind(undo: (() => unknown)[], logger: Logger): Promise<void> {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
    try {
      await step();
    } catch (err) {
      logger.warn({ err }, "shutting down");
    }
  }
}

async function serve(api: Api, config: Config, gid: number, logger: Logger): Promise<Server[]> {
  const servers: Server[] = [];
  try {
    for (const host of config.hosts) {
      if (host.kind === "fd") {
        servers.push(...await listenActivated(() => api.createServer(), process.env));
        continue;
      }
      const server = api.createServer();
      if (host.kind === "unix") await listenUnix(server, host.path, { gid });
      else await listenTcp(server, host.host, host.port, logger);
      servers.push(server);
    }
  } catch (e) {
    await closeServers(api, servers);
    throw e;
  }
  return servers;
}

/** The path of a Unix socket goes with its server. */
async function closeServers(api: Api, servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => api.closeServer(server)));
}

/** A name for this data root, made with it. */
function engineId(root: string): string {
  const file = join(root, "engine-id");
  if (!existsSync(file)) writeFileSync(file, randomUUID());
  return readFileSync(file, "utf8").trim();
}
