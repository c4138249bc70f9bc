import type { Mounted } from "./layers.js";

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly anonymous: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly mountpoint: string;
}
export interface VolumeSpec {
  readonly name?: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
}

export interface VolumeStore {
  /** The same name and driver again is success, and another `size` is taken over; another driver is Conflict. No name: anonymous, 64 random hex. */
  create(spec: VolumeSpec): Promise<Volume>;
  get(name: string): Volume;
  list(): Iterable<Volume & { readonly refs: readonly string[] }>;
  /** Records the use and mounts where the driver needs it. `mount` names this mount to plugins, where an owner has several at once. */
  attach(name: string, owner: string, mount?: string): Promise<Mounted>;
  /** Takes over what a former daemon attached. */
  resume(name: string, owner: string): Promise<Mounted>;
  /** Start-up: plugins unmount those that a former daemon asked them to mount and that nobody holds now. */
  unmountLeft(which: (mount: string) => boolean): Promise<void>;
  /** Forgets the use. `attach` without a mount for a container that is not running: `use`. */
  use(name: string, owner: string): void;
  detach(name: string, owner: string): void;
  /** Conflict while in use. `force`: a volume is forgotten whatever its plugin says. */
  remove(name: string, options?: { readonly force?: boolean }): Promise<void>;
  /** Asks the plugins that are in use which volumes they have, and makes the records agree. */
  discover(): Promise<void>;
  /** What a plugin tells of its volume now; undefined for volumes of our own. */
  told(name: string): Promise<Told | undefined>;
  /** Gives a volume another size; others of its options stay what they are made with. */
  update(name: string, options: Readonly<Record<string, string>>): Promise<Volume>;
  usage(name: string): Promise<number>;
  /** These sizes, by name, where nothing has changed since they were measured. */
  settledSizes(): Promise<ReadonlyMap<string, number>>;
}

/** Holds the directories of volumes to a size, where the file system that they lie on can. */
export interface VolumeLimits {
  /** Makes a directory (its parent is there) that holds `bytes` at most; one that is there gets that limit. InvalidArgument, with the reason, where that cannot be. */
  apply(directory: string, bytes: number): Promise<void>;
  /** The directory is about to be removed: its limit goes. Absent, or without a limit, is success. */
  release(directory: string): Promise<void>;
}

/** Volumes that other programs keep (Docker's volume plugin protocol). */
export interface VolumePlugins {
  /** Names of those that were spoken to. */
  names(): readonly string[];
  /** NotFound when there is none of that name; Unavailable when it does not answer. */
  get(name: string): Promise<VolumePlugin>;
}
export interface VolumePlugin {
  create(name: string, options: Readonly<Record<string, string>>): Promise<void>;
  remove(name: string): Promise<void>;
  /** Where its files then are. `owner` tells one use from another. */
  mount(name: string, owner: string): Promise<string>;
  unmount(name: string, owner: string): Promise<void>;
  /** Where its files are; empty while it is not mounted. */
  path(name: string): Promise<string>;
  /** NotFound when the plugin does not know it. */
  get(name: string): Promise<PluginVolume>;
  list(): Promise<readonly PluginVolume[]>;
  /** Whether its volumes are the same on every machine. */
  scope(): Promise<"local" | "global">;
}
export interface Told {
  readonly scope: "local" | "global";
  readonly status?: Readonly<Record<string, unknown>>;
}
export interface PluginVolume {
  readonly name: string;
  readonly mountpoint: string;
  readonly status?: Readonly<Record<string, unknown>>;
}
