/** A member of a context's tar. Names are bytes, each a character of the string (latin1), as file names need not be UTF-8. */
export interface TarMember {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "link" | "fifo" | "char" | "block";
  readonly mode: number;
  readonly size?: number;
  /** Seconds. */
  readonly mtime: number;
  readonly linkName?: string;
  readonly device?: readonly [major: number, minor: number];
}

const BLOCK = 512;
const FLAGS = { file: "0", link: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6" } as const;
const MAX_12 = 0o77777777777;

/** The header: a ustar block, before it a pax header for names and numbers that ustar cannot hold. Everything is root's. */
export function tarHeader(member: TarMember): Buffer {
  const { size = 0, linkName = "" } = member;
  const records: string[] = [];
  if (member.name.length > 100) records.push(record("path", member.name));
  if (linkName.length > 100) records.push(record("linkpath", linkName));
  if (size > MAX_12) records.push(record("size", String(size)));
  if (member.mtime < 0) records.push(record("mtime", String(member.mtime)));
  const block = fill(FLAGS[member.type], member.name, { ...member, size, linkName });
  if (records.length === 0) return block;
  const body = Buffer.from(records.join(""), "latin1");
  const head = fill("x", "PaxHeaders.0/member", { mode: 0o644, size: body.length, mtime: 0, linkName: "" });
  return Buffer.concat([head, body, tarPadding(body.length), block]);
}

/** Fills up the last block of so many bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What ends an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/** `length key=value\n`, whose length counts itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

function fill(flag: string, name: string, { mode, size, mtime, linkName, device = [0, 0] }: { mode: number; size: number; mtime: number; linkName: string; device?: readonly [number, number] }): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => { block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1"); };
  block.write(name, 0, 100, "latin1");
  octal(mode & 0o7777, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size > MAX_12 ? 0 : size, 124, 12);
  octal(Math.min(Math.max(0, mtime), MAX_12), 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write(linkName, 157, 100, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(device[0], 329, 8);
  octal(device[1], 337, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
