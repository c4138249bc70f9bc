import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { DataLoss } from "../core/errors.js";
import { findProgram } from "../kernel/spawn.js";
import { compressGzip, decompress, detectCompression } from "./compress.js";
import { zstdFallback } from "./zstd.js";

const small = Buffer.from("a small tar\n".repeat(100));
/** Packs to more than a megabyte, so that a program is used where there is one. */
const large = Buffer.concat([randomBytes(3 << 20), Buffer.alloc(1 << 20, "text ")]);

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
/** Delivers in pieces of odd sizes. */
function inPieces(bytes: Buffer, size: number): Readable {
  return Readable.from((function* () { for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size); })(), { objectMode: false });
}
const pack: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gzipSync(bytes),
  zstd: (bytes) => execFileSync("zstd", ["-qc"], { input: bytes, maxBuffer: 1 << 28 }),
  bzip2: (bytes) => execFileSync("bzip2", ["-c"], { input: bytes, maxBuffer: 1 << 28 }),
  xz: (bytes) => execFileSync("xz", ["-0c"], { input: bytes, maxBuffer: 1 << 28 }),
};

for (const [kind, make] of Object.entries(pack)) {
  const able = kind === "gzip" || findProgram(kind) !== undefined;
  (able ? describe : describe.skip)(`${kind}${able ? "" : ` (no program ${kind} on this machine)`}`, () => {
    const packedSmall = able ? make(small) : small, packedLarge = able ? make(large) : large;

    test("is known by its first bytes", () => expect(detectCompression(packedSmall)).toBe(kind));
    test.each([[1], [7], [65536]])("unpacks a small stream in pieces of %i", async (size) => expect(await collect(decompress(inPieces(packedSmall, size)))).toEqual(small));
    test("unpacks a large stream", async () => expect((await collect(decompress(inPieces(packedLarge, 65536)))).equals(large)).toBe(true));
    test.each([["small", packedSmall], ["large", packedLarge]])("says that a %s stream is cut off", async (_, packed) => {
      await expect(collect(decompress(inPieces(packed.subarray(0, packed.length - 3), 65536)))).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining(`corrupt ${kind} stream`) });
      await expect(collect(decompress(inPieces(packed.subarray(0, packed.length >> 1), 65536)))).rejects.toMatchObject({ code: "InvalidArgument" });
    });
    test("passes an error of its input on", async () => {
      const source = Readable.from((async function* () { yield packedLarge.subarray(0, 2 << 20); throw new DataLoss("digest does not match"); })(), { objectMode: false });
      await expect(collect(decompress(source))).rejects.toMatchObject({ code: "DataLoss" });
    });
    test("stops reading when nobody listens any more", async () => {
      const source = inPieces(packedLarge, 65536);
      for await (const chunk of decompress(source)) { expect(chunk.length).toBeGreaterThan(0); break; }
      expect(source.destroyed).toBe(true);
    });
  });
}

test("gzip members one behind the other are one stream", async () => {
  expect(await collect(decompress(inPieces(Buffer.concat([gzipSync(small), gzipSync(small)]), 100)))).toEqual(Buffer.concat([small, small]));
});
test("a flipped byte is an error, with a program and without", async () => {
  const packed = gzipSync(large);
  packed[packed.length - 6]! ^= 0xff;
  await expect(collect(decompress(inPieces(packed, 65536)))).rejects.toMatchObject({ code: "InvalidArgument" });
  await expect(collect(decompress(inPieces(packed, 65536), { programs: false }))).rejects.toMatchObject({ code: "InvalidArgument" });
});
test("anything else passes as it is", async () => {
  expect((await collect(decompress(inPieces(large, 1000)))).equals(large)).toBe(true);
  expect(await collect(decompress(Readable.from([])))).toHaveLength(0);
  expect(await collect(decompress(Readable.from([Buffer.from("x")])))).toEqual(Buffer.from("x"));
});
(findProgram("zstd") ? describe : describe.skip)("zstd in JavaScript", () => {
  test.each([1000, 65536])("unpacks, also frame behind frame, in pieces of %i", async (size) => {
    const packed = Buffer.concat([pack["zstd"]!(small), pack["zstd"]!(large)]);
    expect((await collect(inPieces(packed, size).pipe(zstdFallback()))).equals(Buffer.concat([small, large]))).toBe(true);
  });
  test("says that a stream is cut off", async () => {
    const packed = pack["zstd"]!(large);
    await expect(collect(inPieces(packed.subarray(0, packed.length - 100), 65536).pipe(zstdFallback()))).rejects.toMatchObject({ code: "ZSTD_CORRUPT" });
  });
});
test("packs the same bytes to the same stream, without a time", async () => {
  const once = await collect(compressGzip(inPieces(large, 5000))), again = await collect(compressGzip(inPieces(large, 70000)));
  const hash = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  expect(hash(once)).toBe(hash(again));
  expect(once.readUInt32LE(4)).toBe(0);
  expect((await collect(decompress(Readable.from([once])))).equals(large)).toBe(true);
});
test("a failing source fails the packed stream", async () => {
  const source = new PassThrough();
  const packed = compressGzip(source);
  source.destroy(new DataLoss("gone"));
  await expect(collect(packed)).rejects.toMatchObject({ code: "DataLoss" });
});
