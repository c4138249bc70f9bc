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
  /** The same name and driver again is success; another driver is Conflict. No name: anonymous, 64 random hex. */
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
  usage(name: string): Promise<number>;
}
