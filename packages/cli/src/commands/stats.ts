import { setTimeout as sleep } from "node:timers/promises";
import { StrataApiError, type ContainerStats } from "@strata/client";
import type { Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { formatListing } from "../format/listing.js";
import { statsListing, STATS_COLUMNS, type StatsRow } from "../listings/stats.js";

interface StatsFlags { all?: boolean; format?: string; noStream?: boolean; noTrunc?: boolean }

/** Milliseconds between two pictures. */
const REFRESH = 500;
/** Moves to the top of a terminal and empties it. */
const CLEAR = "\x1b[H\x1b[J";

export const command = defineCommand<StatsFlags>({
  usage: "[OPTIONS] [CONTAINER...]",
  args: [0, Infinity],
  options: (options) => options
    .flag("-a, --all", "Those that do not run too")
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .flag("--no-stream", "Once, and no more")
    .flag("--no-trunc", "Whole IDs"),
  async run(cli, names, flags) {
    const show = (rows: readonly StatsRow[]): string[] => formatListing(statsListing, rows, { format: flags.format, noTrunc: flags.noTrunc, defaults: STATS_COLUMNS });
    if (flags.noStream === true) {
      const rows = await Promise.all((await wanted(cli, names, flags)).map(async (container) => ({ container, stats: await once(cli, container, names.length > 0) })));
      cli.printAll(show(rows));
      return;
    }
    await follow(cli, names, flags, show);
  },
});

/** Those named, or those that run. */
async function wanted(cli: Cli, names: readonly string[], { all }: StatsFlags): Promise<readonly string[]> {
  return names.length > 0 ? names : (await cli.client.containers.list({ all })).map(({ Id }) => Id);
}

/** Undefined for one that went meanwhile; one that was named must be there. */
async function once(cli: Cli, container: string, mustBe: boolean): Promise<ContainerStats | undefined> {
  try {
    for await (const stats of cli.client.containers.stats(container, { once: true })) return stats;
  } catch (error) {
    if (mustBe || !(error instanceof StrataApiError && error.status === 404)) throw error;
  }
  return undefined;
}

/** Shows all again and again. Without names, containers come and go; with names it ends with the last of them. */
async function follow(cli: Cli, names: readonly string[], flags: StatsFlags, show: (rows: readonly StatsRow[]) => string[]): Promise<void> {
  const latest = new Map<string, ContainerStats | undefined>();
  let failure: Error | undefined;
  const watch = async (container: string): Promise<void> => {
    latest.set(container, undefined);
    try {
      for await (const stats of cli.client.containers.stats(container)) latest.set(container, stats);
    } catch (error) {
      if (names.length > 0 || !(error instanceof StrataApiError && error.status === 404)) failure ??= error instanceof Error ? error : new Error(String(error));
    }
    latest.delete(container);
  };
  for (const name of names) void watch(name);
  while (failure === undefined && (names.length === 0 || latest.size > 0)) {
    if (names.length === 0) {
      const running = new Set(await wanted(cli, names, flags));
      for (const id of running) if (!latest.has(id)) void watch(id);
      for (const id of [...latest.keys()]) if (!running.has(id)) latest.delete(id);
    }
    if (cli.streams.stdout.isTTY === true) cli.streams.stdout.write(CLEAR);
    cli.printAll(show([...latest].map(([container, stats]) => ({ container, stats }))));
    await sleep(REFRESH);
  }
  if (failure !== undefined) throw failure;
}
