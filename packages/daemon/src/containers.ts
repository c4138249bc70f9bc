import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Trees } from "./archive/trees.js";
import type { WorkerPool } from "./archive/workers/pool.js";
import type { Config } from "./config.js";
import { InvalidArgument, type Clock, type EventBus, type LogDriver, type Logger, type Metrics, type Runtime, type PruneJournal, type WorkRoom } from "./core/index.js";
import { JournaldLogs } from "./drivers/log/journald.js";
import { JsonFileLogs, LocalLogs } from "./drivers/log/json-file.js";
import { NoLogs } from "./drivers/log/none.js";
import { CgroupMeters } from "./drivers/runtime/meters.js";
import { SyslogLogs } from "./drivers/log/syslog.js";
import { OciRuntime } from "./drivers/runtime/oci-runtime.js";
import { ConfinedFiles } from "./kernel/confined.js";
import { KernelMounter } from "./kernel/mounter.js";
import { ProcProcesses } from "./drivers/runtime/process-table.js";
import type { Machine } from "./machine.js";
import type { Networking } from "./networking.js";
import type { Stores } from "./open-stores.js";
import type { Programs } from "./runtimes.js";
import { Containers } from "./services/containers.js";
import { ALL_CAPABILITIES } from "./services/spec/capabilities.js";
import { MASKED_PATHS, thermalPath } from "./services/spec/paths.js";

export interface ContainersNeeds {
  readonly config: Config;
  /** Survives the daemon, not the machine. */
  readonly execRoot: string;
  readonly machine: Machine;
  readonly programs: Programs;
  readonly stores: Stores;
  readonly networking: Networking;
  readonly workers: WorkerPool;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: PruneJournal;
  readonly room: WorkRoom;
}

const logDrivers = (clock: Clock): LogDriver[] => [new JsonFileLogs(), new LocalLogs(), new SyslogLogs(clock), new JournaldLogs("/run/systemd/journal/socket"), new NoLogs()];

/** InvalidArgument for options that containers' logs do not have. */
export function checkLogOptions({ logDriver, logOpts }: Pick<Config, "logDriver" | "logOpts">, clock: Clock): void {
  logDrivers(clock).find(({ name }) => name === logDriver)?.check(logOpts);
}

/** Containers on this machine's runtimes. InvalidArgument for settings that this machine cannot meet. */
export function openContainers({ config, execRoot, machine, programs, stores, networking, workers, events, metrics, clock, logger, journal, room }: ContainersNeeds): Containers {
  if (config.init && machine.init === undefined) throw new InvalidArgument("init: neither docker-init nor tini is installed");
  const runtimes = new Map<string, Runtime>([...programs.runtimes].map(([name, path]) => {
    const directory = join(execRoot, "runtimes", name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return [name, new OciRuntime({ name, path, conmon: programs.conmon, directory, logger })];
  }));
  const logs = logDrivers(clock);
  const trees = new Trees(workers);
  const { containers, images, layers, volumes, leases, networks, collector } = stores;
  const [major = 0, minor = 0] = machine.kernel.split(".").map(Number);
  const cgroupVersion = machine.cgroups === "v2" ? 2 : 1;
  const thermal = Array.from({ length: machine.cpus }, (_, cpu) => thermalPath(cpu)).filter((path) => existsSync(path));
  return new Containers({
    containers, images, layers, volumes, leases, networks, collector, networking: networking.networks, runtimes, logs: new Map(logs.map((driver) => [driver.name, driver])),
    mounter: new KernelMounter(), files: new ConfinedFiles(), copier: trees, archiver: trees, porter: trees, processes: new ProcProcesses(), meters: new CgroupMeters(), events, metrics, clock, logger, journal, room, builds: stores.buildCache,
    host: {
      cgroupVersion, capabilities: ALL_CAPABILITIES.filter((_, bit) => (machine.capabilities >> BigInt(bit) & 1n) === 1n), seccomp: machine.seccomp, controllers: machine.controllers,
      kernel: [major, minor], arch: process.arch, cpuset: machine.cpuset, blockIoWeights: machine.blockIoWeights,
      recursiveReadOnly: major > 5 || (major === 5 && minor >= 12) ? programs.recursiveReadOnly : new Set(), ...(machine.init === undefined ? {} : { init: machine.init }),
    },
    config: {
      execRoot, cgroupParent: "/strata",
      defaults: { runtime: programs.defaultRuntime, logDriver: config.logDriver, logOptions: config.logOpts, init: config.init, shmSize: 64 << 20, ulimits: [...config.defaultUlimits], cgroupVersion, maskedPaths: [...MASKED_PATHS, ...thermal] },
    },
  });
}
