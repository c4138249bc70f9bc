import type {
  BuildContainers, Clock, Container, ContainerStore, EventBus, GarbageCollector, ImageStore, LayerStore, LeaseStore, LogDriver, Logger, Metrics, Mounter, NetworkStore, ProcessTable, PruneJournal,
  ResourceMeters, RootFiles, Runtime, TreeArchiver, TreeCopier, TreePorter, VolumeStore, WorkRoom,
} from "../core/index.js";
import type { HostDefaults } from "./containers-config.js";
import type { HostFacts } from "./spec/model.js";
import type { ContainerNetworking } from "./types.js";

export interface ContainersConfig {
  /** Survives the daemon, not the machine; `<execRoot>/containers/<id>` are the bundles. */
  readonly execRoot: string;
  /** Cgroup that holds the containers' own, unless HostConfig.CgroupParent says otherwise. */
  readonly cgroupParent: string;
  readonly defaults: HostDefaults;
}

/** What the parts of the container service share. */
export interface ContainerParts {
  readonly containers: ContainerStore;
  readonly images: ImageStore;
  readonly layers: LayerStore;
  readonly volumes: VolumeStore;
  readonly leases: LeaseStore;
  readonly networks: Pick<NetworkStore, "get" | "list" | "endpoints" | "ports">;
  readonly networking: ContainerNetworking;
  /** By name. */
  readonly runtimes: ReadonlyMap<string, Runtime>;
  readonly logs: ReadonlyMap<string, LogDriver>;
  readonly journal?: PruneJournal;
  /** For commits. */
  readonly room?: WorkRoom;
  /** Containers that builds run in: prunes leave them. */
  readonly builds?: Pick<BuildContainers, "announced">;
  readonly mounter: Mounter;
  readonly files: RootFiles;
  readonly copier: TreeCopier;
  readonly archiver: TreeArchiver;
  readonly porter: TreePorter;
  readonly processes: ProcessTable;
  readonly meters: ResourceMeters;
  readonly collector: Pick<GarbageCollector, "notify">;
  readonly events: EventBus;
  readonly metrics: Pick<Metrics, "action" | "healthCheck">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly host: HostFacts;
  readonly config: ContainersConfig;
}

/** Attributes of a container's events: image, name and labels, with what the action adds. */
export function emitContainer(parts: Pick<ContainerParts, "events">, container: Container, action: string, attributes: Readonly<Record<string, string>> = {}): void {
  parts.events.emit({
    type: "container", action, id: container.id,
    attributes: { ...container.config.Labels, image: container.imageName, name: container.name, ...attributes },
  });
}

/** Whether its processes exist, moving or not. */
export function isLive(container: Container): boolean {
  return container.state.status === "running" || container.state.status === "paused";
}

