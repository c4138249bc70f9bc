import { pread } from "../../kernel/libc.js";
import type { Output } from "../output.js";
import type { Steps } from "../workers/protocol.js";
import type { ContextEntry } from "./entry.js";

const SIZE = 1 << 20;

/** Reads what lies side by side at once: small files are copied in the order of their data. */
export class DataWindow {
  private readonly buffer = Buffer.allocUnsafeSlow(SIZE);
  private from = 0;
  private filled = 0;
  constructor(private readonly fd: number) {}

  *copy({ offset, length }: Pick<ContextEntry, "offset" | "length">, output: Output): Steps<void> {
    for (let at = offset, end = offset + length; at < end; ) {
      if (at < this.from || at >= this.from + this.filled) {
        this.from = at;
        this.filled = pread(this.fd, this.buffer, at);
        if (this.filled === 0) throw new Error("the context ends inside a file");
      }
      const part = this.buffer.subarray(at - this.from, Math.min(this.filled, end - this.from));
      yield* output.bytes(part);
      at += part.length;
    }
  }
}
