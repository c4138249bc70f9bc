import type { NodeKind } from "./leases.js";

/** Nodes of the graph, and what holds them from outside: names of images, records of builds, leases, images that a collection took and that can be brought back. */
export type GraphKind = NodeKind | "tag" | "build-record" | "lease" | "trash";

export interface WhyNode {
  readonly kind: GraphKind;
  readonly key: string;
  /** As users know it. */
  readonly name: string;
  /** Of a container. */
  readonly status?: string;
  /** Of a lease, and of an image in the trash. */
  readonly purpose?: string;
  readonly expiresAt?: number;
}

/** Why something is there. */
export interface Why {
  readonly node: WhyNode;
  /** From what holds it down to it, nearest holders first. Something that goes only when it is told to (an untagged image, a volume) and that nothing uses is its own holder. */
  readonly paths: readonly (readonly WhyNode[])[];
  /** There are further paths. */
  readonly more: boolean;
  /** When nothing holds it: when it goes; undefined: with the next collection. */
  readonly goesAt?: number;
}

export interface GraphReader {
  /** Layers (by chain or diff ID), blobs, snapshots, records, downloads, leases and networks by name or an unambiguous beginning of a digest. */
  find(text: string): readonly { readonly kind: GraphKind; readonly key: string }[];
  /** NotFound when it is not there. */
  why(kind: GraphKind, key: string): Why;
}
