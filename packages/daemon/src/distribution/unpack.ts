import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { ChainId } from "@strata/oci";
import type { ComingParent, Layer, LayerStore, Lease } from "../core/index.js";
import { decompress, fileFilter, LARGE_FILE } from "../archive/compress.js";
import type { BlobFile } from "./growth.js";

/** Registers a layer from a tar as it comes: plain, gzip or zstd. */
export async function registerPacked(layers: LayerStore, packed: Readable, parent: ChainId | null, lease: Lease, coming?: ComingParent): Promise<Layer> {
  try {
    return await layers.register(decompress(packed), parent, lease, coming);
  } finally {
    packed.destroy();
  }
}

export interface PackedFileOptions {
  /** Told now and then how many bytes of the file have been read. */
  readonly progress: (bytes: number) => void;
  readonly signal?: AbortSignal;
  readonly coming?: ComingParent;
}

/** The same from a file. A large one is read where it is unpacked, and while it still grows. */
export async function registerPackedFile(layers: LayerStore, { path, size, growth }: Omit<BlobFile, "whole">, parent: ChainId | null, lease: Lease, options: PackedFileOptions): Promise<Layer> {
  const filter = size < LARGE_FILE ? undefined : fileFilter(await headOf(path));
  if (filter !== undefined) return layers.register({ path, filter, growth, progress: options.progress }, parent, lease, options.coming);
  if (growth !== null) await wholeFile(growth);
  const packed = createReadStream(path, { highWaterMark: LARGE_FILE, ...(options.signal ? { signal: options.signal } : {}) });
  const timer = setInterval(() => options.progress(packed.bytesRead), 100).unref();
  try { return await registerPacked(layers, packed, parent, lease, options.coming); } finally { clearInterval(timer); }
}

async function wholeFile(growth: AsyncIterable<number>): Promise<void> {
  const lengths = growth[Symbol.asyncIterator]();
  while (!(await lengths.next()).done);
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.subarray(0, bytesRead);
  } finally { await file.close(); }
}
