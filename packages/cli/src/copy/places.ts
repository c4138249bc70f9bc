import { lstat, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, posix, resolve } from "node:path";
import { MODE_DIRECTORY, MODE_SYMLINK, StrataApiError } from "@strata/client";
import { CliError, type Cli } from "../cli.js";

/** One side of a copy. */
export interface Side {
  /** Undefined: this machine. */
  readonly container?: string;
  readonly path: string;
}

/** `container:path`; a path that begins with `/` or `.` is this machine's. */
export function readSide(text: string): Side {
  const at = text.indexOf(":");
  if (isAbsolute(text) || at < 0 || text.startsWith(".")) return { path: text };
  return { container: text.slice(0, at), path: text.slice(at + 1) };
}

/** What is at a path. */
export interface Place {
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
}

/** The path says that it is a directory. */
export const meansDirectory = (path: string): boolean => /(^|\/)\.?$/.test(path) || path.endsWith("/..");
const lastOf = (path: string): string => (/(^|\/)\.$/.test(path) ? "." : basename(path) || "/");

/** A symlink stands for what it leads to. */
export async function localPlace(path: string): Promise<Place> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined && !(await stat(dirname(resolve(path))).catch(() => undefined))?.isDirectory()) throw new CliError(`invalid output path: directory "${dirname(resolve(path))}" does not exist`);
  return { path: facts === undefined ? path : await realpath(path), exists: facts !== undefined, isDirectory: facts?.isDirectory() === true };
}

/** A symlink stands for what it leads to. What is not there may come to be. */
export async function containerPlace(cli: Cli, container: string, path: string): Promise<Place> {
  try {
    const found = await cli.client.containers.statPath(container, path);
    if (!hasBit(found.mode, MODE_SYMLINK)) return { path, exists: true, isDirectory: hasBit(found.mode, MODE_DIRECTORY) };
    const target = found.linkTarget;
    const there = await cli.client.containers.statPath(container, target).catch(absent);
    return { path: target, exists: there !== undefined, isDirectory: there !== undefined && hasBit(there.mode, MODE_DIRECTORY) };
  } catch (error) {
    absent(error);
    return { path, exists: false, isDirectory: false };
  }
}
function absent(error: unknown): undefined {
  if (error instanceof StrataApiError && error.status === 404) return undefined;
  throw error;
}
/** Modes have more bits than JavaScript's operators. */
export const hasBit = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;

export interface Plan {
  /** The directory that is unpacked into. */
  readonly into: string;
  /** What the first part of the archive's names becomes. */
  readonly rename?: { readonly from: string; readonly to: string };
}

/** Where a copy goes, as cp(1) would: into a directory that is there, else beside it under the name that is given. */
export function planCopy(source: { readonly path: string; readonly isDirectory: boolean; readonly name?: string }, destination: Place): Plan {
  const from = source.name ?? lastOf(source.path);
  if (destination.exists && destination.isDirectory) return { into: destination.path };
  if (destination.exists && source.isDirectory) throw new CliError("cannot copy directory");
  if (!destination.exists && !source.isDirectory && meansDirectory(destination.path)) throw new CliError("no such directory");
  const path = destination.path.replace(/(.)\/+\.?$/, "$1");
  return { into: posix.dirname(path), rename: { from, to: basename(path) } };
}

/** A path here, as the source of a copy. */
export async function localSource(path: string, follow: boolean): Promise<{ path: string; name: string; isDirectory: boolean; follow: boolean }> {
  const through = follow || meansDirectory(path);
  try {
    const facts = await (through ? stat(path) : lstat(path));
    if (meansDirectory(path) && !facts.isDirectory()) throw new CliError(`${path}: not a directory`);
    return { path, name: lastOf(path), isDirectory: facts.isDirectory(), follow: through };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(`lstat ${resolve(path)}: no such file or directory`, 1, { cause });
  }
}
