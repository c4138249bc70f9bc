import { errnoOf } from "../core/errors.js";
import { cPath, fromByteString, procPath, type ByteString } from "../kernel/byte-path.js";
import { DT, openDirectoryAt, readDirectory } from "../kernel/directory.js";
import { AT_FDCWD, close, lgetxattr, O_DIRECTORY, O_RDONLY, openat } from "../kernel/libc.js";
import { joinPath } from "./tar-path.js";
import type { Steps } from "./workers/protocol.js";

/**
 * The first entry of an overlay's upper directory that stands for something elsewhere: a directory that was renamed
 * without what lower layers hold of it (`trusted.overlay.redirect`), a file whose content lies below (`…metacopy`).
 * Undefined where there is none: then the directory is all that was changed.
 */
export function* referring({ path }: { readonly path: string }): Steps<string | undefined> {
  const buffer = Buffer.allocUnsafeSlow(65536);
  let seen = 0;

  function* walk(fd: number, at: ByteString): Steps<ByteString | undefined> {
    for (const { name, type } of readDirectory(fd, buffer)) {
      if (++seen % 512 === 0) yield undefined;
      const entry = joinPath(at, name);
      if (type === DT.dir) {
        if (has(fd, name, "trusted.overlay.redirect")) return entry;
        const inside = yield* descend(fd, name, entry);
        if (inside !== undefined) return inside;
      } else if (type === DT.file && has(fd, name, "trusted.overlay.metacopy")) return entry;
    }
    return undefined;
  }
  function* descend(dir: number, name: ByteString, at: ByteString): Steps<ByteString | undefined> {
    let fd: number;
    try { fd = openDirectoryAt(dir, name); }
    catch (error) {
      // Gone meanwhile: a live tree.
      if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
      throw error;
    }
    try { return yield* walk(fd, at); } finally { close(fd); }
  }

  const fd = openat(AT_FDCWD, cPath(Buffer.from(path).toString("latin1")), O_RDONLY | O_DIRECTORY);
  try {
    const found = yield* walk(fd, "");
    return found === undefined ? undefined : fromByteString(found);
  } finally { close(fd); }
}

function has(dir: number, name: ByteString, attribute: string): boolean {
  try { return lgetxattr(procPath(dir, name), attribute) !== undefined; }
  catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}
