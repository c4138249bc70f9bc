import { InvalidArgument } from "../../core/errors.js";
import { fromByteString, type ByteString } from "../../kernel/byte-path.js";

/** Extended attributes, in line behind their inode: a head of 12 bytes, then entries filled up to 4. */
const HEAD = 12;
const ENTRY = 4;

/** How names are told; the rest of a name follows. Others do not exist in EROFS. */
const PREFIXES: readonly (readonly [prefix: string, index: number, whole: boolean])[] = [
  ["user.", 1, false], ["system.posix_acl_access", 2, true], ["system.posix_acl_default", 3, true], ["trusted.", 4, false], ["security.", 6, false],
];
/** `i_xattr_icount` has 16 bits, and so has the length of a value. */
const MOST = 0xffff;

interface Placed { readonly index: number; readonly rest: ByteString; readonly value: Buffer }

function placed(name: ByteString, value: Buffer): Placed | undefined {
  for (const [prefix, index, whole] of PREFIXES) {
    if (whole ? name !== prefix : !name.startsWith(prefix) || name.length === prefix.length) continue;
    const rest = name.slice(prefix.length);
    if (rest.length > 255 || value.length > MOST) throw new InvalidArgument(`tar: extended attribute ${JSON.stringify(fromByteString(name.slice(0, 80)))} is too large`);
    return { index, rest, value };
  }
  return undefined;
}

/** Whether EROFS has attributes of this name. */
export function hasPlace(name: ByteString): boolean { return PREFIXES.some(([prefix, , whole]) => (whole ? name === prefix : name.startsWith(prefix) && name.length > prefix.length)); }

/** What goes behind the inode; empty for none. InvalidArgument when it is more than an inode can have. */
export function encodeXattrs(xattrs: ReadonlyMap<ByteString, Buffer>): Buffer {
  if (xattrs.size === 0) return NONE;
  const parts: Buffer[] = [Buffer.alloc(HEAD)];
  let length = HEAD;
  for (const [name, value] of xattrs) {
    const found = placed(name, value);
    if (!found) continue;
    const entry = Buffer.alloc((ENTRY + found.rest.length + value.length + 3) & ~3);
    entry[0] = found.rest.length;
    entry[1] = found.index;
    entry.writeUInt16LE(value.length, 2);
    entry.write(found.rest, ENTRY, "latin1");
    entry.set(value, ENTRY + found.rest.length);
    parts.push(entry);
    length += entry.length;
  }
  if (length === HEAD) return NONE;
  if (xattrCount(length) > MOST) throw new InvalidArgument("tar: extended attributes of one file are too large together");
  return Buffer.concat(parts, length);
}
const NONE = Buffer.alloc(0);

/** `i_xattr_icount` of an area of so many bytes. */
export function xattrCount(length: number): number { return length === 0 ? 0 : 1 + (length - HEAD) / 4; }
