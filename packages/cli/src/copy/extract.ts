import { createWriteStream } from "node:fs";
import { chmod, link, lstat, lutimes, mkdir, rm, symlink, utimes } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CliError } from "../cli.js";
import { membersOf, type Member } from "./tar-read.js";

/** The first part of names is another one instead. */
export interface Rename { readonly from: string; readonly to: string }

/**
 * Unpacks a container's archive into a directory of this machine. The archive is not trusted: names that lead out of the
 * directory, and names that go through a symlink of the archive's own, are refused. All belongs to whoever unpacks it.
 */
export async function extract(tar: Readable, into: string, rename?: Rename): Promise<void> {
  const directory = resolve(into);
  const links = new Set<string>();
  const directories: { path: string; member: Member }[] = [];
  for await (const member of membersOf(tar)) {
    const name = nameOf(member.name, rename), path = join(directory, name);
    if (name === "" && member.type === "directory") continue; // the directory itself, which is there
    for (let above = dirname(path); above.length > directory.length; above = dirname(above)) {
      if (links.has(above)) throw new CliError(`${member.name} lies behind a symlink of the archive`);
    }
    await place(member, path, directory, rename);
    if (member.type === "symlink") links.add(path);
    if (member.type === "directory") directories.push({ path, member });
  }
  // Last, and inner ones first: what is put into a directory changes its time, and its mode may forbid it.
  for (const { path, member } of directories.reverse()) {
    await chmod(path, member.mode & 0o7777);
    await utimes(path, member.mtime, member.mtime);
  }
}

function nameOf(given: string, rename: Rename | undefined): string {
  const parts = given.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new CliError(`${given} leads out of the archive`);
  if (rename?.from === "." || rename?.from === "/") parts.unshift(rename.to);
  else if (rename !== undefined && parts[0] === rename.from) parts[0] = rename.to;
  return parts.join("/");
}

async function place(member: Member, path: string, directory: string, rename: Rename | undefined): Promise<void> {
  const there = await lstat(path).catch(() => undefined);
  const isDirectory = member.type === "directory";
  if (isDirectory && there?.isDirectory() === true) return;
  if (there !== undefined) {
    if (isDirectory || there.isDirectory()) throw new CliError(`cannot overwrite ${isDirectory ? "non-directory" : "directory"} "${path}" with ${isDirectory ? "directory" : "non-directory"}`);
    await rm(path);
  }
  switch (member.type) {
    case "directory":
      await mkdir(path, { mode: 0o700 });
      return;
    case "symlink":
      await symlink(member.link, path);
      return lutimes(path, member.mtime, member.mtime);
    case "link": return link(join(directory, nameOf(member.link, rename)), path);
    case "file":
      await pipeline(member.body, createWriteStream(path, { flags: "wx", mode: 0o600 }));
      await chmod(path, member.mode & 0o7777);
      return utimes(path, member.mtime, member.mtime);
    case "other": throw new CliError(`${member.name} is a device or a pipe, which cannot be made here`);
  }
}
