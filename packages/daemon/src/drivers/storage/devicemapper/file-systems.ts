import { closeSync, openSync, readSync } from "node:fs";
import { Unavailable } from "../../../core/errors.js";
import type { Mount } from "../../../core/storage.js";
import { findProgram, run } from "../../../kernel/spawn.js";
import type { DmOptions, FileSystemName } from "./options.js";

/** The file system for a new base device: what is asked for, else xfs where it can be made, else ext4. */
export function chooseFileSystem(wanted: FileSystemName | undefined): FileSystemName {
  const kinds: readonly FileSystemName[] = wanted === undefined ? ["xfs", "ext4"] : [wanted];
  const found = kinds.find((kind) => findProgram(`mkfs.${kind}`) !== undefined);
  if (found === undefined) throw new Unavailable(wanted === undefined ? "there is neither mkfs.xfs nor mkfs.ext4" : `dm.fs: there is no mkfs.${wanted}`);
  return found;
}

export async function makeFileSystem(kind: FileSystemName, node: string, extra: readonly string[]): Promise<void> {
  // A new thin device holds nothing: there is nothing to discard. What ext4 would put off, every copy would do again.
  const own = kind === "xfs" ? ["-q", "-f", "-K"] : ["-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"];
  await run(findProgram(`mkfs.${kind}`)!, [...own, ...extra, node]);
}

/** Makes a mounted file system as large as its device. */
export async function growFileSystem(kind: FileSystemName, node: string, mountPoint: string): Promise<void> {
  const name = kind === "xfs" ? "xfs_growfs" : "resize2fs";
  const program = findProgram(name);
  if (program === undefined) throw new Unavailable(`there is no ${name} on this machine`);
  await run(program, kind === "xfs" ? ["-d", mountPoint] : [node]);
}

/** UUID of the file system on a device, as 32 hex digits; undefined where there is none of that kind. */
export function readUuid(kind: FileSystemName, node: string): string | undefined {
  const fd = openSync(node, "r");
  try {
    const block = Buffer.alloc(4096);
    readSync(fd, block, 0, block.length, 0);
    if (kind === "xfs") return block.toString("latin1", 0, 4) === "XFSB" ? block.toString("hex", 32, 48) : undefined;
    return block.readUInt16LE(1024 + 0x38) === 0xef53 ? block.toString("hex", 1024 + 0x68, 1024 + 0x78) : undefined;
  } finally { closeSync(fd); }
}

/** How devices are mounted: a copy has its original's UUID, which XFS would refuse; what is deleted inside goes back to the pool. */
export function fileSystemMount(kind: FileSystemName, node: string, readOnly: boolean, { mountOptions }: DmOptions): Mount {
  const own = [...(readOnly ? ["ro"] : []), ...(kind === "xfs" ? ["nouuid"] : []), ...(mountOptions.includes("nodiscard") ? [] : ["discard"])];
  return { type: kind, source: node, options: [...own, ...mountOptions] };
}
