import type { Filters } from "@strata/client";
import { CliError, type Cli } from "./cli.js";
import { humanSize } from "./format/units.js";

/** What a prune took away, under docker's heading for it. */
export interface Pruned {
  readonly heading: string;
  readonly lines: readonly string[];
  /** Bytes; undefined where nothing is counted. */
  readonly bytes?: number;
}

export async function pruneContainers(cli: Cli, filters: Filters): Promise<Pruned> {
  const report = await cli.client.containers.prune({ filters });
  return { heading: "Deleted Containers:", lines: report.ContainersDeleted ?? [], bytes: report.SpaceReclaimed };
}

/** `all`: every image that no container uses, not only those without a name. */
export async function pruneImages(cli: Cli, filters: Filters, all: boolean): Promise<Pruned> {
  const report = await cli.client.images.prune({ filters: { ...filters, dangling: [String(!all)] } });
  const lines = (report.ImagesDeleted ?? []).map(({ Untagged, Deleted }) => (Untagged !== undefined && Untagged !== "" ? `untagged: ${Untagged}` : `deleted: ${Deleted ?? ""}`));
  return { heading: "Deleted Images:", lines, bytes: report.SpaceReclaimed };
}

/** `all`: named volumes too. */
export async function pruneVolumes(cli: Cli, filters: Filters, all: boolean): Promise<Pruned> {
  const report = await cli.client.volumes.prune({ filters: all ? { ...filters, all: ["true"] } : filters });
  return { heading: "Deleted Volumes:", lines: report.VolumesDeleted ?? [], bytes: report.SpaceReclaimed };
}

export async function pruneNetworks(cli: Cli, filters: Filters): Promise<Pruned> {
  const report = await cli.client.networks.prune({ filters });
  return { heading: "Deleted Networks:", lines: report.NetworksDeleted ?? [] };
}

/** `all`: steps that images were made of, too. */
export async function pruneBuilds(cli: Cli, filters: Filters, all: boolean): Promise<Pruned> {
  const report = await cli.client.builds.prune({ all, filters });
  return { heading: "Deleted build cache objects:", lines: report.CachesDeleted ?? [], bytes: report.SpaceReclaimed };
}

/** Asks unless forced; a no ends the command without a word. */
export async function confirmPrune(cli: Cli, force: boolean | undefined, warning: string): Promise<void> {
  if (force !== true && !(await cli.confirm(`WARNING! ${warning}\nAre you sure you want to continue?`))) throw new CliError("", 0);
}

/** Prints what went, and the bytes unless the prune counts none. */
export function printPruned(cli: Cli, pruned: readonly Pruned[]): void {
  for (const { heading, lines } of pruned) {
    if (lines.length > 0) cli.printAll([heading, ...lines, ""]);
  }
  if (pruned.some(({ bytes }) => bytes !== undefined)) cli.print(`Total reclaimed space: ${humanSize(pruned.reduce((sum, { bytes = 0 }) => sum + bytes, 0), 4)}`);
}
