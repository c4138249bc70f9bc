import { PassThrough, pipeline } from "node:stream";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

/** Unpacks gzip, passes anything else. Stands in for archive/compress.ts. */
export function decompress(packed: Readable): Readable {
  const out = new PassThrough({ highWaterMark: 1024 * 1024 });
  packed.once("error", (e) => out.destroy(e));
  packed.once("readable", () => {
    const head = (packed.read() as Buffer | null) ?? Buffer.alloc(0);
    if (head.length > 0) packed.unshift(head);
    if (head[0] === 0x1f && head[1] === 0x8b) pipeline(packed, createGunzip({ chunkSize: 256 * 1024 }), out, () => {});
    else pipeline(packed, out, () => {});
  });
  return out;
}
