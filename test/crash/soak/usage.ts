import type { Daemon } from "../../helpers/index.js";
import * as helpers from "../../helpers/index.js";
import { until } from "../../helpers/index.js";

/** Of the helpers for usage, where they are there. */
const { usageDifferences } = helpers as { readonly usageDifferences?: (daemon: Daemon, query: Readonly<Record<string, string | number>>) => Promise<string[]> };

/** Where what the daemon says its data root occupies differs from the disk, by kind, once what was removed has gone. */
export async function accounted(daemon: Daemon): Promise<string[]> {
  if (usageDifferences === undefined || (await daemon.api("GET", "/graph/usage")).status === 404) {
    console.log("left out: usage equals du (GET /graph/usage is not served)");
    return [];
  }
  let last: string[] = [];
  await until(async () => (last = await usageDifferences(daemon, { refresh: 1 })).length === 0 || undefined, 30_000, "usage to equal du").catch(() => undefined);
  return last;
}
