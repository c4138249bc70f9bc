import type { Options } from "./command.js";

/** The flags that every list has. */
export function listOptions(options: Options): Options {
  return options
    .list("-f, --filter <filter>", "Only those that fit, as key=value")
    .value("--format <string>", "A Go template, 'table TEMPLATE' or 'json'")
    .flag("--no-trunc", "Whole IDs and names")
    .flag("-q, --quiet", "Only IDs or names");
}
export interface ListFlags {
  readonly filter: string[];
  readonly format?: string;
  readonly noTrunc?: boolean;
  readonly quiet?: boolean;
}

/** The flags of every prune. */
export function pruneOptions(options: Options): Options {
  return options.list("--filter <filter>", "Only what fits, as key=value").flag("-f, --force", "Do not ask first");
}
export interface PruneFlags {
  readonly filter: string[];
  readonly force?: boolean;
}
