import { rm, writeFile } from "node:fs/promises";
import { pipeline, type Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { type ProgressLine, StrataApiError } from "@strata/client";
import { BuildCaches } from "../build/caches.js";
import { openContext } from "../build/context.js";
import { buildFlags, type BuildFlags, buildOptions } from "../build/flags.js";
import { readAgents, readSecrets } from "../build/secrets.js";
import { CliError, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { Credentials } from "../credentials.js";
import { ProgressPrinter } from "../progress.js";

export const command = defineCommand<BuildFlags>({
  usage: "[OPTIONS] PATH | URL | -",
  args: [1, 1],
  options: buildFlags,
  async run(cli, [where], flags) {
    const options = buildOptions(flags, cli.env);
    // A file that is left from before must not be taken for this build's.
    if (flags.iidfile !== undefined) await rm(flags.iidfile, { force: true });
    const sent = { secrets: readSecrets(flags.secret, cli.env), agents: readAgents(flags.ssh, cli.env, cli.globals.host ?? (cli.env["STRATA_HOST"] || cli.env["DOCKER_HOST"])) };
    const context = await openContext(where!, flags.file, cli.streams.stdin);
    const body = "remote" in context ? context.remote : flags.compress === true ? gzipped(context.tar) : context.tar;
    // What is wrong with the context says more than the request that it broke off.
    const failed = new Promise<never>((_, reject) => { if ("tar" in context) context.tar.once("error", (e) => { if (e instanceof CliError) reject(e); }); });
    const auths = await new Credentials(cli.configDirectory, cli.env).all();
    const caches = await BuildCaches.open(cli, flags.cacheFrom, flags.cacheTo), left: string[] = [];
    let id: string;
    try {
      const lines = cli.client.builds.build(body, { ...options, ...sent, cacheFrom: caches.from, cacheTo: caches.to, dockerfile: context.dockerfile, auths });
      id = await Promise.race([show(cli, lines, flags.quiet === true, left), failed]);
    } finally { await caches.close(left); }
    if (flags.iidfile === undefined) return;
    if (id === "") throw new CliError(`server did not provide an image ID. Cannot write ${flags.iidfile}`);
    await writeFile(flags.iidfile, id);
  },
});

function gzipped(tar: Readable): Readable {
  // An error of the tar is one of the result.
  return pipeline(tar, createGzip(), () => undefined);
}

/** Shows a build's stream; resolves with the image's ID. Quiet: only the ID, or everything if it fails. `left` gets the names of caches' images. */
async function show(cli: Cli, lines: AsyncIterable<ProgressLine>, quiet: boolean, left: string[]): Promise<string> {
  const progress = new ProgressPrinter(cli.streams.stdout);
  let id = "", held = "", begun = false;
  try {
    for await (const line of lines) {
      begun = true;
      const { ID, CacheImages } = (line.aux ?? {}) as { readonly ID?: string; readonly CacheImages?: readonly string[] };
      id = ID ?? id;
      left.push(...(CacheImages ?? []));
      if (quiet) held += line.stream ?? "";
      else progress.print(line);
    }
  } catch (error) {
    cli.streams.stderr.write(held);
    // What a step failed with: the exit status is its command's.
    if (begun && error instanceof StrataApiError) throw new CliError(error.message, error.status < 256 ? error.status : 1, { cause: error });
    throw error;
  }
  cli.streams.stdout.write(held);
  return id === "" && quiet ? held.trim() : id;
}
