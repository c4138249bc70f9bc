import { type RootReader } from "./files.js";
import type { Container } from "./containers.js";
import type { Sizes } from "./measure.js";

export interface VolumeReport {
  readonly name: string;
  /** On disk; what is mounted into it does not count. */
  readonly bytes: number;
  /** IDs of the containers that have it. */
  readonly containers: readonly string[];
  /** Docker named it itself. */
  readonly anonymous: boolean;
}

/** Files of Docker's own among the volumes. */
const OWN = new Set(["metadata.db", "backingFsBlockDev"]);

export function readVolumes(reader: RootReader, sizes: Sizes, containers: readonly Container[]): VolumeReport[] {
  return reader.names("volumes").filter((name) => !OWN.has(name)).map((name) => ({
    name, bytes: sizes.bytes(`volumes/${name}`), containers: containers.filter(({ volumes }) => volumes.includes(name)).map(({ id }) => id), anonymous: /^[0-9a-f]{64}$/.test(name),
  }));
}
