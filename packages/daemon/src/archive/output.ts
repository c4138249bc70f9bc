import { read } from "../kernel/libc.js";
import type { Steps } from "./workers/protocol.js";

const SIZE = 1 << 20;

/** Gathers output in large blocks; a full one is yielded, and with it its memory given away. */
export class Output {
  private block = Buffer.allocUnsafeSlow(SIZE);
  private used = 0;

  *bytes(bytes: Uint8Array): Steps<void> {
    for (let at = 0; at < bytes.length; ) {
      const n = Math.min(bytes.length - at, SIZE - this.used);
      this.block.set(n === bytes.length ? bytes : bytes.subarray(at, at + n), this.used);
      at += n;
      yield* this.advance(n);
    }
  }
  /** Reads from an open file; how many bytes were there. */
  *from(fd: number, size: number): Steps<number> {
    let left = size;
    while (left > 0) {
      const n = read(fd, this.block.subarray(this.used, Math.min(SIZE, this.used + left)));
      if (n === 0) break;
      left -= n;
      yield* this.advance(n);
    }
    return size - left;
  }
  *zeros(count: number): Steps<void> {
    for (let left = count; left > 0; ) {
      const n = Math.min(left, SIZE - this.used);
      this.block.fill(0, this.used, this.used + n);
      left -= n;
      yield* this.advance(n);
    }
  }
  *flush(): Steps<void> {
    if (this.used === 0) return;
    const full = this.block.subarray(0, this.used);
    this.block = Buffer.allocUnsafeSlow(SIZE);
    this.used = 0;
    yield full;
  }
  private *advance(n: number): Steps<void> {
    this.used += n;
    if (this.used === SIZE) yield* this.flush();
  }
}
