import { posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { MODE_DIRECTORY, MODE_SYMLINK } from "@strata/client";
import { CliError, type Cli } from "../cli.js";
import { defineCommand } from "../command.js";
import { extract } from "../copy/extract.js";
import { containerPlace, hasBit, localPlace, localSource, meansDirectory, planCopy, readSide, type Side } from "../copy/places.js";
import { tarOf } from "../copy/tar-write.js";

interface CopyFlags { archive?: boolean; followLink?: boolean; quiet?: boolean }

export const command = defineCommand<CopyFlags>({
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        strata cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  args: [2, 2],
  options: (options) => options
    .flag("-a, --archive", "Into a container: all belongs to its user")
    .flag("-L, --follow-link", "What a symlink leads to instead of the symlink")
    .flag("-q, --quiet", "Accepted; nothing is said anyway"),
  async run(cli, [from, to], flags) {
    const source = readSide(from!), destination = readSide(to!);
    if (source.container !== undefined && destination.container !== undefined) throw new CliError("copying between containers is not supported");
    if (source.container !== undefined) await copyOut(cli, { container: source.container, path: source.path }, destination.path, flags);
    else if (destination.container !== undefined) await copyIn(cli, source.path, { container: destination.container, path: destination.path }, flags);
    else throw new CliError("must specify at least one container source");
  },
});

type ContainerSide = Side & { readonly container: string };

async function copyOut(cli: Cli, { container, path }: ContainerSide, destination: string, { followLink = false }: CopyFlags): Promise<void> {
  const { containers } = cli.client;
  const target = followLink ? await followed(cli, container, path) : path;
  if (destination === "-") {
    if (cli.streams.stdout.isTTY === true) throw new CliError("refusing to write an archive to a terminal: redirect it");
    await pipeline((await containers.readArchive(container, target)).tar, cli.streams.stdout, { end: false });
    return;
  }
  const place = await localPlace(destination);
  const { stat, tar } = await containers.readArchive(container, target);
  try {
    const isDirectory = hasBit(stat.mode, MODE_DIRECTORY);
    const plan = planCopy({ path: target, name: stat.name, isDirectory }, place);
    // The name is that of the link, not of what it leads to.
    const rename = plan.rename ?? (target === path || meansDirectory(path) ? undefined : { from: stat.name, to: posix.basename(path) });
    await extract(tar, plan.into, rename);
  } finally {
    tar.destroy();
  }
}

async function followed(cli: Cli, container: string, path: string): Promise<string> {
  const { mode, linkTarget } = await cli.client.containers.statPath(container, path);
  return hasBit(mode, MODE_SYMLINK) ? linkTarget : path;
}

async function copyIn(cli: Cli, path: string, { container, path: destination }: ContainerSide, { archive = false, followLink = false }: CopyFlags): Promise<void> {
  const place = await containerPlace(cli, container, destination);
  const write = { keepKinds: true, ownUser: archive };
  if (path === "-") {
    if (!place.isDirectory) throw new CliError(`destination "${container}:${destination}" must be a directory`);
    return cli.client.containers.writeArchive(container, place.path, cli.streams.stdin, write);
  }
  const source = await localSource(path, followLink);
  const plan = planCopy(source, place);
  await cli.client.containers.writeArchive(container, plan.into, tarOf(source.path, plan.rename?.to ?? source.name, source.follow), write);
}
