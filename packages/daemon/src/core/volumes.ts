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
  /** Records the use and mounts where the driver needs it. */
  attach(name: string, owner: string): Promise<Mounted>;
  /** Forgets the use. `attach` without a mount for a container that is not running: `use`. */
  use(name: string, owner: string): void;
  detach(name: string, owner: string): void;
  /** Conflict while in use. */
  remove(name: string): Promise<void>;
  /** Gives a volume another size; others of its options stay what they are made with. */
  update(name: string, options: Readonly<Record<string, string>>): Promise<Volume>;
  usage(name: string): Promise<number>;
}

/** Holds the directories of volumes to a size, where the file system that they lie on can. */
export interface VolumeLimits {
  /** Makes a directory (its parent is there) that holds `bytes` at most; one that is there gets that limit. InvalidArgument, with the reason, where that cannot be. */
  apply(directory: string, bytes: number): Promise<void>;
  /** The directory is about to be removed: its limit goes. Absent, or without a limit, is success. */
  release(directory: string): Promise<void>;
}
