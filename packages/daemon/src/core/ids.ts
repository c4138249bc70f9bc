import { randomBytes } from "node:crypto";

/** Names a directory of a storage driver: opaque, random (64 hex) or derived from one (`<id>-init`). */
export type SnapshotId = string & { readonly __snapshotId: true };
/** 64 hex characters. */
export type ContainerId = string & { readonly __containerId: true };
export type ExecId = string & { readonly __execId: true };
export type NetworkId = string & { readonly __networkId: true };

/** 64 random hex characters; never all digits in the first twelve, so that a short ID is not taken for a number. */
export function newId<T extends string>(): T {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!/^\d{12}/.test(id)) return id as T;
  }
}
