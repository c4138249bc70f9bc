import { closeSync, openSync, writeSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { ByteString } from "../kernel/byte-path.js";

/**
 * The split file of a layer: what is needed besides the layer's tree to put its tar together again, bit for bit.
 *
 * A gzip file of many members (`gunzip` reads it); each names its packed length in an extra field `SL` (RFC 1952, 2.3.1.1)
 * so that a reader can step from one to the next. Unpacked it is a run of records:
 *   R <u32 n> <n bytes>                            bytes of the tar as they are
 *   F <u64 size> <u16 n> <n bytes: path>           the content of a file of the tree
 * Numbers are little endian. No record spans two members.
 */
export const SPLIT_RAW = 0x52, SPLIT_FILE = 0x46;
const MEMBER = 1 << 20;

export class SplitWriter {
  private readonly fd: number;
  private readonly buffer = Buffer.allocUnsafeSlow(MEMBER);
  private used = 0;
  /** Where the length of the raw record that is being filled stands; -1 when there is none. */
  private open = -1;
  /** Bytes on disk so far. */
  private position = 0;
  private closed = false;

  constructor(path: string) { this.fd = openSync(path, "wx", 0o600); }

  raw(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.open < 0) {
        this.room(6);
        this.buffer[this.used] = SPLIT_RAW;
        this.open = this.used + 1;
        this.used += 5;
      }
      const n = Math.min(bytes.length - at, MEMBER - this.used);
      bytes.copy(this.buffer, this.used, at, at + n);
      this.used += n;
      at += n;
      if (this.used === MEMBER) this.flush();
    }
  }

  file(path: ByteString, size: number): void {
    this.endRaw();
    this.room(11 + path.length);
    this.buffer[this.used] = SPLIT_FILE;
    this.buffer.writeBigUInt64LE(BigInt(size), this.used + 1);
    this.buffer.writeUInt16LE(path.length, this.used + 9);
    this.buffer.write(path, this.used + 11, "latin1");
    this.used += 11 + path.length;
  }

  /** Completes the file; its size. */
  close(): number {
    this.flush();
    this.abort();
    return this.position;
  }
  /** Lets go of the file, complete or not. */
  abort(): void {
    if (this.closed) return;
    this.closed = true;
    closeSync(this.fd);
  }

  private endRaw(): void {
    if (this.open < 0) return;
    this.buffer.writeUInt32LE(this.used - this.open - 4, this.open);
    this.open = -1;
  }
  private room(n: number): void { if (MEMBER - this.used < n) this.flush(); }
  private flush(): void {
    this.endRaw();
    if (this.used === 0) return;
    const plain = gzipSync(this.buffer.subarray(0, this.used), { level: 1 });
    const header = Buffer.alloc(20);
    plain.copy(header, 0, 0, 10);
    header[3] = 4;
    header.writeUInt16LE(8, 10);
    header.write("SL", 12, "latin1");
    header.writeUInt16LE(4, 14);
    header.writeUInt32LE(plain.length + 10, 16);
    for (const part of [header, plain.subarray(10)]) {
      for (let at = 0; at < part.length; ) at += writeSync(this.fd, part, at);
      this.position += part.length;
    }
    this.used = 0;
  }
}
