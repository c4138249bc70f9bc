import { access, rm, writeFile } from "node:fs/promises";
import { StrataApiError, type ContainerCreateRequest } from "@strata/client";
import { CliError, messageOf, type Cli } from "../cli.js";
import { ProgressPrinter } from "../progress.js";
import { parseReference } from "../reference.js";
import { authFor } from "../registry-auth.js";
import type { CreateFlags } from "./flags.js";

const PULL = ["always", "missing", "never", ""];

/** Creates a container, fetching its image as `--pull` says, and writes the `--cidfile`. Resolves with its ID. */
export async function createContainer(cli: Cli, request: ContainerCreateRequest, flags: CreateFlags): Promise<string> {
  const pull = flags.pull ?? "missing";
  if (!PULL.includes(pull)) throw new CliError(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  const image = request.Image!;
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(image)) parseReference(image);
  const { cidfile } = flags;
  if (cidfile !== undefined && cidfile !== "") await reserve(cidfile);
  const platform = flags.platform ?? (cli.env["DOCKER_DEFAULT_PLATFORM"] || undefined);
  const create = () => cli.client.containers.create(request, { name: flags.name, platform });
  try {
    if (pull === "always") await pullImage(cli, image, platform, flags.quiet);
    const { Id, Warnings } = await create().catch(async (error: unknown) => {
      if (pull !== "missing" || !(error instanceof StrataApiError && error.status === 404 && /no such image|does not match the specified platform/i.test(error.message))) throw error;
      const { familiar, tag, digest } = parseReference(image);
      cli.warn(`Unable to find image '${familiar}${digest !== undefined ? `@${digest}` : `:${tag ?? "latest"}`}' locally`);
      await pullImage(cli, image, platform, flags.quiet);
      return create();
    });
    for (const warning of Warnings ?? []) cli.warn(`WARNING: ${warning}`);
    if (cidfile !== undefined && cidfile !== "") await writeFile(cidfile, Id);
    return Id;
  } catch (error) {
    if (cidfile !== undefined && cidfile !== "") await rm(cidfile, { force: true });
    throw error;
  }
}

/** Fails when the file is there already: another container may be known by it. */
async function reserve(cidfile: string): Promise<void> {
  const exists = await access(cidfile).then(() => true, () => false);
  if (exists) throw new CliError(`container ID file found, make sure the other container isn't running or delete ${cidfile}`);
  await writeFile(cidfile, "", { flag: "wx" }).catch((cause: unknown) => { throw new CliError(`failed to create the container ID file: ${messageOf(cause)}`, 1, { cause }); });
}

async function pullImage(cli: Cli, image: string, platform: string | undefined, quiet: boolean | undefined): Promise<void> {
  // Standard output belongs to the container.
  const progress = new ProgressPrinter(cli.streams.stderr);
  await cli.client.images.pull(image, { platform, auth: await authFor(cli, image), onProgress: quiet === true ? undefined : progress.print });
}

/** An error of `run` or `start` with the exit code that a shell gives a command it cannot run. */
export function runError(error: unknown, verb: "run" | "create"): CliError {
  if (error instanceof CliError && error.message === "") return error;
  const message = messageOf(error);
  const exitCode = !(error instanceof StrataApiError) ? 125
    : /executable file not found|no such file or directory|system cannot find the file specified/i.test(message) ? 127
    : /permission denied|is a directory/i.test(message) ? 126 : 125;
  const shown = verb === "run" ? `strata: ${message}\n\nRun 'strata run --help' for more information` : message;
  return new CliError(shown, verb === "run" ? exitCode : 1, { cause: error });
}
