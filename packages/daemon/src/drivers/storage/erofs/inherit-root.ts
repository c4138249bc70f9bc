import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";

/** Makes a directory that looks like the root of the tree below: a merged root shows the attributes of the uppermost. */
export function inheritRoot(directory: string, parent: string | undefined): void {
  mkdirSync(directory, { mode: 0o755 });
  if (parent === undefined) return;
  const { uid, gid, mode } = statSync(parent);
  if (uid !== 0 || gid !== 0) chownSync(directory, uid, gid);
  chmodSync(directory, mode & 0o7777);
}
