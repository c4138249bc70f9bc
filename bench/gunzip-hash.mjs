// Decompresses and hashes gzip files one after the other: what one Node thread can do to layers.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";

for (const path of process.argv.slice(2)) {
  const packed = createHash("sha256"), raw = createHash("sha256");
  const source = createReadStream(path, { highWaterMark: 1 << 18 }).on("data", (c) => packed.update(c));
  await pipeline(source, createGunzip({ chunkSize: 1 << 18 }), raw);
  console.log(packed.digest("hex"), raw.digest("hex"));
}
