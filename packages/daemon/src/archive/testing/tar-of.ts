import { noXattrs, EPOCH, type TarEntry } from "../tar-entry.js";
import { toByteString } from "../../kernel/byte-path.js";
import { encodeHeader, padding, TRAILER } from "../tar-writer.js";

export interface Member extends Partial<Omit<TarEntry, "xattrs">> {
  /** Text (taken as UTF-8) unless `bytes` says that it is a byte string. */
  readonly name: string;
  readonly bytes?: boolean;
  readonly content?: string | Buffer;
  readonly xattrs?: Readonly<Record<string, Buffer>>;
}

/** A tar for tests. What a member does not say: a file, or a directory when the name ends in a slash, root's, 0644 or 0755, from 1970. */
export function tarOf(members: readonly Member[]): Buffer { return Buffer.concat([...members.map(memberOf), TRAILER]); }

export function memberOf(member: Member): Buffer {
  const { content = "", xattrs, bytes, ...given } = member;
  const body = Buffer.from(content as string);
  const type = given.type ?? (given.name.endsWith("/") ? "directory" : "file");
  const text = (value: string): string => (bytes ? value : toByteString(value));
  const entry: TarEntry = {
    mode: type === "directory" ? 0o755 : type === "symlink" ? 0o777 : 0o644, uid: 0, gid: 0, mtime: EPOCH, major: 0, minor: 0,
    ...given, type, name: text(given.name), linkName: text(given.linkName ?? ""),
    size: given.size ?? (type === "file" ? body.length : 0),
    xattrs: xattrs ? new Map(Object.entries(xattrs)) : noXattrs,
  };
  return Buffer.concat([encodeHeader(entry), ...(type === "file" ? [body, padding(body.length)] : [])]);
}

/** A header block byte by byte: fields given as they shall stand there, the checksum set right. */
export function rawBlock(fields: Readonly<Record<number, string | Buffer>>): Buffer {
  const block = Buffer.alloc(512);
  for (const [at, value] of Object.entries(fields)) Buffer.from(value as string, "latin1").copy(block, Number(at));
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
/** A plain ustar header as a block, for what `memberOf` would not write. */
export function ustar(name: string, typeflag: string, size: number, more: Readonly<Record<number, string | Buffer>> = {}): Buffer {
  return rawBlock({ 0: name, 100: "0000644\0", 108: "0000000\0", 116: "0000000\0", 124: `${size.toString(8).padStart(11, "0")}\0`, 136: "00000000000\0", 156: typeflag, 257: "ustar\x0000", ...more });
}
/** Payload filled up to whole blocks. */
export function payload(content: string | Buffer): Buffer {
  const body = Buffer.from(content as string);
  return Buffer.concat([body, padding(body.length)]);
}
