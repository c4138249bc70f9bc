import { errnoOf } from "../core/errors.js";
import { cPath, fromByteString, toByteString, type ByteString } from "../kernel/byte-path.js";
import { DT, openDirectoryAt, readDirectory } from "../kernel/directory.js";
import { AT_FDCWD, close, hasXattr, O_DIRECTORY, O_RDONLY, openat } from "../kernel/libc.js";
import { joinPath } from "./tar-path.js";
import type { Steps } from "./workers/protocol.js";

/**
 * The first entry of an overlay's upper directory that stands for something elsewhere: a directory that was renamed
 * without what lower layers hold of it (`trusted.overlay.redirect`), a file whose content lies below (`…metacopy`).
 * Undefined where there is none: then the directory is all that was changed. Without `files` only directories are
 * looked at, which is enough to tell what was changed, but not what it is now.
 */
export function* referring({ path, files }: { readonly path: string; readonly files: boolean }): Steps<string | undefined> {
  const root = toByteString(path);
  const buffer = Buffer.allocUnsafeSlow(65536);
  let seen = 0;

  function* walk(fd: number, at: ByteString): Steps<ByteString | undefined> {
    for (const { name, type } of readDirectory(fd, buffer)) {
      if (++seen % 512 === 0) yield undefined;
      const entry = joinPath(at, name);
      // By whole paths: through /proc each would take twice the time.
      if (type === DT.dir) {
        if (hasXattr(cPath(`${root}/${entry}`), "trusted.overlay.redirect")) return entry;
        const inside = yield* descend(fd, name, entry);
        if (inside !== undefined) return inside;
      } else if (files && type === DT.file && hasXattr(cPath(`${root}/${entry}`), "trusted.overlay.metacopy")) return entry;
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

  const fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  try {
    const found = yield* walk(fd, "");
    return found === undefined ? undefined : fromByteString(found);
  } finally { close(fd); }
}
