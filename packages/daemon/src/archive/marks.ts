import { OPAQUE_WHITEOUT, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX } from "@strata/oci";
import { cPath, type ByteString } from "../kernel/byte-path.js";
import { AT_FDCWD, close, lgetxattr, lsetxattr, mknodat, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, openat } from "../kernel/libc.js";
import { isRegular, isWhiteout, S_IFCHR, type Stat, type Stater } from "../kernel/stat.js";

/** How a layer's directory says what it hides of the layers below. Paths are absolute. */
export interface Marks {
  /** The name that this entry hides, `""` when it is a note that hides nothing; undefined when it is an entry like any. */
  hides(name: ByteString, stat: Stat): ByteString | undefined;
  /** Whether something else than the entry itself hides `name` of `directory`, or forbids such a name. */
  covers(stater: Stater, directory: ByteString, name: ByteString): boolean;
  /** Nothing of the directories below shows through. */
  isOpaque(stater: Stater, directory: ByteString): boolean;
  makeOpaque(directory: ByteString): void;
  /** `name` is not there. */
  hide(dir: number, name: ByteString): void;
}

/** `overlay`: overlayfs's character device 0:0 and attribute. `aufs`: plain files, as in a layer's tar; what overlayfs would understand counts, too. */
export type MarksKind = "overlay" | "aufs";

const NAME_MAX = 255;

const overlay: Marks = {
  hides: (name, stat) => (isWhiteout(stat) ? name : undefined),
  covers: () => false,
  isOpaque: (_, directory) => lgetxattr(cPath(directory), "trusted.overlay.opaque")?.toString("latin1") === "y",
  makeOpaque: (directory) => lsetxattr(cPath(directory), "trusted.overlay.opaque", Buffer.from("y")),
  hide: (dir, name) => mknodat(dir, cPath(name), S_IFCHR, 0),
};

const aufs: Marks = {
  hides: (name, stat) => {
    if (!name.startsWith(WHITEOUT_PREFIX)) return overlay.hides(name, stat);
    return name.startsWith(WHITEOUT_META_PREFIX) || !isRegular(stat.mode) ? "" : name.slice(WHITEOUT_PREFIX.length);
  },
  covers: (stater, directory, name) => {
    if (name.startsWith(WHITEOUT_PREFIX)) return true;
    if (name.length + WHITEOUT_PREFIX.length > NAME_MAX) return false;
    const mark = stater.at(AT_FDCWD, `${directory}/${WHITEOUT_PREFIX}${name}`);
    return mark !== undefined && isRegular(mark.mode);
  },
  isOpaque: (stater, directory) => overlay.isOpaque(stater, directory) || stater.at(AT_FDCWD, `${directory}/${OPAQUE_WHITEOUT}`) !== undefined,
  makeOpaque: (directory) => emptyFile(AT_FDCWD, `${directory}/${OPAQUE_WHITEOUT}`),
  hide: (dir, name) => emptyFile(dir, WHITEOUT_PREFIX + name),
};

export const marksOf: Readonly<Record<MarksKind, Marks>> = { overlay, aufs };

function emptyFile(dir: number, path: ByteString): void {
  close(openat(dir, cPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o444));
}
