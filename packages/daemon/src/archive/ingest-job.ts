import { createHash } from "node:crypto";
import { pread, pwrite } from "../kernel/libc.js";
import type { Consumer } from "./workers/protocol.js";

const CHUNK = 1 << 20;

/** Appends to a file of `size` bytes, and hashes it from its first byte. The descriptor stays its sender's. Ends with the SHA-256 in hex. */
export class IngestJob implements Consumer<string> {
  readonly #hash = createHash("sha256");
  readonly #fd: number;
  #position = 0;
  #had: number;

  constructor({ fd, size }: { readonly fd: number; readonly size: number }) {
    this.#fd = fd;
    this.#had = size;
  }

  write(chunk: Buffer): void {
    this.#hashWhatWasThere();
    for (let done = 0; done < chunk.length;) {
      const n = pwrite(this.#fd, chunk.subarray(done), this.#position);
      done += n;
      this.#position += n;
    }
    this.#hash.update(chunk);
  }
  end(): string {
    this.#hashWhatWasThere();
    return this.#hash.digest("hex");
  }
  abort(): void {}

  #hashWhatWasThere(): void {
    if (this.#position >= this.#had) return;
    const room = Buffer.allocUnsafeSlow(CHUNK);
    while (this.#position < this.#had) {
      const n = pread(this.#fd, room.subarray(0, Math.min(CHUNK, this.#had - this.#position)), this.#position);
      if (n === 0) throw new Error("the file ends early");
      this.#hash.update(room.subarray(0, n));
      this.#position += n;
    }
  }
}
