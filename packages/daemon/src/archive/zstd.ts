import { Transform } from "node:stream";
import { Decompress } from "fzstd";

/** Unpacks zstd in plain JavaScript, for a Node without it and a machine without the program. Errors have code ZSTD_CORRUPT. */
export function zstdFallback(): Transform {
  const corrupt = (error: unknown): Error => Object.assign(error instanceof Error ? error : new Error(String(error)), { code: "ZSTD_CORRUPT" });
  const decoder = new Decompress((chunk) => { if (chunk.length > 0) transform.push(Buffer.from(chunk)); });
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try { decoder.push(chunk); done(); } catch (error) { done(corrupt(error)); }
    },
    flush(done) {
      try { decoder.push(new Uint8Array(0), true); done(); } catch (error) { done(corrupt(error)); }
    },
  });
  return transform;
}
