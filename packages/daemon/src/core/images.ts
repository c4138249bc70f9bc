import type { ChainId, Digest, ImageConfig, ImageId } from "@strata/oci";
import type { Lease } from "./leases.js";

export interface Image {
  readonly id: ImageId;
  readonly config: ImageConfig;
  /** Null for an image without layers. */
  readonly top: ChainId | null;
  /** Image it was committed or built from, when that is known and local. */
  readonly parent: ImageId | null;
  /** Sum of its layers' sizes. */
  readonly size: number;
  /** `docker.io/library/busybox:latest`, full names. */
  readonly tags: readonly string[];
  /** `docker.io/library/busybox@sha256:…`, full names. */
  readonly digests: readonly string[];
  /** When it came to this machine. */
  readonly storedAt: number;
  readonly lastUsedAt: number;
  /** When a tag was last put on it. */
  readonly lastTaggedAt: number | null;
}

/** Short row for lists: one SQL statement, no config parsed. */
export interface ImageSummary extends Omit<Image, "config" | "top"> {
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Containers that use it. */
  readonly containers: number;
  /** Bytes of layers that other images hold too. */
  readonly sharedSize: number;
}

export interface ImageStore {
  /** Stores a config whose layers are all registered. Losing a race to the same image is success. */
  create(config: Uint8Array, lease: Lease, options?: { parent?: ImageId }): ImageId;
  get(id: ImageId): Image;
  has(id: ImageId): boolean;
  /** The exact config bytes. */
  config(id: ImageId): Buffer;
  /** Tag, `name@digest`, `sha256:…`, or an unambiguous ID prefix. NotFound names what was asked for. */
  resolve(refOrPrefix: string): ImageId;
  /** Moves the tag here; returns the image that had it before. A `name@digest` reference is stored as such. */
  tag(id: ImageId, ref: string): ImageId | null;
  /** Removes one reference (full name). False when it was not there. */
  untag(ref: string): boolean;
  /** Forgets the image and its references; the collector takes its layers. Conflict while a container or child uses it. */
  remove(id: ImageId): void;
  /** What `work` changes in images is on disk together or, when it throws or the daemon dies, not at all. */
  atomically<T>(work: () => T): T;
  /** Newest first. What has not changed is the same object as in the last list. */
  list(): readonly ImageSummary[];
  /** Reads the images that changed (at first all) beside other work: `list` has them at hand then. */
  prepareList(): Promise<void>;
  /** Marks use now, for the image and its parents' layers. */
  touch(id: ImageId): void;
  /** Remembers where a layer's packed form is known to exist: `digest` in `repository`. That outlives the layer, though not for ever. */
  addSource(diffId: string, source: PackedSource): void;
  sources(diffId: string): PackedSource[];
  /** Remembers a manifest (or index) that describes the image: its bytes stay in the content store for as long as the image does. */
  addManifest(id: ImageId, digest: Digest): void;
  manifests(id: ImageId): Digest[];
}

export interface PackedSource {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
  /** `docker.io/library/busybox`. */
  readonly repository: string;
}
