import { posix } from "node:path";
import { InvalidArgument } from "../../core/errors.js";
import { cPath, fromByteString, toByteString, type ByteString } from "../../kernel/byte-path.js";
import { withFd } from "../../kernel/directory.js";
import { AT_FDCWD, O_DIRECTORY, O_PATH, O_RDONLY, openat, openInRoot, readlinkat } from "../../kernel/libc.js";
import { isDirectory, isSymlink, Stater } from "../../kernel/stat.js";
import { joinPath, parentOf } from "../tar-path.js";
import type { Steps } from "../workers/protocol.js";

/** Where a path leads in a tree. */
export interface Place {
  /** Below the root, no symlink on the way. */
  readonly path: ByteString;
  /** The same as text. */
  readonly text: string;
  readonly kind: "directory" | "other" | "none";
  /** What of it, the last part included, is not there; outer ones first. */
  readonly missing: readonly ByteString[];
}

const MAX_HOPS = 40;

/** Follows a path as a process in the tree would, also where its end is yet to be made. */
// eslint-disable-next-line require-yield -- a job of one step
export function* treePlace({ root, path }: { readonly root: string; readonly path: string }): Steps<Place> {
  return withFd(openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY), (tree) => {
    const stater = new Stater();
    let parts = toByteString(posix.resolve("/", path)).split("/"), at: ByteString = "", hops = 0;
    const missing: ByteString[] = [];
    let kind: Place["kind"] = "directory";
    while (parts.length > 0) {
      const [part, ...rest] = parts as [ByteString, ...ByteString[]];
      parts = rest;
      if (part === "" || part === ".") continue;
      if (part === "..") { at = parentOf(at); continue; }
      const next = joinPath(at, part);
      const stat = missing.length > 0 ? undefined : withFd(openInRoot(tree, cPath(at === "" ? "." : at), O_PATH | O_DIRECTORY), (fd) => stater.at(fd, part));
      if (stat === undefined) missing.push(next);
      else if (isSymlink(stat.mode)) {
        if (++hops > MAX_HOPS) throw new InvalidArgument(`too many levels of symbolic links: ${path}`);
        const target = withFd(openInRoot(tree, cPath(at === "" ? "." : at), O_PATH | O_DIRECTORY), (fd) => readlinkat(fd, cPath(part)).toString("latin1"));
        if (target.startsWith("/")) at = "";
        parts = [...target.split("/"), ...parts];
        continue;
      } else if (!isDirectory(stat.mode)) {
        if (parts.some((p) => p !== "" && p !== ".")) throw new InvalidArgument(`not a directory: /${fromByteString(next)}`);
        kind = "other";
      }
      at = next;
    }
    return { path: at, text: fromByteString(at), kind: missing.length > 0 ? "none" : kind, missing };
  });
}
