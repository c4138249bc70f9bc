/** One member of a tar, POSIX.1-2001. */
export interface Member {
  readonly name: string;
  /** Default: a file, or a directory where the name ends with a slash. */
  readonly type?: "file" | "directory" | "hardlink" | "symlink" | "char" | "block" | "fifo";
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since the epoch, as text: `1000000000.25`. */
  readonly mtime?: string;
  readonly link?: string;
  readonly device?: readonly [major: number, minor: number];
  readonly data?: Buffer | string;
  readonly xattrs?: Readonly<Record<string, Buffer>>;
}

const TYPE = { file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6", pax: "x" };

/** A layer's tar; `raw` members are taken as they are. */
export function tarOfMembers(members: readonly (Member | { readonly raw: Buffer })[]): Buffer {
  return Buffer.concat([...members.flatMap((member) => ("raw" in member ? [member.raw] : pack(member))), Buffer.alloc(1024)]);
}

function pack(member: Member): Buffer[] {
  const { name, type = name.endsWith("/") ? "directory" : "file", mode = type === "directory" ? 0o755 : 0o644, uid = 0, gid = 0, mtime = "1000000000", link = "", device = [0, 0], xattrs = {} } = member;
  const data = Buffer.from(member.data ?? "");
  const pax: [string, Buffer | string][] = Object.entries(xattrs).map(([key, value]) => [`SCHILY.xattr.${key}`, value]);
  if (mtime.includes(".")) pax.push(["mtime", mtime]);
  if (Buffer.byteLength(name) > 100 || /[^ -~]/.test(name)) pax.push(["path", name]);
  if (uid > 0o7777777) pax.push(["uid", String(uid)]);
  const records = Buffer.concat(pax.map(([key, value]) => paxRecord(key, Buffer.from(value))));
  const head = (of: keyof typeof TYPE, size: number): Buffer => header(Buffer.from(name).subarray(0, 100), TYPE[of], { mode, uid: uid > 0o7777777 ? 0 : uid, gid, mtime: Math.floor(Number(mtime)), size, link, device });
  return [...(records.length > 0 ? [head("pax", records.length), padded(records)] : []), head(type, data.length), padded(data)];
}

/** A header by itself, whatever follows it. `type` as it stands there. */
export const tarHeader = (name: string, type: string, size: number): Buffer => header(Buffer.from(name), type, { mode: 0o644, uid: 0, gid: 0, mtime: 0, size, link: "", device: [0, 0] });

function header(name: Buffer, type: string, { mode, uid, gid, mtime, size, link, device }: { mode: number; uid: number; gid: number; mtime: number; size: number; link: string; device: readonly [number, number] }): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number): void => { block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1"); };
  name.copy(block);
  for (const [value, at, length] of [[mode, 100, 8], [uid, 108, 8], [gid, 116, 8], [size, 124, 12], [mtime, 136, 12], [device[0], 329, 8], [device[1], 337, 8]] as const) octal(value, at, length);
  block.write(" ".repeat(8), 148, "latin1");
  block.write(type, 156, "latin1");
  block.write(link, 157, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `30 mtime=1000000000.25\n`, the length counted in. */
export function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
