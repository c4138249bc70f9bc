import { createHash } from "node:crypto";
import type { ChainId, Digest, DiffId } from "./brand.js";

const SHAPE = /^sha256:[0-9a-f]{64}$/;

/** True when `text` is a well-formed sha256 digest. */
export function isDigest(text: string): text is Digest {
  return SHAPE.test(text);
}

/** Parses a digest; undefined when it is not `sha256:<64 lower-case hex>`. */
export function parseDigest<T extends Digest = Digest>(text: string): T | undefined {
  return isDigest(text) ? (text as T) : undefined;
}

/** Digest of a byte string held in memory. */
export function digestOf<T extends Digest = Digest>(bytes: Uint8Array | string): T {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as T;
}

/** The 64 hex characters behind the algorithm. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** Chain ID of `diffId` on top of `parent` (OCI image-spec, config.md "Layer ChainID"). */
export function chainIdOf(parent: ChainId | null, diffId: DiffId): ChainId {
  return parent === null ? (diffId as Digest as ChainId) : digestOf<ChainId>(`${parent} ${diffId}`);
}

/** Chain IDs of every prefix of `diffIds`, bottom first. */
export function chainIdsOf(diffIds: readonly DiffId[]): ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) chain.push(chainIdOf(chain.at(-1) ?? null, diffId));
  return chain;
}
