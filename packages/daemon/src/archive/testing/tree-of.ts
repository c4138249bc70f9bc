import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { cPath, type ByteString } from "../../kernel/byte-path.js";
import { openDirectoryAt, readDirectory, withFd } from "../../kernel/directory.js";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY, openat, readlinkat } from "../../kernel/libc.js";
import { inodeKey, S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Stater } from "../../kernel/stat.js";
import { xattrsOf } from "../tree-tar.js";

/** What a tree shows, path by path, as one line each: everything a tar can carry, and which names are one inode. */
export function treeOf(root: string): Record<ByteString, string> {
  const stater = new Stater();
  const found: Record<ByteString, string> = {};
  const inodes = new Map<string, ByteString>();
  const walk = (fd: number, at: ByteString): void => {
    for (const { name } of readDirectory(fd)) {
      const stat = stater.at(fd, name)!;
      const path = `${at}/${name}`;
      const type = stat.mode & S_IFMT;
      const parts = [stat.mode.toString(8), `${stat.uid}:${stat.gid}`, `${stat.mtimeSec}.${String(stat.mtimeNs).padStart(9, "0")}`];
      if (type === S_IFREG) parts.push(`${stat.size}`, createHash("sha256").update(withFd(openat(fd, cPath(name), O_RDONLY), (file) => readFileSync(file))).digest("hex").slice(0, 12));
      if (type === S_IFLNK) parts.push(`-> ${readlinkat(fd, cPath(name)).toString("latin1")}`);
      if (type === S_IFCHR || type === S_IFBLK) parts.push(`${stat.rdevMajor},${stat.rdevMinor}`);
      if (type !== S_IFDIR) {
        const first = inodes.get(inodeKey(stat));
        if (first === undefined) inodes.set(inodeKey(stat), path);
        else parts.push(`same as ${first}`);
      }
      for (const [key, value] of [...xattrsOf(fd, name)].sort()) parts.push(`${key}=${value.toString("hex")}`);
      found[path] = parts.join(" ");
      if (type === S_IFDIR) withFd(openDirectoryAt(fd, name), (child) => walk(child, path));
    }
  };
  withFd(openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY), (fd) => walk(fd, ""));
  return found;
}
