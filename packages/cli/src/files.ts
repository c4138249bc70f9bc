import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CliError, type Cli } from "./cli.js";

/** Writes a stream to a file, which appears only when it is complete, or to standard output, which must not be a terminal. */
export async function writeOutput(cli: Cli, path: string | undefined, open: () => Promise<Readable>, what: string): Promise<void> {
  if (path === undefined || path === "") {
    if (cli.streams.stdout.isTTY === true) throw new CliError(`cowardly refusing to ${what} to a terminal. Use the -o flag or redirect`);
    await pipeline(await open(), cli.streams.stdout, { end: false });
    return;
  }
  const existing = await stat(path).catch(() => undefined);
  if (existing?.isDirectory() === true) throw new CliError(`invalid output path: "${path}" must be a file, not a directory`);
  if (existing !== undefined && !existing.isFile()) {
    // A device or a pipe is written to as it is.
    await pipeline(await open(), createWriteStream(path));
    return;
  }
  const parent = await stat(dirname(path)).catch(() => undefined);
  if (parent?.isDirectory() !== true) throw new CliError(`invalid output path: directory "${dirname(path)}" does not exist`);
  const source = await open();
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await pipeline(source, createWriteStream(temporary, { mode: 0o600 }));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A file, or standard input for `-`. */
export async function openInput(cli: Cli, path: string): Promise<Readable> {
  if (path === "-") return cli.streams.stdin;
  const stream = createReadStream(path, { highWaterMark: 1 << 20 });
  await new Promise<void>((resolve, reject) => { stream.once("open", () => resolve()).once("error", (cause: NodeJS.ErrnoException) => reject(new CliError(cause.code === "ENOENT" ? `open ${path}: no such file or directory` : cause.message, 1, { cause }))); });
  return stream;
}
